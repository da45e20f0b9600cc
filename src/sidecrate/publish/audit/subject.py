# SPDX-License-Identifier: Apache-2.0
"""The thing under audit, read once: its files, their digests, its versions, records and crate."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sidecrate.artifacts import KINDS, MANIFEST, META
from sidecrate.errors import Finding, InputError
from sidecrate.provenance import schemas
from sidecrate.provenance.crate import METADATA
from sidecrate.provenance.records import FOLDER
from sidecrate.publish.trees import Progress, Tree, digests, read_file

RESTORE = "restore it from a package or a backup"
_FOLDERS = {noun.folder: kind for kind, noun in KINDS.items()}
_VERSION = re.compile(rf"((?:{'|'.join(_FOLDERS)})/[^/]+/v[1-9]\d*)/(.+)")
RECORD = re.compile(rf"{FOLDER}/(\d{{6}})-([a-z0-9][a-z0-9._-]*)\.json")


@dataclass
class Version:
    """A version folder as it was found.

    Attributes
    ----------
    place : str
        ``labels/pores/v3``.
    files : dict of str to str
        Name inside the version → hex sha256 of the bytes that are there.
    """

    place: str
    files: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Return the kind that belongs to the folder it lies in."""
        return _FOLDERS[self.place.split("/")[0]]

    @property
    def digest(self) -> str | None:
        """Return the identity of the version, ``sha256:<hex>`` of its manifest, None without a manifest."""
        return f"sha256:{self.files[MANIFEST]}" if MANIFEST in self.files else None


class Subject:
    """Everything the checks look at.

    Parameters
    ----------
    tree : Tree
        The crate: a project folder, or the payload of a bag.
    known : mapping of str to str
        File → hex sha256, for what was hashed already.
    whole : bool
        Whether every version the records name should be here; a package may hold a part.
    progress : callable, optional
    """

    def __init__(self, tree: Tree, known: Mapping[str, str], *, whole: bool, progress: Progress | None = None) -> None:
        self.tree, self.whole = tree, whole
        self.problems: list[Finding] = []
        wanted = {name: ("sha256",) for name in tree.sizes if name not in known}
        computed, self.unreadable = digests(tree, wanted, progress)
        self.sha256 = dict(known) | {name: found["sha256"] for name, found in computed.items()}

    @cached_property
    def versions(self) -> list[Version]:
        """Return the versions, sorted by place."""
        found: dict[str, Version] = {}
        for name, digest in sorted(self.sha256.items()):
            if match := _VERSION.fullmatch(name):
                found.setdefault(match[1], Version(match[1])).files[match[2]] = digest
        return list(found.values())

    @cached_property
    def records(self) -> dict[str, Any]:
        """Return file name → content of each record that is readable JSON, oldest first."""
        names = [name for name in sorted(self.tree.sizes) if RECORD.fullmatch(name)]
        found = {name: self.json(name) for name in names}
        return {name: record for name, record in found.items() if record is not None}

    @cached_property
    def sound_records(self) -> list[dict[str, Any]]:
        """Return the records that fit their schema: what the lineage can be read from."""
        return [record for record in self.records.values() if not schemas.problems("record", record)]

    @cached_property
    def metas(self) -> dict[str, dict[str, Any]]:
        """Return place → content of each readable ``artifact.json``."""
        places = [version.place for version in self.versions if META in version.files]
        found = {place: self.json(f"{place}/{META}") for place in places}
        return {place: meta for place, meta in found.items() if isinstance(meta, dict)}

    @cached_property
    def crate(self) -> dict[str, Any] | None:
        """Return the parsed crate, None when it is missing or unreadable."""
        document = self.json(METADATA) if METADATA in self.tree.sizes else None
        return document if isinstance(document, dict) else None

    def text(self, name: str) -> bytes:
        """Return a small file; a finding and no bytes when it cannot be read."""
        try:
            return read_file(self.tree, name)
        except InputError as error:
            self.problems.append(Finding("error", "fixity.unreadable", name, str(error), RESTORE))
            return b""

    def json(self, name: str) -> Any:
        """Return a parsed JSON file; a finding and None when it is not JSON, or null."""
        reason = "it says null"
        try:
            value = json.loads(self.text(name))
        except (ValueError, RecursionError) as error:
            value, reason = None, str(error)
        if value is None:
            self.problems.append(Finding("error", "json.broken", name, f"not usable JSON ({reason})", RESTORE))
        return value

    def record_digest(self, name: str) -> str:
        """Return ``sha256:<hex>`` of a record file, what the next record calls `previous`."""
        return f"sha256:{hashlib.sha256(self.text(name)).hexdigest()}"
