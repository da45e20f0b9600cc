# SPDX-License-Identifier: Apache-2.0
"""Direct upload: bytes go to an object store at addresses the server signs, in one piece or many.

The signature in an address is the credential; no token goes there. Nobody compares anything on that way, so the
checksums the store answers with are compared here. What has arrived is noted, for a process that comes after this one;
addresses expire within the hour, then an upload begins anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sidecrate.errors import InputError, RepositoryError, SidecrateError
from sidecrate.publish.memory import Memory
from sidecrate.publish.parcels import Parcel
from sidecrate.publish.repositories.dataverse_api import Api
from sidecrate.publish.repositories.http import Body, Http
from sidecrate.publish.sending import Reading

Json = dict[str, Any]

_TAG = {"x-amz-tagging": "dv-state=temp"}
_TRIES = 3


@dataclass(frozen=True)
class Stored:
    """A parcel in the object store, to be registered.

    Attributes
    ----------
    storage : str
        Its ``storageIdentifier``.
    digests : dict of str to str
    is_sure : bool
        Whether the store said the checksums of what was sent; stores that encrypt say others.
    """

    storage: str
    digests: Json
    is_sure: bool


class DirectUpload:
    """Uploads to the store of one dataset.

    Parameters
    ----------
    api : Api
    dataset : int
    memory : Memory
    """

    def __init__(self, api: Api, dataset: int, memory: Memory) -> None:
        self._api, self._dataset, self._memory = api, dataset, memory
        self._is_offered = True

    def store(self, parcel: Parcel, tell: Callable[[int], None]) -> Stored | None:
        """Put a parcel into the store, unless it is there; None when the server has no direct upload."""
        for attempt in range(1, _TRIES + 1):
            noted = self._noted(parcel)
            if "stored" in noted:
                tell(parcel.size)
                return Stored(noted["upload"]["storageIdentifier"], noted["stored"], noted["is_sure"])
            if "upload" not in noted:
                begun = self._begin(parcel)
                if begun is None:
                    return None
                noted = begun
            try:
                return self._send(parcel, noted, tell if attempt == 1 else lambda _: None)
            except RepositoryError as error:
                self.forget(parcel)
                if attempt == _TRIES or error.status not in (403, 404):  # else the addresses have expired
                    raise
            except InputError:
                self.forget(parcel)
                raise
        raise AssertionError("the last attempt returns or raises")

    def forget(self, parcel: Parcel) -> None:
        """Give up an upload: what it left in the store is of no use."""
        abort = self._memory.file(parcel.name).get("upload", {}).get("abort")
        self._memory.set_file(parcel.name, None)
        if abort:
            with suppress(SidecrateError):  # the store throws unfinished uploads away in its own time
                self._api.http.call("DELETE", abort, repeat=False, allow=(404, 500))

    def _noted(self, parcel: Parcel) -> Json:
        noted = self._memory.file(parcel.name)
        if noted.get("content") == parcel.fingerprint:
            return noted
        self.forget(parcel)
        return {}

    def _begin(self, parcel: Parcel) -> Json | None:
        """Ask where to put a parcel."""
        if not self._is_offered:
            return None
        place = f"datasets/{self._dataset}/uploadurls"
        upload = self._api.look(place, params={"size": parcel.size})
        if upload is None:
            self._is_offered = False
            return None
        if "storageIdentifier" not in upload or not (upload.get("url") or upload.get("urls")):
            raise RepositoryError(f"{self._api.http.host}: offers direct upload without an address; tell its people")
        noted = {"content": parcel.fingerprint, "upload": upload, "etags": {}, "is_sure": True}
        self._memory.set_file(parcel.name, noted)
        return noted

    def _send(self, parcel: Parcel, noted: Json, tell: Callable[[int], None]) -> Stored:
        upload = noted["upload"]
        with Reading(parcel, tell) as reading:
            if "urls" in upload:
                self._send_parts(parcel, noted, reading)
            else:
                _, noted["is_sure"] = self._put(upload["url"], reading.piece(0, parcel.size))
            digests = reading.digests()
        if "urls" in upload:
            self._complete(upload["complete"], noted["etags"])
        self._memory.set_file(parcel.name, {**noted, "stored": digests})
        return Stored(upload["storageIdentifier"], digests, noted["is_sure"])

    def _send_parts(self, parcel: Parcel, noted: Json, reading: Reading) -> None:
        """Send the parts that have not arrived; each is noted as soon as it has."""
        size, urls = int(noted["upload"]["partSize"]), noted["upload"]["urls"]
        for number in sorted(int(one) for one in urls):
            start, stop = (number - 1) * size, min(number * size, parcel.size)
            if str(number) not in noted["etags"]:
                etag, is_sure = self._put(urls[str(number)], reading.piece(start, stop))
                noted["etags"][str(number)] = etag
                noted["is_sure"] = noted["is_sure"] and is_sure
                self._memory.set_file(parcel.name, noted)
            reading.pass_over(stop)

    def _put(self, url: str, piece: Body) -> tuple[str, bool]:
        """Put bytes at an address; return the ETag and whether it is the checksum of what was sent."""
        parts = urlsplit(url)
        store = Http(f"{parts.scheme}://{parts.netloc}")  # another server, and one that gets no token
        signed = ";".join(parse_qs(parts.query).get("X-Amz-SignedHeaders", [])).lower().split(";")
        for _ in range(2):
            body = _Hashed(piece)
            answer = store.call("PUT", url, body=body, headers=_TAG if "x-amz-tagging" in signed else {})
            etag = str(answer.headers.get("ETag", ""))
            if etag.strip('"') == body.md5 or not re.fullmatch(r'"?[0-9a-f]{32}"?', etag):
                break
        return etag, etag.strip('"') == body.md5

    def _complete(self, place: str, etags: Mapping[str, str]) -> None:
        """Join the parts, in ascending order; when the answer is lost, registering tells whether they were."""
        ordered = {number: etags[number] for number in sorted(etags, key=int)}
        try:
            self._api.http.call("PUT", place, json=ordered, repeat=False)
        except SidecrateError as error:
            if isinstance(error, RepositoryError) and error.status in (400, 401, 403):
                raise


class _Hashed:
    """Bytes to send whose md5 is known when they were."""

    def __init__(self, body: Body) -> None:
        self._body, self._hash = body, hashlib.md5(usedforsecurity=False)

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        self._hash = hashlib.md5(usedforsecurity=False)
        for block in self._body:
            self._hash.update(block)
            yield block

    @property
    def md5(self) -> str:
        return self._hash.hexdigest()
