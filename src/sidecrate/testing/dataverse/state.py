# SPDX-License-Identifier: Apache-2.0
"""What a Dataverse holds: collections, datasets, versions, files, locks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sidecrate.testing.blobs import Blob
from sidecrate.testing.messages import RefusalError

Field = dict[str, Any]  # one field of the metadata, as JSON: typeName, typeClass, multiple, value


@dataclass(frozen=True)
class User:
    """Somebody with a token.

    Attributes
    ----------
    is_superuser : bool
    is_curator : bool
        May publish.
    may_create : bool
    """

    name: str
    token: str
    is_superuser: bool = False
    is_curator: bool = False
    may_create: bool = True


@dataclass
class Collection:
    """A Dataverse collection; `required` are fields it asks for beyond those of the block."""

    alias: str
    is_published: bool = True
    required: tuple[str, ...] = ()


@dataclass
class DataFile:
    """Bytes and what is known of them, whatever versions they are in.

    Attributes
    ----------
    blob : Blob
        What a download gives: of an ingested file the table.
    original : Blob or None
        Of an ingested file what was uploaded.
    checksum : str
        Stays that of what was uploaded; for direct uploads it is what the client claimed.
    """

    id: int
    blob: Blob
    storage_id: str
    content_type: str
    algorithm: str
    checksum: str
    created: datetime
    root_id: int = -1
    previous_id: int | None = None
    published: datetime | None = None
    original: Blob | None = None
    original_name: str = ""
    original_type: str = ""
    is_ingest_wanted: bool = True

    @property
    def is_tabular(self) -> bool:
        """Return whether it was ingested."""
        return self.original is not None


@dataclass
class Entry:
    """A file in one version: name, folder and description belong to the version, not to the bytes."""

    file: DataFile
    label: str
    directory: str = ""
    description: str = ""
    categories: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    is_restricted: bool = False
    provenance: str = ""

    @property
    def path(self) -> str:
        """Return folder and name."""
        return f"{self.directory}/{self.label}" if self.directory else self.label


@dataclass
class Terms:
    """Licence or own terms, and access."""

    licence: dict[str, Any] | None = None
    use: str | None = None
    access: str | None = None
    is_access_requestable: bool = True


@dataclass
class Version:
    """A version of a dataset; the draft has no number."""

    id: int
    fields: dict[str, Field]
    terms: Terms
    created: datetime
    updated: datetime
    entries: list[Entry] = field(default_factory=list)
    number: tuple[int, int] | None = None
    released: datetime | None = None
    note: str | None = None

    @property
    def is_draft(self) -> bool:
        """Return whether it is not released."""
        return self.number is None

    @property
    def name(self) -> str:
        """Return ``DRAFT`` or the number."""
        return "DRAFT" if self.number is None else f"{self.number[0]}.{self.number[1]}"

    def copy(self, version_id: int) -> Version:
        """Return a draft with the same content; the bytes are shared."""
        entries = [copy.copy(entry) for entry in self.entries]
        for entry in entries:
            entry.categories, entry.tags = list(entry.categories), list(entry.tags)
        time = now()
        return Version(version_id, copy.deepcopy(self.fields), copy.copy(self.terms), time, time, entries)


@dataclass
class Lock:
    """A lock on a dataset."""

    kind: str
    since: datetime
    user: str
    message: str = ""


@dataclass
class Dataset:
    """A dataset; `versions` has the newest first."""

    id: int
    pid: str
    collection: Collection
    owner: str
    versions: list[Version]
    locks: list[Lock] = field(default_factory=list)
    language: str = ""
    kind: str = "dataset"
    published: datetime | None = None

    @property
    def latest(self) -> Version:
        """Return the newest version, a draft or not."""
        return self.versions[0]

    @property
    def latest_published(self) -> Version | None:
        """Return the newest released version."""
        return next((version for version in self.versions if not version.is_draft), None)

    @property
    def bytes(self) -> int:
        """Return how much its files take, each once."""
        files = {entry.file.id: entry.file for version in self.versions for entry in version.entries}
        return sum((file.original or file.blob).size for file in files.values())

    def lock(self, kind: str, user: str, message: str = "") -> Lock:
        """Set a lock and return it."""
        lock = Lock(kind, now(), user, message)
        self.locks.append(lock)
        return lock

    def unlock(self, kind: str) -> None:
        """Lift the locks of a kind."""
        self.locks = [lock for lock in self.locks if lock.kind != kind]

    def has_lock(self, *kinds: str) -> bool:
        """Return whether it has one of these locks."""
        return any(lock.kind in kinds for lock in self.locks)


@dataclass
class World:
    """Everything one installation holds."""

    collections: dict[str, Collection] = field(default_factory=dict)
    datasets: dict[int, Dataset] = field(default_factory=dict)
    next_id: int = 1

    def new_id(self) -> int:
        """Return a number that no object of the installation has."""
        self.next_id += 1
        return self.next_id

    def find_dataset(self, reference: str, pid: str) -> Dataset:
        """Return a dataset by its number, or by its persistent identifier.

        Raises
        ------
        RefusalError
            404.
        """
        if reference == ":persistentId":
            found = next((one for one in self.datasets.values() if one.pid == pid), None)
            shown = f"Dataset with Persistent ID {pid} not found."
        else:
            found = self.datasets.get(int(reference)) if reference.isdecimal() else None
            shown = f"Dataset with ID {reference} not found."
        if found is None:
            raise RefusalError(404, shown)
        return found

    def find_file(self, reference: str) -> tuple[Dataset, Version, Entry]:
        """Return a file by its number, in the newest version that has it.

        Raises
        ------
        RefusalError
            404.
        """
        for dataset, version, entry in self._everywhere():
            if str(entry.file.id) == reference:
                return dataset, version, entry
        raise RefusalError(404, f"File with ID {reference} not found.")

    def _everywhere(self) -> Iterator[tuple[Dataset, Version, Entry]]:
        for dataset in self.datasets.values():
            for version in dataset.versions:
                for entry in version.entries:
                    yield dataset, version, entry


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def stamp(time: datetime) -> str:
    """Return a time as Dataverse writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
