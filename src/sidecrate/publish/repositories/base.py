# SPDX-License-Identifier: Apache-2.0
"""What a repository is to sidecrate: it plans, takes a package in as a new version, lists versions, gives one back.

A plug-in is a class with these methods, named in the entry-point group ``sidecrate.repositories``; the name of the
entry point is the scheme in front of a location, and the `type` of a ``[repositories.NAME]`` table: ``ocfl:/archive``
calls ``OcflRepository("/archive", {})``, a table passes what else it says as the second argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from sidecrate.artifacts import Person
from sidecrate.errors import Finding, InputError
from sidecrate.provenance import schemas
from sidecrate.publish.cite import Citation
from sidecrate.publish.package import Package
from sidecrate.publish.targets import Target, target
from sidecrate.publish.trees import Progress

GROUP = "sidecrate.repositories"
AGAIN = "deposit again; if it stays, ask the people who run the repository"


@dataclass(frozen=True)
class Work:
    """What a deposit is about, beyond its bytes.

    Attributes
    ----------
    citation : Citation
        Of the package as a whole: what the repository is told about it.
    memory : Path
        Folder for what has to be remembered until a deposit is complete; it survives the process.
    earlier : tuple of Receipt
        What this repository has given for this project so far, oldest first; the last may be a reservation.
    """

    citation: Citation
    memory: Path
    earlier: tuple[Receipt, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What a repository takes; None where it does not tell and nobody has said.

    Attributes
    ----------
    files : int or None
        In one record.
    file_bytes, bytes : int or None
        Of one file, of all files of a record.
    source : str
        Who says so: ``the server``, ``the configuration``, ``usual for InvenioRDM``.
    """

    files: int | None = None
    file_bytes: int | None = None
    bytes: int | None = None
    source: str = "nobody"


@dataclass(frozen=True)
class Upload:
    """One file of a deposit.

    Attributes
    ----------
    path : str
        Its name at the other end, folders included.
    bytes : int
    sha256 : str or None
        None for a part that is made while it is sent.
    is_held : bool
        Whether the repository holds its bytes already.
    """

    path: str
    bytes: int
    sha256: str | None
    is_held: bool


@dataclass(frozen=True)
class DepositPlan:
    """What a deposit would do.

    Attributes
    ----------
    repository : str
        Scheme of the repository.
    object_id : str
        What the versions are versions of; empty when the repository has yet to name it.
    version : str
        Name the new version would get; that of the newest one when nothing has changed.
    uploads : tuple of Upload
        Every file as it will lie there, sorted by path.
    is_new : bool
        False when the newest version holds exactly this already.
    limits : Limits
    metadata : dict
        As it will appear there, in the repository's own form.
    contents : dict of str to str
        Path in the bag → file it will be in, where that is not the path itself.
    findings : tuple of Finding
        What the repository cannot hold, and what is still lacking.
    """

    repository: str
    object_id: str
    version: str
    uploads: tuple[Upload, ...]
    is_new: bool
    limits: Limits = field(default_factory=Limits)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def new_bytes(self) -> int:
        """Return how many bytes have to be sent: equal files once, files that are held not at all."""
        new = {upload.sha256 or upload.path: upload.bytes for upload in self.uploads if not upload.is_held}
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
    digest : str or None
        ``sha256:<hex>`` of the payload manifest; None while a DOI is only reserved.
    files, bytes, new_bytes : int
        Extent of the package, and what had to be stored for it.
    deposited : str
        When, ISO 8601 in UTC.
    contents : dict of str to str
        Place → digest of each version inside, so that a citation of one of them finds this deposit.
    doi, concept_doi, url, publisher : str, optional
        Where the repository gives them; `publisher` is its own name, for citations.
    status : str, optional
        ``reserved``, ``draft``, ``review`` or ``published``, for repositories that know the difference.
    server, record : str, optional
        Address of the server, and its own name of this very version.
    parcels : dict of str to dict
        Name at the other end → bytes, md5 and sha256 of each file there.
    metadata : dict
        What the repository was told, in its own form.
    """

    repository: str
    object_id: str
    version: str
    package: str | None
    digest: str | None
    files: int
    bytes: int
    new_bytes: int
    deposited: str
    contents: dict[str, str] = field(default_factory=dict)
    doi: str | None = None
    concept_doi: str | None = None
    url: str | None = None
    publisher: str | None = None
    status: str | None = None
    server: str | None = None
    record: str | None = None
    parcels: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as JSON data that fits ``schemas/receipt.schema.json``."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        for key in ("parcels", "metadata"):
            if not values[key]:
                del values[key]
        receipt = {"schema": "urn:sidecrate:schema:receipt:1", **values}
        schemas.check("receipt", receipt, "receipt")
        return receipt

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Receipt:
        """Return the receipt that `as_dict` was called on.

        Raises
        ------
        RecordError
            It does not fit the schema.
        """
        schemas.check("receipt", values, "receipt")
        return cls(**{"package": None, "digest": None, **{k: v for k, v in values.items() if k != "schema"}})


@dataclass(frozen=True)
class DepositedVersion:
    """One version a repository holds: its name there, when it came, and what was said about it."""

    version: str
    created: str
    message: str | None


class Repository(Protocol):
    """A place that keeps packages, version after version; made of a location and the options of its table.

    Attributes
    ----------
    gives_dois : bool
        Whether there is something to reserve before a deposit.
    """

    gives_dois: ClassVar[bool]

    def reserve(self, work: Work) -> Receipt:
        """Make a place for the next version and return its receipt, DOI included; asked again, the same place.

        Raises
        ------
        RepositoryError
            There is nothing to reserve here, or the repository refuses.
        NetworkError
            It does not answer; the call can be repeated.
        """

    def plan(self, package: Package, work: Work | None = None) -> DepositPlan:
        """Return what a deposit of this package would do; nothing is sent."""

    def deposit(
        self,
        package: Package,
        *,
        work: Work | None = None,
        by: Person | None = None,
        publish: bool = False,
        progress: Progress | None = None,
    ) -> Receipt:
        """Take a package in as the next version, whole or not at all; the same package again changes nothing.

        A call that was cut off, whenever it was, is completed by the next one: nothing is there twice.

        Parameters
        ----------
        package : Package
        work : Work, optional
            What it is about; repositories on a server need it.
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

    def check(
        self, receipt: Receipt, package: Package | None = None, progress: Progress | None = None
    ) -> Iterator[Finding]:
        """Yield how what the repository really holds differs from a receipt, and from the package when it is given."""

    def versions(self, object_id: str) -> list[DepositedVersion]:
        """Return the versions of an object, oldest first."""

    def fetch(
        self, object_id: str, target: Path, *, version: str | None = None, progress: Progress | None = None
    ) -> Path:
        """Write a version, the newest when none is named, as a bag folder at `target` and return it."""


def differences(sent: Mapping[str, str], held: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each file, name → digest, that a repository lost, changed or added."""
    for path in sorted(sent.keys() - held.keys()):
        yield Finding("error", "deposit.missing", path, "the repository does not hold the file", AGAIN)
    for path in sorted(held.keys() - sent.keys()):
        yield Finding("error", "deposit.extra", path, "the repository holds a file that was not sent", AGAIN)
    for path in sorted(held.keys() & sent.keys()):
        if held[path] != sent[path]:
            yield Finding("error", "deposit.digest", path, "the repository holds other bytes than were sent", AGAIN)


def schemes() -> list[str]:
    """Return the names of the repositories that are installed; none is imported."""
    return sorted(entry.name for entry in _entries())


def open_repository(to: str | Target, project: Mapping[str, Any] | None = None) -> Repository:
    """Return the repository of a configured name, or behind ``scheme:location``.

    Parameters
    ----------
    to : str or Target
    project : mapping, optional
        The parsed ``sidecrate.toml``, which may configure repositories.

    Raises
    ------
    InputError
        It is neither, or nothing installed serves the scheme.
    """
    chosen = target(to, project) if isinstance(to, str) else to
    entry = next((entry for entry in _entries() if entry.name == chosen.scheme), None)
    if entry is None:
        known = ", ".join(f"{name}:…" for name in schemes())
        raise InputError(f"{str(to)!r}: not a repository; write one of {known}")
    return cast(Repository, entry.load()(chosen.location, chosen.options))


def _entries() -> Iterator[EntryPoint]:
    yield from entry_points(group=GROUP)
