# SPDX-License-Identifier: Apache-2.0
"""Reading a Dataverse: what it holds against a receipt, versions, and the way back to a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sidecrate.errors import Finding, RepositoryError
from sidecrate.publish import restore
from sidecrate.publish.package import Package
from sidecrate.publish.repositories import dataverse_metadata as mapping
from sidecrate.publish.repositories.base import AGAIN, DepositedVersion, Receipt
from sidecrate.publish.repositories.dataverse_api import Api, DataverseHttp
from sidecrate.publish.repositories.dataverse_drafts import Datasets, doi_of, name_of
from sidecrate.publish.repositories.dataverse_files import checksum_of, entries_of
from sidecrate.publish.repositories.server import (
    ServerRepository,
    download,
    fetched,
    gone,
    not_sent,
    receipt_differences,
)
from sidecrate.publish.trees import Progress

Json = dict[str, Any]


class DataverseReader(ServerRepository):
    """What needs no right but to see a dataset; made like any `ServerRepository`."""

    _http: DataverseHttp

    def __init__(self, location: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(location, options)
        self._api = Api(self._http)
        self._datasets = Datasets(self._api)

    def _connected(self, token: str | None) -> DataverseHttp:
        return DataverseHttp(self.server, token)

    def check(
        self, receipt: Receipt, package: Package | None = None, progress: Progress | None = None
    ) -> Iterator[Finding]:
        """Yield how names, sizes, digests and metadata on the server differ from a receipt."""
        del progress
        found = self._of(receipt)
        if found is None:
            yield gone(receipt.object_id)
            return
        dataset, name, version = found
        yield from receipt_differences(receipt, package, receipt.object_id, doi_of(version))
        if receipt.parcels:
            yield from file_differences(receipt.parcels, entries_of(self._api, dataset, name))
        yield from mapping.differences(receipt.metadata, version)

    def _of(self, receipt: Receipt) -> tuple[int, str, Json] | None:
        """Return number of the dataset, name of the version and the version that a receipt is of."""
        absent = (401, 403, 404)
        asked = {"persistentId": receipt.object_id}
        latest = self._api.look("datasets/:persistentId/versions/:latest", absent, params=asked)
        if not isinstance(latest, dict) or "datasetId" not in latest:
            return None
        dataset = int(latest["datasetId"])
        for name in ([] if receipt.status == "published" else [":draft"]) + [receipt.version]:
            if (version := self._datasets.version(dataset, name, absent)) is not None:
                return dataset, name, version
        return None

    def versions(self, object_id: str) -> list[DepositedVersion]:
        """Return the published versions of a dataset, oldest first."""
        dataset = self._number(object_id)
        asked = {"excludeFiles": "true"} if self._api.release >= (6, 2) else {"includeFiles": "false"}
        found = self._api.ask("GET", f"datasets/{dataset}/versions", params=asked)
        released = [one for one in found if one.get("versionState") == "RELEASED"]
        released.sort(key=lambda one: (int(one["versionNumber"]), int(one.get("versionMinorNumber", 0))))
        return [DepositedVersion(name_of(one, 0), str(one.get("releaseTime")), doi_of(one)) for one in released]

    def _number(self, object_id: str) -> int:
        number = self._datasets.by_pid(object_id)
        if number is None:
            raise RepositoryError(f"{self._http.host}: no dataset {object_id}; check the identifier")
        return number

    def fetch(
        self, object_id: str, target: Path, *, version: str | None = None, progress: Progress | None = None
    ) -> Path:
        """Download a version and put its bag together at `target`."""
        dataset = self._number(object_id)
        held = entries_of(self._api, dataset, quote(version or ":latest-published"))

        def get(name: str, folder: Path, tell: Callable[[int], None]) -> None:
            if not restore.is_safe(name):
                raise RepositoryError(f"{self._http.host}: a file is called {name!r}; not downloaded")
            data = held[name]["dataFile"]
            original = "?format=original" if data.get("tabularData") else ""
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            size = data.get("originalFileSize") or data.get("filesize")
            download(self._http, f"api/access/datafile/{data['id']}{original}", folder / name, size, tell)

        sizes = {name: int(entry["dataFile"]["filesize"]) for name, entry in held.items()}
        return fetched(target, sizes, get, f"{self._http.host}: {object_id}", progress)


def file_differences(sent: Mapping[str, Mapping[str, Any]], held: Mapping[str, Json]) -> Iterator[Finding]:
    """Yield a finding for each file that was lost, renamed, moved, made a table, changed or added."""
    others = {checksum_of(entry)[1]: path for path, entry in held.items() if path not in sent}
    for name, known in sent.items():
        entry = held.get(name)
        moved = next((one for key in ("md5", "sha256") if (one := str(known.get(key))) in others), None)
        if entry is None and moved is not None:
            path = others.pop(moved)
            made = " and was turned into a table" if held[path]["dataFile"].get("tabularData") else ""
            yield Finding("error", "deposit.renamed", name, f"it is called {path} there{made}", "rename it back")
        elif entry is None:
            yield Finding("error", "deposit.missing", name, "the repository does not hold the file", AGAIN)
        else:
            yield from _differs(name, known, entry)
    for path in sorted(others.values()):
        yield not_sent(path)


def _differs(name: str, known: Mapping[str, Any], entry: Json) -> Iterator[Finding]:
    data, (algorithm, checksum) = entry["dataFile"], checksum_of(entry)
    if data.get("tabularData"):
        yield Finding("error", "deposit.table", name, "the repository turned it into a table", "ask its people")
    elif data.get("filesize") != known["bytes"]:
        message = f"{data.get('filesize')} bytes there, {known['bytes']} were sent"
        yield Finding("error", "deposit.size", name, message, AGAIN)
    elif algorithm in known and known[algorithm] != checksum:
        yield Finding("error", "deposit.digest", name, "the repository holds other bytes than were sent", AGAIN)
    if entry.get("restricted"):
        yield Finding("warning", "deposit.restricted", name, "not everybody may download it", "lift it there")
