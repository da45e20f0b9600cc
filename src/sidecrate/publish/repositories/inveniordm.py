# SPDX-License-Identifier: Apache-2.0
"""InvenioRDM servers, Zenodo among them: one record a project, a new version of it for each package.

Every step looks at the server before it acts and is noted in the memory of the work, so that a deposit that was cut
off, anywhere, is completed by the next call: no second record, no file missing, none twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sidecrate.artifacts import Person
from sidecrate.errors import Finding
from sidecrate.publish.cite import Citation
from sidecrate.publish.memory import Memory, remembered
from sidecrate.publish.package import Package
from sidecrate.publish.parcels import Base, Parcel, Shipment, is_ours, open_parcels, ship
from sidecrate.publish.parts import list_name
from sidecrate.publish.repositories import inveniordm_metadata as mapping
from sidecrate.publish.repositories.base import DepositPlan, Limits, Receipt, Work
from sidecrate.publish.repositories.inveniordm_drafts import doi_of
from sidecrate.publish.repositories.inveniordm_files import DraftFiles
from sidecrate.publish.repositories.inveniordm_reading import InvenioRdmReader
from sidecrate.publish.repositories.server import (
    LIMITS,
    NOT_KNOWN_YET,
    base_of,
    files_by_path,
    needed,
    nothing_to_do,
    own_project,
    refuse_too_much,
    too_much,
    uploads_of,
)
from sidecrate.publish.repositories.vocabularies import ServerVocabularies
from sidecrate.publish.sending import Told
from sidecrate.publish.trees import Progress

_FILES, _BYTES = 100, 10_000_000_000  # what InvenioRDM allows where nobody has set it; it cannot be asked
_MORE = {"zenodo.org": 50_000_000_000, "sandbox.zenodo.org": 50_000_000_000}  # as their help pages say

Json = dict[str, Any]


class InvenioRdmRepository(InvenioRdmReader):
    """One server.

    Parameters
    ----------
    location : str
        Its address.
    options : mapping
        `publisher`, its name for citations; `max_files`, `max_file_bytes`, `max_bytes` where it differs from usual.

    Raises
    ------
    InputError
        The address cannot be one, or an option is unknown.
    """

    scheme = "inveniordm"
    options = ("publisher", *LIMITS)

    def __init__(self, location: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(location, options)
        self._known = ServerVocabularies(self._http)

    @property
    def limits(self) -> Limits:
        """Return what the server takes, as far as it is known."""
        said = self._options
        largest = said.get("max_bytes", _MORE.get(self._http.host, _BYTES))
        return Limits(said.get("max_files", _FILES), said.get("max_file_bytes", largest), largest, self._source)

    # ---- the way in

    def reserve(self, work: Work) -> Receipt:
        """Make the draft of the next version and return its receipt, with a DOI where the server gives one."""
        self._needs_token()
        project = work.citation.project
        with remembered(work.memory, self.server, project) as memory:
            body, _ = self._metadata(work.citation)
            draft = self._drafts.place(body, project, self._newest(work), memory)
            draft = self._drafts.reserve(self._described(draft, work.citation)[0])
            return self._receipt(draft, "reserved")

    def plan(self, package: Package, work: Work | None = None) -> DepositPlan:
        """Return what a deposit of this package would do; nothing is sent, no draft is made."""
        work = needed(work)
        if (done := self._published(package, work)) is not None:
            return nothing_to_do(done)
        newest = self._newest(work)
        with remembered(work.memory, self.server, work.citation.project) as memory:
            record, held, number = self._standing(newest, memory)
            cited = self._cited(work.citation, record, number, package)
            shipment = self._shipment(package, number, self._base(record, held, number))
            files = DraftFiles(self._http, str((record or {}).get("id", "")), memory)
            parcels = _planned(package, shipment, cited, files)
            sent = {parcel.name: files.is_held(parcel, held.get(parcel.name)) for parcel in parcels}
        uploads = uploads_of(parcels, sent, _sizes(shipment.kept, held))
        body, found = self._metadata(cited)
        return DepositPlan(
            repository=self.scheme,
            object_id=str((record or {}).get("parent", {}).get("id", "")),
            version=f"v{number}",
            uploads=tuple(sorted(uploads, key=lambda upload: upload.path)),
            is_new=not all(upload.is_held for upload in uploads),
            limits=self.limits,
            metadata=body,
            contents=files_by_path(shipment),
            findings=tuple(dict.fromkeys((*found, *too_much(uploads, self.limits)))),
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
        """Take a package in as the next version of the project's record; a draft, unless it is to be published.

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
        project = own_project(package, work)
        with remembered(work.memory, self.server, project) as memory:
            if (done := self._done(package, work, memory)) is not None:
                return done
            body, _ = self._metadata(work.citation)
            draft = self._drafts.place(body, project, self._newest(work), memory)
            draft = self._drafts.reserve(draft)
            draft, sent = self._described(draft, work.citation, package)
            parcels = self._send(package, work.citation, draft, memory, progress)
            memory.set(package=package.digest, parcels=parcels, metadata=sent)
            if not publish:
                return self._receipt(draft, "draft", package, parcels, sent)
            published = self._drafts.publish(draft["id"])
            return self._receipt(published, "published", package, parcels, sent)

    def _done(self, package: Package, work: Work, memory: Memory) -> Receipt | None:
        """Return the receipt of a package that is published already; the call that did it may have been cut off."""
        newest = self._newest(work)
        if newest is not None and newest.status == "published":
            if newest.record == memory.get("record"):
                memory.set(record=None, package=None, parcels=None, metadata=None, files=None)
            if newest.digest == package.digest:
                return newest
        record = memory.get("record")
        if record is None or memory.get("package") != package.digest or self._drafts.draft(record) is not None:
            return None
        published = self._drafts.record(record)
        if published is None:
            return None
        return self._receipt(published, "published", package, memory.get("parcels", {}), memory.get("metadata", {}))

    def _send(
        self, package: Package, cited: Citation, draft: Json, memory: Memory, progress: Progress | None
    ) -> dict[str, Json]:
        """See to it that the draft holds the package and nothing else; return name → size and digests of each file."""
        number = int(draft["versions"]["index"])
        files = DraftFiles(self._http, draft["id"], memory)
        if number > 1 and not files.entries():
            self._drafts.keep_files(draft)
        there = files.entries()
        shipment = self._shipment(package, number, self._base(draft, there, number))
        cited = self._cited(cited, draft, number, package)
        opened = open_parcels(package, shipment, cited)
        uploads = uploads_of((*shipment.parts, *opened), {}, _sizes(shipment.kept, there))
        refuse_too_much(package, uploads, self.limits)
        wanted = {p.name for p in (*shipment.parts, *opened)} | {*shipment.kept, list_name(number)}
        for name in sorted(filter(is_ours, there.keys() - wanted)):  # what somebody added by hand stays
            files.delete(name)
        told = Told(sum(p.size for p in (*shipment.parts, *opened)), progress)
        sent = {p.name: files.put(p, there.get(p.name), told.of(p.name)) | {"bytes": p.size} for p in shipment.parts}
        listed = shipment.listed(sent)
        for parcel in (listed, *opened):
            sent[parcel.name] = files.put(parcel, there.get(parcel.name), told.of(parcel.name)) | {"bytes": parcel.size}
        kept = {name: _as_sent(there[name], shipment.base, name) for name in shipment.kept}
        return dict(sorted({**kept, **sent}.items()))

    # ---- what there is, and what is to be

    def _standing(self, newest: Receipt | None, memory: Memory) -> tuple[Json | None, dict[str, Json], int]:
        """Return the draft, or else the record, that a deposit would begin from, its files, and the next number."""
        known = memory.get("record") or (newest.record if newest else None)
        if known is None or not self._http.has_token:
            return None, {}, 1
        if (draft := self._drafts.draft(known)) is not None:
            return draft, self.held(draft), int(draft["versions"]["index"])
        record = self._drafts.record(known)
        latest = self._drafts.latest(record["parent"]["id"]) if record else None
        if latest is None:
            return None, {}, 1
        return latest, self.held(latest), int(latest["versions"]["index"]) + 1

    def _base(self, record: Json | None, held: Mapping[str, Json], number: int) -> Base | None:
        if record is None:
            return None
        return base_of(held, number, lambda name: self._bytes(record, name), _is_whole)

    def _shipment(self, package: Package, number: int, base: Base | None) -> Shipment:
        """Return what is to lie there; all in new parts when the old ones would be too many files."""
        room = self.limits.file_bytes or _BYTES
        shipment = ship(package, number=number, base=base, part_bytes=room)
        most = self.limits.files or _FILES
        if base is not None and len(shipment.parts) + len(shipment.kept) + 8 > most:
            shipment = ship(package, number=number, base=None, part_bytes=room)
        return shipment

    # ---- what is said about it

    def _cited(self, cited: Citation, record: Json | None, number: int, package: Package | None = None) -> Citation:
        """Return the citation with what only the server knows."""
        doi = None if record is None or record.get("is_published") else doi_of(record)
        digest = package.digest if package else cited.digest
        return replace(
            cited, doi=doi, version=str(number), publisher=self._publisher, digest=digest,
            url=f"{self.server}/records/{record['id']}" if record and doi else None,
        )  # fmt: skip

    def _metadata(self, cited: Citation) -> tuple[Json, list[Finding]]:
        return mapping.metadata(cited, self._known, project=cited.project, publisher=self._publisher)

    def _described(self, draft: Json, cited: Citation, package: Package | None = None) -> tuple[Json, Json]:
        """Return a draft that says what the citation says, and what was sent for it."""
        body, _ = self._metadata(self._cited(cited, draft, int(draft["versions"]["index"]), package))
        return self._drafts.describe(draft, body), body

    def _receipt(
        self,
        record: Json,
        status: str,
        package: Package | None = None,
        parcels: Mapping[str, Json] | None = None,
        sent: Mapping[str, Any] | None = None,
    ) -> Receipt:
        return self._receipt_of(
            package,
            parcels or {},
            sent or {},
            object_id=str(record["parent"]["id"]),
            version=f"v{record['versions']['index']}",
            doi=doi_of(record),
            concept_doi=doi_of(record.get("parent", {})),
            url=f"{self.server}/{'records' if status == 'published' else 'uploads'}/{record['id']}",
            status=status,
            record=str(record["id"]),
        )


def _planned(package: Package, shipment: Shipment, cited: Citation, files: DraftFiles) -> list[Parcel]:
    """Return every parcel that is new; the list of parts with stand-ins for digests that are not known yet."""
    listed = shipment.listed({p.name: {**NOT_KNOWN_YET, **files.noted(p), "bytes": p.size} for p in shipment.parts})
    return [*shipment.parts, listed, *open_parcels(package, shipment, cited)]


def _sizes(names: Iterable[str], held: Mapping[str, Json]) -> dict[str, int]:
    return {name: int(held[name]["size"]) for name in names}


def _is_whole(entry: Mapping[str, Any] | None, known: Mapping[str, Any]) -> bool:
    """Return whether a file of an earlier version is there as its list says."""
    if entry is None or entry.get("status", "completed") != "completed":
        return False
    return entry.get("size") == known["bytes"] and entry.get("checksum") == f"md5:{known['md5']}"


def _as_sent(entry: Json, base: Base | None, name: str) -> Json:
    known = dict((base.parts if base else {}).get(name, {}))
    return {"bytes": int(entry["size"]), "md5": str(entry["checksum"]).removeprefix("md5:"), **known, "kept": True}
