# SPDX-License-Identifier: Apache-2.0
"""A project: a folder that is a valid RO-Crate at every moment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sidecrate.about import About, config_of, first_person, read_config, to_toml
from sidecrate.artifacts import KINDS, Artifact, Person
from sidecrate.digests import write_atomic
from sidecrate.errors import Finding, InputError, ProjectError
from sidecrate.provenance import crate, preview
from sidecrate.provenance.gaps import gaps
from sidecrate.provenance.recorder import Recorder, observe, recording
from sidecrate.provenance.records import FOLDER, PRIVATE, Ledger, Record, artifacts_below
from sidecrate.store import check_name, open_version, version_numbers

A = TypeVar("A", bound=Artifact)

_REF = re.compile(r"(?:(?P<folder>[a-z]+)/)?(?P<name>[a-z0-9][a-z0-9._-]*)(?:(?:@|/)v(?P<version>[1-9]\d*))?/?")


class Project:
    """An open project folder.

    Parameters
    ----------
    root : Path
        The folder that holds ``sidecrate.toml``.
    operator : Person, optional
        Who runs the steps.
    """

    def __init__(self, root: Path, operator: Person | None = None) -> None:
        self.root = root.resolve()
        self.ledger = Ledger(self.root)
        self.config = read_config(self.root)
        self.operator = operator or first_person(self.config)

    @classmethod
    def find(cls, start: Path, operator: Person | None = None) -> Project:
        """Open the project that holds a folder, looking upwards, and finish what a killed process left.

        Raises
        ------
        ProjectError
            There is none.
        """
        project = cls(find_root(start), operator)
        with suppress(OSError):  # a full disk, somebody else's project: it can be read, and a step says that it cannot
            project.recover()
        return project

    # ---- what is there

    @cached_property
    def id(self) -> str:
        """Return the identifier the project got when it was made."""
        return str(self.config["project"]["identifier"])

    def artifacts(self) -> list[Artifact]:
        """Return every version of everything."""
        return list(artifacts_below(self.root))

    def records(self) -> list[Record]:
        """Return the records, oldest first."""
        return self.ledger.read()

    def series(self, noun: type[Artifact], name: str) -> Path:
        """Return the folder new versions of an artifact go to.

        Raises
        ------
        InputError
            The name is unusable.
        """
        check_name(name)
        return self.root / noun.folder / name

    def get(self, ref: str, noun: type[A]) -> A:
        """Return a version by its short name; without ``@vN`` the newest.

        Raises
        ------
        InputError
            There is none of that name and kind; the message lists what there is.
        """
        found = [artifact for artifact in self.lookup(ref) if isinstance(artifact, noun)]
        if not found:
            there = ", ".join(sorted(a.ref for a in self.artifacts() if isinstance(a, noun))) or "none yet"
            raise InputError(f"{ref!r}: no such {noun.kind} in this project (there is: {there})")
        return found[0]

    def lookup(self, ref: str) -> list[Artifact]:
        """Return what ``pores``, ``pores@v2`` or ``labels/pores@v2`` may mean, the newest version of each kind."""
        match = _REF.fullmatch(ref)
        if match is None:
            return []
        found = []
        for noun in KINDS.values():
            series = self.series(noun, match["name"])
            numbers = version_numbers(series) if match["folder"] in (None, noun.folder) else []
            number = int(match["version"]) if match["version"] else max(numbers, default=0)
            if number in numbers:
                found.append(open_version(series / f"v{number}"))
        return found

    def newest(self, noun: type[A]) -> A | None:
        """Return the version of a kind that a record made last, None when there is none."""
        for record in reversed(self.records()):
            for use in record["outputs"]:
                path = self.root / use.get("place", "-")
                if use["kind"] == noun.kind and path.is_dir():
                    artifact = open_version(path)
                    if isinstance(artifact, noun):
                        return artifact
        return None

    # ---- keeping it true

    @contextmanager
    def recording(self, command: str | None = None) -> Iterator[Recorder]:
        """Record every observed step of this thread in this project, and derive the crate after each."""
        recorder = Recorder(self.root, self.operator, after=lambda _: self.settle(), command=command)
        with recording(recorder):
            yield recorder

    def recover(self) -> list[Record]:
        """Record runs that were killed, bring the crate up to date, and return those records."""
        with self.ledger.locked():  # nobody writes now: what looks half-written stays so
            for pattern in (f".{crate.METADATA}.*", f".{crate.PREVIEW}.*", f"{FOLDER}/.*.json.*"):
                for half in self.root.glob(pattern):
                    half.unlink()
        recovered = self.ledger.recover()
        if recovered or self._is_behind():
            self.settle()
        return recovered

    def _is_behind(self) -> bool:
        """Return whether a process was killed after a record was written and before the crate was."""
        metadata = self.root / crate.METADATA
        paths = self.ledger.paths()
        if not metadata.is_file() or not (self.root / crate.PREVIEW).is_file():
            return True
        newest = max([path.stat().st_mtime_ns for path in (*paths[-1:], self.root / crate.CONFIG)])
        return newest > metadata.stat().st_mtime_ns

    def settle(self) -> None:
        """Derive the crate and its preview from records and artifacts, and replace the old ones."""
        with self.ledger.locked():
            records, artifacts = self.records(), self.artifacts()
            document = crate.build(self.config, records, artifacts)
            try:
                page = preview.render(document, self.config, records, artifacts, root=self.root)
                write_atomic(self.root / crate.PREVIEW, page.encode())
            finally:  # last, as the sign that both are up to date; and whatever became of the page
                write_atomic(self.root / crate.METADATA, crate_bytes(document))

    def gaps(self) -> list[Finding]:
        """Return what the project's own description lacks, with advice."""
        return list(gaps(self.config))


def find_root(start: Path) -> Path:
    """Return the project folder that holds a folder, looking upwards; what is in it is not read.

    Raises
    ------
    ProjectError
        There is none.
    """
    try:
        here = start.resolve()
    except RuntimeError:  # before Python 3.13; later versions go on
        raise ProjectError(f"{start.name}: a link that leads in a circle; give the folder itself") from None
    for folder in (here, *here.parents):
        if (folder / crate.CONFIG).is_file():
            return folder
    advice = f"make one: `sidecrate init {start.name or 'FOLDER'}`"
    raise ProjectError(f"{start.name or start}: no project here or above; {advice}")


def crate_bytes(document: Mapping[str, Any]) -> bytes:
    """Return a crate document as it is written: readable, in the order the graph was built."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


@contextmanager
def open_project(start: Path | str = ".", operator: Person | None = None) -> Iterator[Project]:
    """Open the project that holds a folder and record every observed step of this thread in it.

    Raises
    ------
    ProjectError
        There is none.
    """
    project = Project.find(Path(start), operator)
    with project.recording():
        yield project


def init(root: Path, about: About, operator: Person | None = None) -> Project:
    """Make a project folder that is a valid RO-Crate from its first moment.

    Raises
    ------
    ProjectError
        The folder is a project already, or holds other files.
    InputError
        A licence, ORCID iD or ROR id is wrong.
    """
    root = root.absolute()
    if (root / crate.CONFIG).exists():
        raise ProjectError(f"{root.name}: a project already; work in it, or choose another folder")
    if root.is_dir() and not _is_unfinished(root) and any(root.iterdir()):
        raise ProjectError(f"{root.name}: the folder is not empty; choose a new one and `sidecrate add` your data")
    config = config_of(about)
    root.mkdir(parents=True, exist_ok=True)
    (root / PRIVATE).mkdir(exist_ok=True)
    staged = root / PRIVATE / crate.CONFIG
    staged.write_bytes(to_toml(config).encode())
    document = crate.build(config, [], [])
    write_atomic(root / crate.PREVIEW, preview.render(document, config, [], [], root=root).encode())
    write_atomic(root / crate.METADATA, crate_bytes(document))
    staged.rename(root / crate.CONFIG)  # last: from here on it is a project
    project = Project(root, operator)
    with project.recording():
        observe(_describe, step="init")(about)
    return project


def _is_unfinished(root: Path) -> bool:
    """Return whether a folder holds nothing but what an `init` that was killed had made."""
    own = (PRIVATE, crate.METADATA, crate.PREVIEW)
    begun = (root / PRIVATE).is_dir()
    return begun and all(entry.name.removeprefix(".").startswith(own) or entry.name in own for entry in root.iterdir())


def _describe(about: About) -> None:
    """Stand for the making of the project in its first record; what was said is the parameter."""
