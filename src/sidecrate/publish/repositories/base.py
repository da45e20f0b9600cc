# SPDX-License-Identifier: Apache-2.0
"""What a repository is to sidecrate: it plans, takes a package in as a new version, lists versions, gives one back.

A plug-in is a class with these methods, named in the entry-point group ``sidecrate.repositories``; the name of the
entry point is the scheme in front of a location: ``ocfl:/archive`` calls ``OcflRepository("/archive")``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from sidecrate.artifacts import Person
from sidecrate.errors import InputError
from sidecrate.provenance import schemas
from sidecrate.publish.package import Package
from sidecrate.publish.trees import Progress

GROUP = "sidecrate.repositories"


@dataclass(frozen=True)
class Upload:
    """One file of a deposit: its path in the bag, and whether the repository holds its bytes already."""

    path: str
    bytes: int
    sha256: str
    is_held: bool


@dataclass(frozen=True)
class DepositPlan:
    """What a deposit would do.

    Attributes
    ----------
    repository : str
        Scheme of the repository.
    object_id : str
        What the versions are versions of.
    version : str
        Name the new version would get; that of the newest one when nothing has changed.
    uploads : tuple of Upload
        Every file of the package, sorted by path.
    is_new : bool
        False when the newest version holds exactly this already.
    """

    repository: str
    object_id: str
    version: str
    uploads: tuple[Upload, ...]
    is_new: bool

    @property
    def new_bytes(self) -> int:
        """Return how many bytes have to be sent: equal files once, files that are held not at all."""
        new = {upload.sha256: upload.bytes for upload in self.uploads if not upload.is_held}
        return sum(new.values())


@dataclass(frozen=True)
class Receipt:
    """What a repository has taken in; written beside the project's records, so it holds no path of any machine.

    Attributes
    ----------
    repository, object_id, version : str
        Where it is: scheme, object, version there.
    package : str or None
        External-Identifier of the bag.
    digest : str
        ``sha256:<hex>`` of the payload manifest.
    files, bytes, new_bytes : int
        Extent of the package, and what had to be stored for it.
    deposited : str
        When, ISO 8601 in UTC.
    contents : dict of str to str
        Place → digest of each version inside, so that a citation of one of them finds this deposit.
    doi, concept_doi, url, publisher : str, optional
        Where the repository gives them; `publisher` is its own name, for citations.
    """

    repository: str
    object_id: str
    version: str
    package: str | None
    digest: str
    files: int
    bytes: int
    new_bytes: int
    deposited: str
    contents: dict[str, str] = field(default_factory=dict)
    doi: str | None = None
    concept_doi: str | None = None
    url: str | None = None
    publisher: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as JSON data that fits ``schemas/receipt.schema.json``."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        receipt = {"schema": "urn:sidecrate:schema:receipt:1", **values}
        schemas.check("receipt", receipt, "receipt")
        return receipt


@dataclass(frozen=True)
class DepositedVersion:
    """One version a repository holds: its name there, when it came, and what was said about it."""

    version: str
    created: str
    message: str | None


class Repository(Protocol):
    """A place that keeps packages, version after version."""

    def plan(self, package: Package) -> DepositPlan:
        """Return what a deposit of this package would do; nothing is sent."""

    def deposit(
        self, package: Package, *, by: Person | None = None, publish: bool = False, progress: Progress | None = None
    ) -> Receipt:
        """Take a package in as the next version, whole or not at all; the same package again changes nothing.

        Parameters
        ----------
        package : Package
        by : Person, optional
            Who deposits.
        publish : bool
            Make it public for good, where the repository keeps drafts first.
        progress : callable, optional
            Called with (bytes done, bytes in all, file).

        Raises
        ------
        RepositoryError
            The repository refuses.
        NetworkError
            It does not answer.
        """

    def versions(self, object_id: str) -> list[DepositedVersion]:
        """Return the versions of an object, oldest first."""

    def fetch(
        self, object_id: str, target: Path, *, version: str | None = None, progress: Progress | None = None
    ) -> Path:
        """Write a version, the newest when none is named, as a bag folder at `target` and return it."""

    def read_back(self, object_id: str, version: str, progress: Progress | None = None) -> dict[str, str]:
        """Return path → hex sha256 of what the repository really holds, not of what it was told."""


def schemes() -> list[str]:
    """Return the names of the repositories that are installed; none is imported."""
    return sorted(entry.name for entry in _entries())


def open_repository(to: str) -> Repository:
    """Return the repository behind ``scheme:location``.

    Raises
    ------
    InputError
        It is not of that form, or nothing installed serves the scheme.
    """
    scheme, colon, location = to.partition(":")
    entry = next((entry for entry in _entries() if entry.name == scheme), None)
    if not colon or not location or entry is None:
        known = ", ".join(f"{name}:…" for name in schemes())
        raise InputError(f"{to!r}: not a repository; write one of {known}")
    return cast(Repository, entry.load()(location))


def _entries() -> Iterator[EntryPoint]:
    yield from entry_points(group=GROUP)
