# SPDX-License-Identifier: Apache-2.0
"""Reading an InvenioRDM server: what it holds against a receipt, versions, and the way back to a bag."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sidecrate.errors import Finding, RepositoryError
from sidecrate.publish import restore
from sidecrate.publish.package import Package
from sidecrate.publish.repositories import inveniordm_metadata as mapping
from sidecrate.publish.repositories.base import AGAIN, DepositedVersion, Receipt
from sidecrate.publish.repositories.inveniordm_drafts import Drafts, doi_of
from sidecrate.publish.repositories.inveniordm_files import by_name
from sidecrate.publish.repositories.server import (
    ServerRepository,
    download,
    fetched,
    gone,
    not_sent,
    read,
    receipt_differences,
)
from sidecrate.publish.trees import Progress

Json = dict[str, Any]


class InvenioRdmReader(ServerRepository):
    """What needs no right but to see a record; made like any `ServerRepository`."""

    def __init__(self, location: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(location, options)
        self._drafts = Drafts(self._http)

    def check(
        self, receipt: Receipt, package: Package | None = None, progress: Progress | None = None
    ) -> Iterator[Finding]:
        """Yield how names, sizes, digests and metadata on the server differ from a receipt."""
        del progress
        record = self._of(receipt)
        if record is None:
            yield gone(str(receipt.record))
            return
        yield from receipt_differences(receipt, package, str(receipt.record), doi_of(record))
        if receipt.parcels:
            yield from _file_differences(receipt.parcels, self.held(record))
        yield from mapping.differences(receipt.metadata, record.get("metadata", {}))

    def check_itself(self, record: str) -> Iterator[Finding]:
        """Yield how a record differs from what lies in it: its list of parts and its ``datacite.json``.

        Raises
        ------
        RepositoryError
            There is no such record, or none of ours.
        """
        found = self._drafts.record(record) or (self._drafts.draft(record) if self._http.has_token else None)
        held = self.held(found) if found else {}
        lists = sorted((int(m[1]), name) for name in held if (m := restore.LIST.fullmatch(name)))
        if found is None or not lists:
            raise RepositoryError(f"{self._http.host}: {record} is not there, or no deposit of sidecrate")
        document, index = restore.resolve(lists[-1][1], lambda name: json.loads(self._bytes(found, name)))
        yield from _part_differences(document["parts"], index, held)
        for name in {entry[2]: entry[0] for entry in index.values() if entry[2] and not entry[3]}:
            wanted = {entry[0] for entry in index.values() if entry[2] == name}
            if name in held and {hashlib.sha256(self._bytes(found, name)).hexdigest()} != wanted:
                yield Finding("error", "deposit.digest", name, "other bytes than its list of parts says", AGAIN)
        if "datacite.json" in held:
            yield from mapping.cited_differences(json.loads(self._bytes(found, "datacite.json")), found)

    def _bytes(self, record: Json, name: str) -> bytes:
        return read(self._http, f"{_files_at(record)}/{quote(name)}/content")

    def _of(self, receipt: Receipt) -> Json | None:
        record = str(receipt.record)
        if receipt.status == "published" or not self._http.has_token:
            return self._drafts.record(record)
        return self._drafts.draft(record) or self._drafts.record(record)

    def held(self, record: Json) -> dict[str, Json]:
        """Return name → entry of the files of a draft or a record."""
        return by_name(self._http.call("GET", _files_at(record)).data)

    def versions(self, object_id: str) -> list[DepositedVersion]:
        """Return the published versions of a record, oldest first."""
        latest = self._drafts.latest(object_id) or self._drafts.record(object_id)
        if latest is None:
            raise RepositoryError(f"{self._http.host}: no published record {object_id}; check the id")
        found = self._http.call("GET", f"api/records/{quote(latest['id'])}/versions", params={"size": 100}).data
        hits = {hit["id"]: hit for hit in (*found["hits"]["hits"], latest)}
        listed = sorted(hits.values(), key=lambda hit: int(hit["versions"]["index"]))
        return [DepositedVersion(f"v{hit['versions']['index']}", hit["created"], doi_of(hit)) for hit in listed]

    def fetch(
        self, object_id: str, target: Path, *, version: str | None = None, progress: Progress | None = None
    ) -> Path:
        """Download a version and put its bag together at `target`."""
        record = self._version(object_id, version)
        held = self.held(record)

        def get(name: str, folder: Path, tell: Callable[[int], None]) -> None:
            if "/" in name or not restore.is_safe(name):
                raise RepositoryError(f"{self._http.host}: a file is called {name!r}; not downloaded")
            place = f"{_files_at(record)}/{quote(name)}/content"
            download(self._http, place, folder / name, held[name].get("size"), tell)

        sizes = {name: int(entry["size"]) for name, entry in held.items()}
        return fetched(target, sizes, get, f"{self._http.host}: {record['id']}", progress)

    def _version(self, object_id: str, version: str | None) -> Json:
        record = self._drafts.latest(object_id) or self._drafts.record(object_id)
        if record is not None and version not in (None, f"v{record['versions']['index']}"):
            found = self._http.call("GET", f"api/records/{quote(record['id'])}/versions", params={"size": 100}).data
            hits = [hit for hit in found["hits"]["hits"] if f"v{hit['versions']['index']}" == version]
            record = self._drafts.record(hits[0]["id"]) if hits else None
        if record is None:
            raise RepositoryError(f"{self._http.host}: no published {object_id} {version or ''}; check the id")
        return record


def _files_at(record: Json) -> str:
    return f"api/records/{quote(record['id'])}/{'' if record.get('is_published') else 'draft/'}files"


def _file_differences(sent: Mapping[str, Mapping[str, Any]], held: Mapping[str, Json]) -> Iterator[Finding]:
    """Yield a finding for each file that was lost, renamed, changed or added."""
    sums = {str(entry.get("checksum")): name for name, entry in held.items() if name not in sent}
    for name, known in sent.items():
        entry, checksum = held.get(name), f"md5:{known.get('md5')}"
        if entry is None and checksum in sums:
            message = f"it is called {sums.pop(checksum)} there"
            yield Finding("error", "deposit.renamed", name, message, "rename it back")
        elif entry is None:
            yield Finding("error", "deposit.missing", name, "the repository does not hold the file", AGAIN)
        elif entry.get("size") != known["bytes"]:
            message = f"{entry.get('size')} bytes there, {known['bytes']} were sent"
            yield Finding("error", "deposit.size", name, message, AGAIN)
        elif entry.get("checksum") != checksum:
            yield Finding("error", "deposit.digest", name, "the repository holds other bytes than were sent", AGAIN)
    for name in sorted(sums.values()):
        yield not_sent(name)


def _part_differences(
    parts: Mapping[str, Mapping[str, Any]], index: restore.Index, held: Mapping[str, Json]
) -> Iterator[Finding]:
    """Yield a finding for each part that is not there as the list of parts says."""
    used = {entry[2] for entry in index.values() if entry[2] and entry[3]}
    for name in sorted(used - parts.keys()):
        yield Finding("error", "deposit.list", name, "the list of parts does not say what it is", AGAIN)
    named = {name: parts[name] for name in used & parts.keys()}
    there = {name: entry for name, entry in held.items() if name in named or name.endswith(".zip")}
    yield from _file_differences(named, there)
    for name in sorted({entry[2] for entry in index.values() if entry[2]} - held.keys() - used):
        yield Finding("error", "deposit.missing", name, "the repository does not hold the file", AGAIN)
