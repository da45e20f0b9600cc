# SPDX-License-Identifier: Apache-2.0
"""What every command shares: the open project, output as table or JSON, progress."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import rich_click as click

from sidecrate.artifacts import Artifact, Person
from sidecrate.errors import InputError, RecordError

if TYPE_CHECKING:
    from rich.console import Console

    from sidecrate.project import Project

F = TypeVar("F", bound=Callable[..., Any])

_WHO = re.compile(r"\s*(?P<name>[^<>\0-\x1f\x7f-\x9f]+?)\s*(?:<\s*(?:https://orcid\.org/)?(?P<orcid>[\dX-]+)\s*>)?\s*")
# control characters but tab and line feed, and marks that turn the direction of writing
_UNSEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LOG_EVERY_S = 60


class ReaderGone(Exception):  # noqa: N818  (nothing went wrong)
    """Whoever reads the output has seen enough, as ``| head`` has; click would end with 1 on the system's own error."""


def say(text: str) -> None:
    """Print a line for people to standard error, where it does not disturb what is piped."""
    print(visible(text), file=sys.stderr)  # noqa: T201


def visible(text: str) -> str:
    """Return text with the characters that move a terminal's cursor, colour it or turn its direction spelt out.

    Names and titles may be a stranger's: of a package that is audited, of a project somebody sent.
    """
    return _UNSEEN.sub(lambda match: ascii(match[0])[1:-1], text)


def console() -> Console:
    """Return the console for results; rich obeys NO_COLOR, drops colour in a pipe, and there may be wide there."""
    from rich.console import Console

    class Visible(Console):
        def render(self, *args: Any, **options: Any) -> Any:
            for segment in super().render(*args, **options):
                yield segment if segment.control else segment._replace(text=visible(segment.text))

        def on_broken_pipe(self) -> None:  # rich would exit with 1, which means that an audit found something
            raise BrokenPipeError

    return Visible(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)


def emit(data: object, as_json: bool, show: Callable[[Console], None]) -> None:
    """Print `data` as JSON, or let `show` print it for people: one object feeds both."""
    try:
        if as_json:
            _print_json(data)
        else:
            show(console())
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None


def _print_json(data: object) -> None:
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(data, indent=1, ensure_ascii=not is_utf8)
    print(_UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))  # noqa: T201


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Any:
    """Return a plain table; empty cells for None."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    made = Table(*head, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        made.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    return made


def parse_who(text: str) -> Person:
    """Return the person in ``Name <ORCID>``.

    Raises
    ------
    InputError
        It is not of that form, or the ORCID iD's check digit is wrong.
    """
    match = _WHO.fullmatch(text)
    if match is None:
        raise InputError(f"--who {text!r}: write 'Given Family <0000-0000-0000-0000>', the ORCID iD may be left out")
    if match["orcid"]:
        from sidecrate.about import check_orcid

        check_orcid(match["orcid"])
    return Person(match["name"], match["orcid"])


@dataclass
class Session:
    """One call of the command line."""

    folder: Path
    who: str | None
    debug: bool

    @property
    def person(self) -> Person | None:
        """Return who is at work, None when it was not said."""
        return parse_who(self.who) if self.who else None

    def project(self) -> Project:
        """Return the open project; what a killed process left is finished first."""
        from sidecrate.project import Project

        return Project.find(self.folder, self.person)

    @contextmanager
    def recording(self) -> Iterator[Project]:
        """Open the project and record every step inside.

        Raises
        ------
        RecordError
            A record could not be completed; the results are kept.
        """
        project = self.project()
        with project.recording(command=shlex.join(["sidecrate", *sys.argv[1:]])) as recorder:
            yield project
        if recorder.failures:
            raise RecordError("; ".join(recorder.failures))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def pass_session(function: F) -> F:
    """Give a command the `Session` as its first argument."""
    return click.pass_obj(function)  # type: ignore[return-value]


def made(artifact: Artifact, as_json: bool, *lines: Any) -> None:
    """Print what a step made: its name, digest and where it is, and lines or tables for people."""
    data = artifact.link() | {"place": artifact.place}

    def show(out: Console) -> None:
        out.print(
            f"[bold]{artifact.ref}[/bold] ({artifact.kind}) → {artifact.place}  [dim]{artifact.digest[:19]}…[/dim]"
        )
        for line in lines:
            out.print(line, markup=False)

    emit(data, as_json, show)


class Progress:
    """A progress callable: a bar on a terminal, a line a minute in a batch job, quiet when it is over in 2 s."""

    def __init__(self, verb: str, unit: Literal["", "bytes"] = "") -> None:
        self._unit = unit
        self._verb, self._began, self._told = verb, time.monotonic(), time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Show that `done` of `total` units are done."""
        now = time.monotonic()
        if now - self._began < 2:
            return
        if sys.stderr.isatty():
            self._draw(done, total, what)
        elif now - self._told >= _LOG_EVERY_S:
            self._told = now
            left = (now - self._began) * (total - done) / max(done, 1)
            counted = f"{done} of {total} {self._unit}".strip()
            say(f"{self._verb}: {counted}, {what}, {done / max(now - self._began, 1e-6):.3g}/s, {left:.0f} s left")

    def _draw(self, done: int, total: int, what: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                MofNCompleteColumn,
                ProgressColumn,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )
            from rich.progress import Progress as Bar

            counted: list[ProgressColumn] = [MofNCompleteColumn(), TextColumn("{task.fields[rate]}")]
            if self._unit == "bytes":
                counted = [DownloadColumn(), TransferSpeedColumn()]
            columns = [TextColumn("{task.description}"), BarColumn(), *counted, TimeRemainingColumn()]
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._verb, total=total, rate="")
        rate = done / max(time.monotonic() - self._began, 1e-6)
        self._bar.update(
            self._task, completed=done, total=total, description=f"{self._verb} {what}", rate=f"{rate:.3g}/s"
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
