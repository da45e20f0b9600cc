# SPDX-License-Identifier: Apache-2.0
"""The files of a Dataverse dataset: looked at first, added one at a time, and compared after each.

Dataverse renames what is there already, unpacks zips, turns tables into others, and may have kept a file although the
answer was lost. So the draft is listed before a request is repeated, and what it then holds is compared by name, size
and checksum.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from sidecrate.errors import NetworkError, RepositoryError
from sidecrate.publish.memory import Memory
from sidecrate.publish.parcels import Base, Parcel
from sidecrate.publish.repositories.dataverse_api import Api, is_unsure
from sidecrate.publish.repositories.dataverse_direct import DirectUpload, Stored
from sidecrate.publish.repositories.form import Form
from sidecrate.publish.sending import Reading
from sidecrate.publish.virtual_zip import MEDIA_TYPE

Json = dict[str, Any]
Entry = Mapping[str, Any]

HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}  # Dataverse's names → hashlib's
_TRIES = 3
_OCTETS = "application/octet-stream"


class DatasetFiles:
    """The files of one dataset, as its draft has them.

    Parameters
    ----------
    api : Api
    dataset : int
    memory : Memory
        Where it is noted what has arrived, for a process that comes after this one.
    """

    def __init__(self, api: Api, dataset: int, memory: Memory) -> None:
        self._api, self._dataset, self._memory = api, dataset, memory
        self._direct = DirectUpload(api, dataset, memory)

    def entries(self, version: str = ":latest") -> dict[str, Json]:
        """Return path → what the server says of each file."""
        return entries_of(self._api, self._dataset, version)

    def delete(self, entry: Entry) -> None:
        """Take a file out of the draft; it need not be there."""
        self._api.wait(self._dataset)
        self._api.http.call("DELETE", f"api/files/{entry['dataFile']['id']}", repeat=False, allow=(404,))

    def put(self, parcel: Parcel, entry: Entry | None, tell: Callable[[int], None]) -> Json:
        """See to it that the draft holds a parcel and return its digests; what is there already is not sent.

        Parameters
        ----------
        parcel : Parcel
        entry : mapping, optional
            What the server says of a file of that path now; it is replaced when it is another.
        tell : callable
            Called with numbers of bytes that are done.

        Raises
        ------
        RepositoryError
            The server refuses, or made something else of the bytes, twice.
        NetworkError
            It does not answer.
        """
        _check_name(parcel.name)
        if entry is not None and (digests := self._held(parcel, entry)) is not None:
            tell(parcel.size)
            return digests
        if entry is not None and entry["dataFile"].get("tabularData"):  # the same content does not replace itself
            self.delete(entry)
            entry = None
        try:
            return self._send(parcel, entry, tell)
        except _DiffersError:
            self._direct.forget(parcel)
            return self._send(parcel, self.entries().get(parcel.name), lambda _: None)

    def is_held(self, parcel: Parcel, entry: Entry | None) -> bool:
        """Return whether the dataset holds a parcel already, as far as can be said without reading it."""
        if entry is None:
            return False
        is_small = isinstance(parcel.source, bytes)
        digests = _digests(parcel, entry) if is_small else self.noted(parcel)
        return bool(digests) and not _faults(parcel, entry, digests)

    def noted(self, parcel: Parcel) -> Json:
        """Return the digests that were noted when exactly this content was sent; nothing when it was not."""
        noted = self._memory.file(parcel.name)
        if noted.get("content") != parcel.fingerprint:
            return {}
        return {name: noted[name] for name in HASHES.values() if name in noted}

    def _held(self, parcel: Parcel, entry: Entry) -> Json | None:
        """Return the digests of a parcel when a file is exactly that."""
        if entry["dataFile"].get("filesize") != parcel.size:
            return None
        digests = self.noted(parcel)
        if _algorithm(entry) not in digests:
            digests = _digests(parcel, entry)
        return None if _faults(parcel, entry, digests) else digests

    # ---- sending

    def _send(self, parcel: Parcel, old: Entry | None, tell: Callable[[int], None]) -> Json:
        self._api.wait(self._dataset)
        stored = self._direct.store(parcel, tell)
        if stored is not None:
            digests = stored.digests
            entry = self._added(parcel, old, lambda at: self._register(parcel, stored, at), lambda: digests)
            if not stored.is_sure and not self._is_whole(entry, digests):
                raise _DiffersError(
                    f"{self._api.http.host}: {parcel.name} arrived in its store as other bytes; try again"
                )
        else:
            with Reading(parcel, tell, (HASHES.get(self._api.fixity, "md5"),)) as reading:
                self._added(parcel, old, lambda at: self._add(parcel, reading, at), reading.digests)
                digests = reading.digests()
        self._memory.set_file(parcel.name, {"content": parcel.fingerprint, **digests})
        return digests

    def _added(
        self,
        parcel: Parcel,
        there: Entry | None,
        add: Callable[[Entry | None], list[Json]],
        digests: Callable[[], Json],
    ) -> Entry:
        """Add a file, or replace the one that is there, and return its entry; it is looked for before a second try."""
        for attempt in range(1, _TRIES + 1):
            try:
                made = add(there)
                break
            except (NetworkError, RepositoryError, KeyError, TypeError, ValueError) as error:
                has_waited = self._api.wait(self._dataset)
                there = self.entries().get(parcel.name)
                if is_unsure(error) and there is not None and not _faults(parcel, there, digests()):
                    return there
                if attempt == _TRIES or not (is_unsure(error) or has_waited):
                    self._explain(error)
                    raise
        return self._compared(parcel, made, digests())

    def _explain(self, error: Exception) -> None:
        """Raise a better error where the server's own gives no reason, as while a dataset is in review."""
        is_refusal = isinstance(error, RepositoryError) and not is_unsure(error)
        if is_refusal and "InReview" in self._api.locks(self._dataset):
            advice = "it is in review: ask its curators to return it, then deposit again"
            raise RepositoryError(f"{error}; {advice}") from error
        if isinstance(error, KeyError | TypeError | ValueError):
            raise NetworkError(
                f"{self._api.http.host}: an answer without the file that was added; repeat the command"
            ) from error

    def _compared(self, parcel: Parcel, made: list[Json], digests: Entry) -> Json:
        """Return the entry of a file that was added, renamed if need be; what became something else is taken out."""
        if len(made) == 1 and made[0].get("label") != _label(parcel) and not made[0]["dataFile"].get("tabularData"):
            self._rename(made[0], parcel)
        there = self.entries()
        entry = there.get(parcel.name)
        faults = _faults(parcel, entry, digests) if entry else "there is no file of that name"
        if entry is not None and not faults:
            return entry
        ids = {one["dataFile"]["id"] for one in made}
        for one in there.values():
            if one["dataFile"]["id"] in ids:
                self.delete(one)
        raise _DiffersError(
            f"{self._api.http.host}: {parcel.name} did not arrive as it was sent: {faults}; it was taken out again, "
            "repeat the command, and tell its people if it stays"
        )

    def _rename(self, entry: Entry, parcel: Parcel) -> None:
        """Give a file the name it was to have, where the name is free."""
        if parcel.name in self.entries():
            return
        form = Form(_told(parcel) | {"label": _label(parcel)})
        place = f"api/files/{entry['dataFile']['id']}/metadata"
        self._api.http.call("POST", place, body=form, headers=form.headers, repeat=True)

    def _add(self, parcel: Parcel, reading: Reading, old: Entry | None) -> list[Json]:
        """Send a file through the server. A zip comes under another name, else it would be unpacked on arrival."""
        is_zip = parcel.media_type == MEDIA_TYPE
        name = f"{_label(parcel)}.bin" if is_zip else _label(parcel)
        kind = _OCTETS if is_zip else parcel.media_type.partition(";")[0]
        form = Form(_told(parcel) | {"label": _label(parcel)}, (name, kind, reading.piece(0, parcel.size)))
        place = f"files/{old['dataFile']['id']}/replace" if old else f"datasets/{self._dataset}/add"
        answer = self._api.ask("POST", place, body=form, headers=form.headers)
        return [one for one in answer["files"] if "dataFile" in one]

    def _register(self, parcel: Parcel, stored: Stored, old: Entry | None) -> list[Json]:
        """Make a file of what lies in the object store."""
        replaced = {"fileToReplaceId": old["dataFile"]["id"], "forceReplace": True} if old else {}
        said = {
            **_told(parcel),
            **replaced,
            "storageIdentifier": stored.storage,
            "fileName": _label(parcel),
            "mimeType": parcel.media_type.partition(";")[0],
            "checksum": {"@type": "SHA-256", "@value": stored.digests["sha256"]},
        }
        form = Form([said])
        place = f"datasets/{self._dataset}/{'replaceFiles' if old else 'addFiles'}"
        answer = self._api.ask("POST", place, body=form, headers=form.headers)
        (result,) = answer["Files"]
        if refused := result.get("errorMessage") or (result.get("message") if result.get("errorCode") else None):
            self._direct.forget(parcel)
            said_no = f"{self._api.http.host}: does not take {parcel.name}: {self._api.http.scrub(str(refused))}"
            raise RepositoryError(f"{said_no}; repeat the command, it is sent again", status=400)
        return [result["fileDetails"]]

    def _is_whole(self, entry: Entry, digests: Entry) -> bool:
        """Return whether a download gives what was sent; for stores whose checksums say nothing."""
        found = hashlib.sha256()
        with self._api.http.download(f"api/access/datafile/{entry['dataFile']['id']}") as (_, blocks):
            for block in blocks:
                found.update(block)
        if found.hexdigest() == digests["sha256"]:
            return True
        self.delete(entry)
        return False


class _DiffersError(RepositoryError):
    """The server holds something else than was sent."""


def entries_of(api: Api, dataset: int, version: str) -> dict[str, Json]:
    """Return path → entry of the files of a version."""
    found = api.ask("GET", f"datasets/{dataset}/versions/{version}/files")
    listed = [one for one in found if isinstance(one, dict) and "dataFile" in one] if isinstance(found, list) else []
    return {path_of(entry): entry for entry in listed}


def path_of(entry: Entry) -> str:
    """Return folder and name of a file."""
    folder = str(entry.get("directoryLabel") or "")
    return f"{folder}/{entry['label']}" if folder else str(entry["label"])


def checksum_of(entry: Entry) -> tuple[str, str]:
    """Return the algorithm, in hashlib's name, and the hex checksum of a file; empty when the server tells none."""
    data = entry["dataFile"]
    said = data.get("checksum") or {"type": "MD5", "value": data.get("md5") or ""}
    return HASHES.get(str(said.get("type")), ""), str(said.get("value", "")).lower()


def is_whole(entry: Entry | None, known: Mapping[str, Any]) -> bool:
    """Return whether a part is there as its list says; of other digests than it has, its size has to do."""
    if entry is None or entry["dataFile"].get("filesize") != known["bytes"]:
        return False
    algorithm, checksum = checksum_of(entry)
    return bool(known.get(algorithm, checksum) == checksum)


def as_sent(entry: Entry, base: Base | None, name: str) -> Json:
    """Return size and digests of a file that is carried over."""
    algorithm, checksum = checksum_of(entry)
    known = dict((base.parts if base else {}).get(name, {}))
    return {"bytes": int(entry["dataFile"]["filesize"]), algorithm: checksum, **known, "kept": True}


def _algorithm(entry: Entry) -> str:
    return checksum_of(entry)[0]


def _digests(parcel: Parcel, entry: Entry) -> Json:
    with Reading(parcel, None, (_algorithm(entry) or "md5",)) as reading:
        return reading.digests()


def _faults(parcel: Parcel, entry: Entry, digests: Mapping[str, Any]) -> str:
    """Return in what a file is not the parcel, "" when it is."""
    data, (algorithm, checksum) = entry["dataFile"], checksum_of(entry)
    if data.get("tabularData"):
        return "it was turned into a table"
    if path_of(entry) != parcel.name:
        return f"it is called {path_of(entry)}"
    if data.get("filesize") != parcel.size:
        return f"{data.get('filesize')} bytes, sent were {parcel.size}"
    if digests.get(algorithm) != checksum:
        return f"{algorithm or 'no checksum'} {checksum}, sent was {digests.get(algorithm)}"
    return ""


def _label(parcel: Parcel) -> str:
    return parcel.name.rpartition("/")[2]


def _told(parcel: Parcel) -> Json:
    folder = parcel.name.rpartition("/")[0]
    return {"tabIngest": False, "forceReplace": True, **({"directoryLabel": folder} if folder else {})}


def _check_name(path: str) -> None:
    """Refuse a path that Dataverse would refuse, vaguely, or change."""
    folder, _, label = path.rpartition("/")
    if not re.fullmatch(r"[\w ./-]*", folder, re.ASCII) or re.search(r'[:<>;#/"*|?\\\x00-\x1f]', label) or not label:
        raise RepositoryError(f"{path!r}: no name for a file in Dataverse; rename it")
