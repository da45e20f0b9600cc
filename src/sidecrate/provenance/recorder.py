# SPDX-License-Identifier: Apache-2.0
"""Observing a call by the types of its arguments and of what it returns.

An `Artifact` among the arguments is an input (its role is the argument's name); an `Artifact` inside the returned
value is an output; a `Person` is an agent; callables (progress) and the clock are left out; everything else is a
parameter. A place to write to is a `Path`, never an `Artifact`.

Only the thread that opened the recorder records: workers return values. A forked child has forgotten the recorder.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import re
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from sidecrate.artifacts import Artifact, Person
from sidecrate.digests import files_below
from sidecrate.errors import InputError, RecordError
from sidecrate.provenance import environment, outside, swhid
from sidecrate.provenance.plain import plain
from sidecrate.provenance.records import Ledger, Record, now, sources_of, use_of

P = ParamSpec("P")
R = TypeVar("R")


class RecordWarning(UserWarning):
    """The science is done and its result is kept, but the record of it could not be written."""


class Recorder:
    """Writes the records of one project.

    Parameters
    ----------
    root : Path
        The project folder.
    operator : Person, optional
        Who runs the steps; put into records that name no other agent.
    after : callable, optional
        Called with each record once it is written (the project derives its crate there).
    command : str, optional
        The command line, for the record.
    """

    def __init__(
        self,
        root: Path,
        operator: Person | None = None,
        after: Callable[[Record], None] | None = None,
        command: str | None = None,
    ) -> None:
        self.root = root.resolve()
        self.ledger = Ledger(self.root)
        self.operator, self.command = operator, command
        self.failures: list[str] = []
        self._after = after
        self._owner = (os.getpid(), threading.get_ident())

    def is_here(self) -> bool:
        """Return whether this process and thread are the ones that record."""
        return self._owner == (os.getpid(), threading.get_ident())

    def write(self, record: Record) -> None:
        """Append a record; a failure is remembered and warned of, never raised: the result must not be lost."""
        if not self.is_here():  # a forked child that leaves the block its parent entered
            return
        try:
            self.ledger.append(record)
            if self._after is not None:
                self._after(record)
        except Exception as error:  # whatever it is, it must not cost the result
            message = f"the result of {record['step']} is kept, but its record is not complete: {error}"
            self.failures.append(message)
            warnings.warn(message, RecordWarning, stacklevel=3)


_active: ContextVar[Recorder | None] = ContextVar("sidecrate_recorder", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Make `recorder` the one that observed steps report to, in this thread."""
    token = _active.set(recorder)
    try:
        yield recorder
    finally:
        _active.reset(token)


def active() -> Recorder | None:
    """Return the recorder of this thread, None when there is none or this is a worker or a forked child."""
    recorder = _active.get()
    return recorder if recorder is not None and recorder.is_here() else None


class Run:
    """One run while it is under way; `run` and `observe` make it."""

    def __init__(self, step: str, recorder: Recorder, instrument: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._began = time.perf_counter()
        self._overhead = 0.0
        self._inputs: list[dict[str, Any]] = []
        self._outputs: list[dict[str, Any]] = []
        self._agents: list[Person] = []
        self._watched: dict[Path, list[tuple[str, int, int]]] = {}
        self._parameters: dict[str, Any] = {}
        self._step, self._instrument = step, dict(instrument)
        self._id, self._started = f"urn:uuid:{uuid.uuid4()}", now()
        self._status = "completed"
        self._error: dict[str, str] | None = None

    def input(self, thing: Artifact | Path | str, role: str = "input") -> None:
        """Say that the run reads a version, or a plain file: known as a version when an earlier run made it."""
        with self._timed():
            if not isinstance(thing, Artifact):
                path = Path(thing)
                thing = outside.recognise(path, self._recorder.root) or path
            if isinstance(thing, Artifact):
                self._watched[thing.path] = _stamp(thing.path)
            use = use_of(thing, role) if isinstance(thing, Artifact) else outside.use_of_file(thing, role)
            self._inputs.append(use)

    def output(self, thing: Artifact | Path | str, role: str = "result") -> None:
        """Say that the run made a version, or a plain file, which is kept as one; an unchanged input is no output.

        The file that a version says it was copied from is an input.
        """
        with self._timed():
            if not isinstance(thing, Artifact) and self._has_read(Path(thing)):
                return
            made = thing if isinstance(thing, Artifact) else outside.keep(Path(thing), self._recorder.root)
            if made.place not in {known.get("place") for known in self._inputs + self._outputs}:
                self._outputs.append(use_of(made, role))
                self._inputs += sources_of(made)

    def _has_read(self, path: Path) -> bool:
        """Return whether a file is, byte by byte, one that went in."""
        read = {known["digest"] for known in self._inputs if known["kind"] == outside.FILE}
        return bool(read) and path.is_file() and outside.use_of_file(path, "")["digest"] in read

    def parameter(self, name: str, value: object) -> None:
        """Say what else decided the result."""
        self._parameters |= plain({name: value}, self._recorder.root)

    def agent(self, person: Person) -> None:
        """Say who did it."""
        if person not in self._agents:
            self._agents.append(person)

    def fail(self, error: BaseException) -> None:
        """Say that it did not work out."""
        self._status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        text = environment.scrub(str(error), self._recorder.root)
        self._error = {"type": type(error).__name__, "message": text or type(error).__name__}

    def started(self) -> Record:
        """Return what is known before the end: the journal."""
        agents = self._agents or ([self._recorder.operator] if self._recorder.operator else [])
        record: Record = {
            "id": self._id,
            "step": self._step,
            "started": self._started,
            "inputs": self._inputs,
            "outputs": [],
            "parameters": self._parameters,
            "agents": [{k: v for k, v in dataclasses.asdict(person).items() if v} for person in agents],
            "instrument": self._instrument,
            "environment": environment.describe(),
            "cost": {"seconds": 0, "recording_seconds": 0},
        }
        if self._recorder.command:
            record["command"] = environment.scrub(self._recorder.command, self._recorder.root)
        return record

    def ended(self) -> Record:
        """Return the record."""
        cost = {
            "seconds": round(time.perf_counter() - self._began, 3),
            "recording_seconds": round(self._overhead, 3),
        }
        record = {**self.started(), "status": self._status, "ended": now(), "outputs": self._outputs, "cost": cost}
        return record | ({"error": self._error} if self._error else {})

    def check_inputs(self) -> None:
        """Check that no input was changed in place.

        Raises
        ------
        RecordError
            One was.
        """
        with self._timed():
            for path, stamp in self._watched.items():
                if _stamp(path) != stamp:
                    where = path.relative_to(self._recorder.root) if path.is_relative_to(self._recorder.root) else path
                    raise RecordError(f"{where}: {self._step} changed its input in place; restore it and run again")

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._overhead += time.perf_counter() - began


@contextmanager
def run(
    step: str, *, instrument: Mapping[str, str] | None = None, before: Callable[[Run], None] | None = None
) -> Iterator[Run]:
    """Record what happens inside the ``with`` block as one run.

    Parameters
    ----------
    step : str
        What is done, ``train``.
    instrument : mapping, optional
        What does it: name, version, sha256; sidecrate itself when not given.
    before : callable, optional
        Called with the run to fill in what is known at the start, so that it is in the journal.

    Raises
    ------
    RecordError
        No project is being recorded in this thread, or an input was changed in place.
    """
    recorder = active()
    if recorder is None:
        raise RecordError("no project is being recorded here; open one: `with sidecrate.open_project(PATH): …`")
    under_way = Run(step, recorder, instrument or own_instrument(step))
    if before is not None:
        before(under_way)
    with recorder.ledger.journal(under_way.started()):
        try:
            yield under_way
            under_way.check_inputs()
        except BaseException as error:
            under_way.fail(error)
            raise
        finally:
            recorder.write(under_way.ended())


def own_instrument(step: str) -> dict[str, str]:
    """Return sidecrate's own step as an instrument."""
    found = environment.package_version("sidecrate")
    known = {"version": found} if found else {}
    return {"name": f"sidecrate {step}", **known, **_identified(swhid.of_sidecrate)}


def observe(
    function: Callable[P, R], step: str | None = None, *, files: bool = False, **instrument: str
) -> Callable[P, R]:
    """Return `function` with every call recorded, when a project is being recorded; else just called.

    Parameters
    ----------
    function : callable
    step : str, optional
        Name in the records, the function's own when not given.
    files : bool
        Take a Path among the arguments that is a file, and any Path in the returned value, as plain files read
        and made: for functions that were not written for sidecrate.
    **instrument : str
        What does it (name, version), when it is not sidecrate.
    """
    name = step or function.__name__.replace("_", "-")
    signature = inspect.signature(function)

    @functools.wraps(function)
    def observed(*args: P.args, **kwargs: P.kwargs) -> R:
        if active() is None:
            return function(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        _refuse_secrets(bound.arguments)
        with run(
            name, instrument=instrument or None, before=lambda new: _tell(new, bound.arguments, files)
        ) as under_way:
            result: Any = function(*args, **kwargs)
            generated = isinstance(result, Generator)
            if generated:
                result = list(result)  # consumed while we watch
            for role, artifact in _things(result, "result", files):
                under_way.output(artifact, role)
        return cast(R, iter(result) if generated else result)

    return observed


def recorded(function: Callable[P, R]) -> Callable[P, R]:
    """Record every call of somebody's own function (``@sidecrate.recorded``): artifacts and files in and out."""
    name = function.__qualname__.replace("<locals>.", "")
    step = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")
    source = _identified(lambda: swhid.of_file(Path(inspect.getfile(function))))
    return observe(function, step=step, files=True, name=name, **source)


def _identified(compute: Callable[[], str]) -> dict[str, str]:
    """Return the identifier of software; nothing when its source cannot be read, as of what was typed into a prompt."""
    try:
        return {"swhid": compute()}
    except (OSError, TypeError):
        return {}


def _refuse_secrets(arguments: Mapping[str, Any]) -> None:
    """Check what people typed: a step keeps a note or a description as it is, so a token in it would be published.

    Raises
    ------
    InputError
        A text holds the value of an environment variable that looks like a token.
    """
    for name, value in arguments.items():
        if isinstance(value, str) and (variable := environment.variable_in(value)):
            raise InputError(f"{name}: holds the value of {variable}; take it out, what is kept may be published")


def _tell(new: Run, arguments: Mapping[str, Any], files: bool) -> None:
    for name, value in arguments.items():
        if isinstance(value, Person):
            new.agent(value)
        elif found := [thing for thing in _things(value, name, files) if _is_readable(thing[1])]:
            for role, thing in found:
                new.input(thing, role)
        elif value is not None and not callable(value):
            new.parameter(name, value)


def _things(value: object, role: str, files: bool) -> Iterator[tuple[str, Artifact | Path]]:
    """Yield the artifacts (and paths, when files count) inside a value; only plain containers are opened."""
    if isinstance(value, Artifact) or (files and isinstance(value, Path)):
        yield role, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _things(item, str(key), files)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _things(item, role, files)


def _is_readable(thing: Artifact | Path) -> bool:
    """Return whether it can be an input: a path to nothing yet is a place to write to."""
    return isinstance(thing, Artifact) or thing.is_file()


def _stamp(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of every file below: cheap, and different after a change in place."""
    stamp = []
    for name in files_below(folder):
        with suppress(FileNotFoundError):
            status = (folder / name).stat()
            stamp.append((name, status.st_size, status.st_mtime_ns))
    return stamp
