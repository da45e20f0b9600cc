# SPDX-License-Identifier: Apache-2.0
"""What an InvenioRDM holds: parents, records with their drafts, files."""

from __future__ import annotations

import copy
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sidecrate.testing.blobs import Blob
from sidecrate.testing.messages import RefusalError

Json = dict[str, Any]

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, of which the ids are made


@dataclass
class Entry:
    """A file of a draft or record.

    Attributes
    ----------
    blob : Blob or None
        None until content came.
    is_complete : bool
        Committed.
    transfer : dict
        ``{"type": "L"}``, or for multipart also ``parts`` and ``part_size``.
    declared : dict
        ``size`` and ``checksum`` that the client named; nobody compares them.
    parts : dict of int to Blob
    checksum : str or None
        ``md5:<hex>``; None while a task works it out.
    """

    key: str
    transfer: Json
    created: datetime
    updated: datetime
    declared: Json = field(default_factory=dict)
    metadata: Json | None = None
    blob: Blob | None = None
    is_complete: bool = False
    parts: dict[int, Blob] = field(default_factory=dict)
    checksum: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class Content:
    """What a draft or a published record says and holds."""

    metadata: Json
    custom_fields: Json
    access: Json
    pids: Json
    has_files: bool = True
    entries: dict[str, Entry] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: now())
    updated: datetime = field(default_factory=lambda: now())
    revision: int = 4

    def copy(self) -> Content:
        """Return a copy that shares the bytes."""
        entries = {key: copy.copy(entry) for key, entry in self.entries.items()}
        metadata, fields, access, pids = copy.deepcopy((self.metadata, self.custom_fields, self.access, self.pids))
        return Content(metadata, fields, access, pids, self.has_files, entries, revision=self.revision + 1)

    def touch(self) -> None:
        """Note a change."""
        self.updated = now()
        self.revision += 1

    @property
    def bytes(self) -> int:
        """Return how much the files take."""
        return sum(entry.blob.size for entry in self.entries.values() if entry.blob)


@dataclass
class Parent:
    """What the versions of a record have in common; `records` has the oldest first."""

    id: str
    records: list[Record] = field(default_factory=list)
    pids: Json = field(default_factory=dict)

    @property
    def latest(self) -> Record | None:
        """Return the newest published version."""
        return next((record for record in reversed(self.records) if record.published), None)


@dataclass
class Record:
    """One version: a draft, a published record, or both while it is edited.

    Attributes
    ----------
    is_locked : bool
        Files cannot change: the draft edits what is published.
    review : dict or None
        The request to a community.
    quota_bytes, max_file_bytes : int or None
        Set by an administrator.
    """

    id: str
    parent: Parent
    owner: str
    index: int
    draft: Content | None = None
    published: Content | None = None
    review: Json | None = None
    quota_bytes: int | None = None
    max_file_bytes: int | None = None

    @property
    def is_locked(self) -> bool:
        """Return whether the files are those of the published record."""
        return self.published is not None


@dataclass
class World:
    """Everything one instance holds."""

    records: dict[str, Record] = field(default_factory=dict)
    parents: dict[str, Parent] = field(default_factory=dict)
    communities: set[str] = field(default_factory=set)

    def new_id(self) -> str:
        """Return an id such as ``axga1-71a50``."""
        letters = "".join(random.choices(_LETTERS, k=10))  # noqa: S311 - a name, not a secret
        return f"{letters[:5]}-{letters[5:]}"

    def find(self, identifier: str) -> Record:
        """Return a record.

        Raises
        ------
        RefusalError
            404.
        """
        if identifier not in self.records:
            raise RefusalError(404, "The persistent identifier does not exist.")
        return self.records[identifier]


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
