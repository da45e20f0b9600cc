# SPDX-License-Identifier: Apache-2.0
"""Dataverse: one dataset a project, a new version of it for each package.

Every step looks at the server before it acts and is noted in the memory of the work, so that a deposit that was cut
off, anywhere, is completed by the next call: no second dataset, no file missing, none twice. All versions share the
DOI of the dataset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from sidecrate.artifacts import Person
from sidecrate.errors import Finding, RepositoryError
from sidecrate.publish.cite import Citation
from sidecrate.publish.memory import Memory, remembered
from sidecrate.publish.package import Package
from sidecrate.publish.parcels import Parcel, Shipment, is_ours, open_parcels, ship
from sidecrate.publish.parts import list_name
from sidecrate.publish.repositories import dataverse_metadata as mapping
from sidecrate.publish.repositories.base import DepositPlan, Limits, Receipt, Work
from sidecrate.publish.repositories.dataverse_blocks import FieldType, read_types
from sidecrate.publish.repositories.dataverse_drafts import doi_of, known_dataset, name_of, pid_of
from sidecrate.publish.repositories.dataverse_files import DatasetFiles, as_sent, is_whole
from sidecrate.publish.repositories.dataverse_reading import DataverseReader
from sidecrate.publish.repositories.server import (
    LIMITS,
    NOT_KNOWN_YET,
    base_of,
    files_by_path,
    needed,
    nothing_to_do,
    own_project,
    read,
    refuse_too_much,
    too_much,
    uploads_of,
)
from sidecrate.publish.sending import Told
from sidecrate.publish.trees import Progress

_ABOUT = ("contact_email", "contact_name", "subject", "organism", "cell_type")
_PART_BYTES = 16 << 30  # addresses of a direct upload live an hour: what does not arrive in it has to be sent again

Json = dict[str, Any]


class DataverseRepository(DataverseReader):
    """One collection of a server.

    Parameters
    ----------
    location : str
        Address of the server.
    options : mapping
        `collection`, its alias, ``root`` when not given; `contact_email`, `contact_name`, `subject` (several with
        ``;`` between), `organism`, `cell_type` for the metadata; `publisher`, its name for citations; `max_files`,
        `max_file_bytes`, `max_bytes` where its people said so.

    Raises
    ------
    InputError
        The address cannot be one, or an option is unknown.
    """

    scheme = "dataverse"
    options = ("collection", "publisher", *_ABOUT, *LIMITS)

    @property
    def collection(self) -> str:
        """Return the alias of the collection that datasets are made in."""
        return str(self._options.get("collection", "root"))

    @cached_property
    def _types(self) -> dict[str, FieldType]:
        return read_types(self._api, self.collection)

    @cached_property
    def _licences(self) -> list[Json]:
        found = self._api.look("licenses")  # 5.10
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    # ---- the way in

    def reserve(self, work: Work) -> Receipt:
        """Make the dataset, unless there is one, and return the receipt of its next version, DOI included."""
        self._needs_token()
        with remembered(work.memory, self.server, work.citation.project) as memory:
            dataset = self._place(work, memory)
            return self._receipt(self._version(dataset), self._datasets.number(dataset), dataset, "reserved")

    def plan(self, package: Package, work: Work | None = None) -> DepositPlan:
        """Return what a deposit of this package would do; nothing is sent, no dataset is made."""
        work = needed(work)
        if (done := self._published(package, work)) is not None:
            return nothing_to_do(done)
        with remembered(work.memory, self.server, work.citation.project) as memory:
            dataset = known_dataset(self._datasets, self._newest(work), memory) if self._http.has_token else None
            version = self._datasets.version(dataset) if dataset is not None else None
            number = self._datasets.number(dataset) if dataset is not None and version else 1
            files = DatasetFiles(self._api, dataset or 0, memory)
            held = files.entries() if version else {}
            cited = self._cited(work.citation, version, number, package)
            limits = self._limits(dataset if version else None, held)
            shipment = self._shipment(package, number, held, limits)
            known = {p.name: {**NOT_KNOWN_YET, **_kept(files.noted(p)), "bytes": p.size} for p in shipment.parts}
            parcels = [*shipment.parts, shipment.listed(known), *open_parcels(package, shipment, cited)]
            sent = {parcel.name: files.is_held(parcel, held.get(parcel.name)) for parcel in parcels}
        kept = {name: int(held[name]["dataFile"]["filesize"]) for name in shipment.kept}
        uploads = uploads_of(parcels, sent, kept)
        body, found = self._metadata(cited)
        return DepositPlan(
            repository=self.scheme,
            object_id=pid_of(version) if version else "",
            version=f"{number}.0",
            uploads=tuple(sorted(uploads, key=lambda upload: upload.path)),
            is_new=not all(upload.is_held for upload in uploads),
            limits=limits,
            metadata=body,
            contents=files_by_path(shipment),
            findings=tuple(dict.fromkeys((*found, *too_much(uploads, limits)))),
        )

    def deposit(
        self,
        package: Package,
        *,
        work: Work | None = None,
        by: Person | None = None,
        publish: bool = False,
        progress: Progress | None = None,
    ) -> Receipt:
        """Take a package in as the next version of the project's dataset; a draft, unless it is to be published.

        Raises
        ------
        RepositoryError
            The server refuses, or there is no token for it.
        NetworkError
            It does not answer; the call can be repeated and goes on where it stopped.
        InputError
            The package is damaged, or of another project.
        """
        del by  # the token says who
        work = needed(work)
        self._needs_token()
        with remembered(work.memory, self.server, own_project(package, work)) as memory:
            if (done := self._done(package, work, memory)) is not None:
                return done
            dataset = self._place(work, memory)
            number = self._datasets.number(dataset)
            cited = self._cited(work.citation, self._version(dataset), number, package)
            body = self._complete(cited)
            self._datasets.describe(dataset, body)
            parcels = self._send(package, cited, dataset, number, memory, progress)
            memory.set(package=package.digest, parcels=parcels, metadata=body, number=number)
            version, status = self._version(dataset), "draft"
            if publish:
                version, status = self._datasets.publish(dataset)
            return self._receipt(version, number, dataset, status, package, parcels, body)

    def _done(self, package: Package, work: Work, memory: Memory) -> Receipt | None:
        """Return the receipt of a package that is published already; the call that did it may have been cut off."""
        newest, number, dataset = self._newest(work), memory.get("number"), memory.get("dataset")
        if newest is not None and newest.status == "published":
            if number is not None and newest.version == f"{number}.0":
                memory.set(package=None, parcels=None, metadata=None, files=None, number=None)
            if newest.digest == package.digest:
                return newest
        if dataset is None or number is None or memory.get("package") != package.digest:
            return None
        self._datasets.finished(dataset)  # while it is being published it is neither a version nor a draft to change
        released = self._datasets.version(dataset, f"{number}.0", (401, 403, 404))
        if released is None:
            return None
        parcels, body = memory.get("parcels", {}), memory.get("metadata", {})
        return self._receipt(released, number, dataset, "published", package, parcels, body)

    def _place(self, work: Work, memory: Memory) -> int:
        """Return the dataset of the project, made when there is none and all it asks for is said."""
        known = known_dataset(self._datasets, self._newest(work), memory)
        body = self._complete(self._cited(work.citation, None, 1))
        return self._datasets.place(body, work.citation.project, self.collection, known, memory)

    def _send(
        self, package: Package, cited: Citation, dataset: int, number: int, memory: Memory, progress: Progress | None
    ) -> dict[str, Json]:
        """See to it that the draft holds the package and nothing else of ours; return name → size and digests."""
        files = DatasetFiles(self._api, dataset, memory)
        there = files.entries()
        limits = self._limits(dataset, there)
        shipment = self._shipment(package, number, there, limits)
        opened = open_parcels(package, shipment, cited)
        new = (*shipment.parts, *opened)
        kept = {name: as_sent(there[name], shipment.base, name) for name in shipment.kept}
        refuse_too_much(package, uploads_of(new, {}, {name: one["bytes"] for name, one in kept.items()}), limits)
        wanted = {*(p.name for p in new), *shipment.kept, list_name(number)}
        self._take_out(files, there, wanted)
        told = Told(sum(p.size for p in new), progress)
        sent = {p.name: _put(files, p, there, told) for p in shipment.parts}
        for parcel in (shipment.listed(sent), *opened):
            sent[parcel.name] = _put(files, parcel, there, told)
        self._take_out(files, files.entries(), wanted)  # what a lost answer had left under another name
        return dict(sorted({**kept, **sent}.items()))

    @staticmethod
    def _take_out(files: DatasetFiles, there: Mapping[str, Json], wanted: set[str]) -> None:
        for name in sorted(filter(_is_ours, there.keys() - wanted)):  # what somebody added by hand stays
            files.delete(there[name])

    def _shipment(self, package: Package, number: int, held: Mapping[str, Json], limits: Limits) -> Shipment:
        place = "api/access/datafile/{}".format
        base = base_of(held, number, lambda name: read(self._http, place(held[name]["dataFile"]["id"])), is_whole)
        return ship(package, number=number, base=base, part_bytes=limits.file_bytes or _PART_BYTES)

    def _limits(self, dataset: int | None, held: Mapping[str, Json]) -> Limits:
        """Return what the server takes: as it says itself, from 6.9 on, else as the configuration says."""
        said: Mapping[str, Any] = self._options
        asked: Json = {}
        if dataset is not None and self._api.release >= (6, 9):
            answer = self._api.look(f"datasets/{dataset}/uploadlimits") or {}
            asked = answer.get("uploadLimits") or {}
        room, places = asked.get("storageQuotaRemaining"), asked.get("numberOfFilesRemaining")
        there = sum(int(entry["dataFile"]["filesize"]) for entry in held.values())
        files = said.get("max_files") if places is None else len(held) + int(places)
        total = said.get("max_bytes") if room is None else there + int(room)
        source = "the server" if asked else self._source
        return Limits(files, said.get("max_file_bytes", _PART_BYTES), total, source)

    # ---- what is said about it

    def _version(self, dataset: int) -> Json:
        version = self._datasets.version(dataset)
        if version is None:
            raise RepositoryError(f"{self._http.host}: dataset {dataset} is not there any more; ask its people")
        return version

    def _cited(self, cited: Citation, version: Json | None, number: int, package: Package | None = None) -> Citation:
        """Return the citation with what only the server knows."""
        return replace(
            cited, doi=doi_of(version) if version else None, version=str(number), publisher=self._publisher,
            digest=package.digest if package else cited.digest, url=self._page(version) if version else None,
        )  # fmt: skip

    def _page(self, version: Json) -> str:
        return f"{self.server}/dataset.xhtml?persistentId={pid_of(version)}"

    def _metadata(self, cited: Citation) -> tuple[Json, list[Finding]]:
        told = {key: self._options[key] for key in _ABOUT if key in self._options}
        return mapping.metadata(cited, self._types, self._licences, project=cited.project, options=told)

    def _complete(self, cited: Citation) -> Json:
        """Return the metadata when nothing is lacking that the collection asks for."""
        body, found = self._metadata(cited)
        lacking = [finding for finding in found if finding.severity == "error"]
        if lacking:
            names = ", ".join(finding.where for finding in lacking)
            asked = f"{self._http.host}: collection {self.collection} asks for {names}, which nobody has said"
            raise RepositoryError(f"{asked}; {lacking[0].advice}", field=lacking[0].where)
        return body

    def _receipt(
        self,
        version: Json,
        number: int,
        dataset: int,
        status: str,
        package: Package | None = None,
        parcels: Mapping[str, Json] | None = None,
        sent: Mapping[str, Any] | None = None,
    ) -> Receipt:
        return self._receipt_of(
            package,
            parcels or {},
            sent or {},
            object_id=pid_of(version),
            version=f"{number}.0" if status != "published" else name_of(version, number),
            doi=doi_of(version),
            url=self._page(version),
            status=status,
            record=str(dataset),
        )


def _is_ours(name: str) -> bool:
    """Return whether a file is one that deposits are made of, perhaps under the name a second one of a name gets."""
    return is_ours(name) or is_ours(re.sub(r"-\d+(?=\.\w+$)", "", name))


def _put(files: DatasetFiles, parcel: Parcel, there: Mapping[str, Json], told: Told) -> Json:
    return files.put(parcel, there.get(parcel.name), told.of(parcel.name)) | {"bytes": parcel.size}


def _kept(digests: Mapping[str, Any]) -> Json:
    """Return those of the digests that receipts and lists of parts hold."""
    return {name: digests[name] for name in ("md5", "sha256") if name in digests}
