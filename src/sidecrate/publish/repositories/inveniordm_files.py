# SPDX-License-Identifier: Apache-2.0
"""The files of an InvenioRDM draft: looked at first, sent once, and compared after the commit.

The server compares nothing itself: it takes a wrong checksum, it commits a multipart upload with holes, it loses a
file whose content is sent again after the commit. So what is there is always asked for, never assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from sidecrate.errors import NetworkError, RepositoryError
from sidecrate.publish.memory import Memory
from sidecrate.publish.parcels import Parcel, digests_of
from sidecrate.publish.repositories.http import Http
from sidecrate.publish.sending import Reading

Json = dict[str, Any]
Entry = Mapping[str, Any]

SINGLE_BYTES = 96 << 20  # a request body above 100 MiB is refused where nobody has lifted the limit of the framework
PART_BYTES = 64 << 20
_MOST_PARTS = 10_000  # what S3 takes
_CHECKSUM_S = 600
_OCTETS = {"Content-Type": "application/octet-stream"}


class DraftFiles:
    """The files of one draft.

    Parameters
    ----------
    http : Http
    record : str
        Id of the draft.
    memory : Memory
        Where it is noted what has arrived, for a process that comes after this one.
    """

    def __init__(self, http: Http, record: str, memory: Memory) -> None:
        self._http, self._memory = http, memory
        self._place = f"api/records/{record}/draft/files"

    def entries(self) -> dict[str, Json]:
        """Return name → what the server says of each file, finished or not."""
        answer = self._http.call("GET", self._place).data
        return by_name(answer)

    def delete(self, name: str) -> None:
        """Take a file out; it need not be there."""
        self._memory.set_file(name, None)
        self._http.call("DELETE", self._at(name), allow=(404,))

    def put(self, parcel: Parcel, entry: Entry | None, tell: Callable[[int], None]) -> Json:
        """See to it that the draft holds a parcel and return its digests; what is there already is not sent.

        Parameters
        ----------
        parcel : Parcel
        entry : mapping, optional
            What the server says of a file of that name now.
        tell : callable
            Called with numbers of bytes that are done.

        Raises
        ------
        RepositoryError
            The server refuses, or made something else of the bytes, twice.
        NetworkError
            It does not answer.
        """
        if entry is not None and entry.get("status") == "completed":
            if (digests := self._held(parcel, entry)) is not None:
                tell(parcel.size)
                return digests
            self.delete(parcel.name)
            entry = None
        try:
            return self._send(parcel, entry, tell)
        except _DiffersError:
            self.delete(parcel.name)
            return self._send(parcel, None, lambda _: None)

    def is_held(self, parcel: Parcel, entry: Entry | None) -> bool:
        """Return whether the draft holds a parcel already, as far as can be said without reading it."""
        if entry is None or entry.get("status") != "completed" or entry.get("size") != parcel.size:
            return False
        digests = digests_of(parcel) if isinstance(parcel.source, bytes) else self.noted(parcel)
        return entry.get("checksum") == f"md5:{digests.get('md5')}"

    def noted(self, parcel: Parcel) -> Json:
        """Return the digests that were noted when exactly this content was sent; nothing when it was not."""
        noted = self._memory.file(parcel.name)
        if noted.get("content") != parcel.fingerprint or "md5" not in noted:
            return {}
        return {name: noted[name] for name in ("md5", "sha256")}

    # ---- what is there

    def _held(self, parcel: Parcel, entry: Entry) -> Json | None:
        """Return the digests of a parcel when a finished file is exactly that."""
        if entry.get("size") != parcel.size:
            return None
        digests = self.noted(parcel) or digests_of(parcel)
        checksum = entry.get("checksum") or self._checksum(parcel.name)
        return digests if checksum == f"md5:{digests['md5']}" else None

    # ---- sending

    def _send(self, parcel: Parcel, entry: Entry | None, tell: Callable[[int], None]) -> Json:
        noted = self._memory.file(parcel.name)
        if entry is not None and not _goes_on(parcel, entry, noted):
            self.delete(parcel.name)
            entry, noted = None, {}
        if entry is None:
            entry = self._start(parcel)
            noted = {"content": parcel.fingerprint, "created": entry.get("created"), "sent": []}
            self._memory.set_file(parcel.name, noted)
        with Reading(parcel, tell) as reading:
            if _is_multipart(entry):
                self._send_pieces(parcel, entry, reading, noted)
            else:
                where = entry["links"]["content"]
                self._http.call("PUT", where, body=reading.piece(0, parcel.size), headers=_OCTETS)
            digests = reading.digests()
        self._memory.set_file(parcel.name, {**noted, **digests})
        self._commit(parcel, entry["links"]["commit"])
        self._compare(parcel, digests)
        return dict(digests)

    def _start(self, parcel: Parcel) -> Json:
        """Announce a file and return its entry; after a lost answer it is looked for."""
        asked: Json = {"key": parcel.name}
        if parcel.size > SINGLE_BYTES:
            size = max(PART_BYTES, -(-parcel.size // _MOST_PARTS))
            transfer = {"type": "M", "parts": -(-parcel.size // size), "part_size": size}
            asked |= {"size": parcel.size, "transfer": transfer}
        try:
            answer = self._http.call("POST", self._place, json=[asked]).data
        except NetworkError:
            answer = self._http.call("GET", self._place).data
            if parcel.name not in by_name(answer):
                raise
        return by_name(answer)[parcel.name]

    def _send_pieces(self, parcel: Parcel, entry: Entry, reading: Reading, noted: Json) -> None:
        """Send what has not arrived of a multipart upload; each piece is noted as soon as it has."""
        size = entry["transfer"]["part_size"]
        for part in sorted(entry["links"]["parts"], key=lambda part: int(part["part"])):
            number = int(part["part"])
            start, stop = (number - 1) * size, min(number * size, parcel.size)
            if number not in noted["sent"]:
                self._http.call("PUT", part["url"], body=reading.piece(start, stop), headers=_OCTETS)
                noted["sent"].append(number)
                self._memory.set_file(parcel.name, noted)
            reading.pass_over(stop)

    def _commit(self, parcel: Parcel, link: str) -> None:
        """Finish a file; after a lost answer or a server fault it is looked whether it was."""
        try:
            self._http.call("POST", link)
        except (NetworkError, RepositoryError):
            entry = self._http.call("GET", self._at(parcel.name), allow=(404,)).data or {}
            if entry.get("status") != "completed":
                raise

    def _compare(self, parcel: Parcel, digests: Mapping[str, str]) -> None:
        """Compare what the server made of a file with what was sent."""
        entry = self._http.call("GET", self._at(parcel.name), allow=(404,)).data or {}
        checksum = entry.get("checksum") or self._checksum(parcel.name)
        if entry.get("size") != parcel.size or checksum != f"md5:{digests['md5']}":
            raise _DiffersError(
                f"{self._http.host}: {parcel.name} arrived as {entry.get('size')} bytes with {checksum}, sent were "
                f"{parcel.size} with md5:{digests['md5']}; repeat the command, and tell its people if it stays"
            )

    def _checksum(self, name: str) -> str | None:
        """Return a checksum that the server works out after the commit, when it has."""
        end, pause = time.monotonic() + _CHECKSUM_S, 0.2
        while time.monotonic() < end:
            entry = self._http.call("GET", self._at(name), allow=(404,)).data or {}
            if entry.get("checksum") or entry.get("status") != "completed":
                return entry.get("checksum")
            time.sleep(pause)
            pause = min(pause * 1.5, 10.0)
        advice = "repeat the command later, nothing is sent again"
        raise NetworkError(f"{self._http.host}: no checksum of {name} yet; {advice}")

    def _at(self, name: str) -> str:
        return f"{self._place}/{quote(name, safe='')}"


class _DiffersError(RepositoryError):
    """The server holds other bytes than were sent."""


def by_name(answer: Any) -> dict[str, Json]:
    """Return name → entry of a list of files, however much of it is there."""
    entries = answer.get("entries", []) if isinstance(answer, dict) else []
    listed = entries.values() if isinstance(entries, dict) else entries
    return {str(entry["key"]): entry for entry in listed if isinstance(entry, dict) and "key" in entry}


def _is_multipart(entry: Entry) -> bool:
    return entry.get("transfer", {}).get("type") == "M" and bool(entry.get("links", {}).get("parts"))


def _goes_on(parcel: Parcel, entry: Entry, noted: Mapping[str, Any]) -> bool:
    """Return whether an unfinished multipart upload is the one that was noted, so that its pieces count."""
    is_ours = noted.get("content") == parcel.fingerprint and noted.get("created") == entry.get("created")
    return is_ours and entry.get("size") == parcel.size and _is_multipart(entry)
