# SPDX-License-Identifier: Apache-2.0
"""An S3-like object store that takes pre-signed PUTs only: single objects and parts of multipart uploads.

It listens under another host name (``localhost``) and port than the API that hands out the URLs, and the host is
signed, so a client that mixes the two up is refused. No token belongs here; the journal tells whether one came.
"""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from sidecrate.testing.blobs import Blob
from sidecrate.testing.messages import Answer, RefusalError, Request
from sidecrate.testing.routes import Route
from sidecrate.testing.server import FakeServer, Service

TAGGING = "x-amz-tagging"
TAG = "dv-state=temp"
SINGLE_PUT_BYTES = 5 << 30


@dataclass
class StoredObject:
    """An object of the bucket; `is_temporary` until whoever asked for the URL has registered it."""

    blob: Blob
    is_temporary: bool = True


@dataclass
class MultipartUpload:
    """An upload in parts: number → bytes."""

    key: str
    parts: dict[int, Blob] = field(default_factory=dict)


class ObjectStore:
    """The bucket and its signatures.

    Attributes
    ----------
    objects : dict of str to StoredObject
        What is there, also what was never registered.
    uploads : dict of str to MultipartUpload
        Multipart uploads that are neither completed nor aborted.
    """

    bucket = "bucket"

    def __init__(self, owner: FakeServer) -> None:
        self.owner = owner
        self.service = StoreService(owner, self)
        self.objects: dict[str, StoredObject] = {}
        self.uploads: dict[str, MultipartUpload] = {}
        self._secret = uuid.uuid4().bytes

    @property
    def url(self) -> str:
        """Return where the port listens."""
        return self.service.url

    def presign(self, key: str, seconds: float, is_tagged: bool, part: tuple[str, int] | None = None) -> str:
        """Return a URL that takes one PUT, or more until it expires.

        Parameters
        ----------
        key : str
        seconds : float
            How long it lives.
        is_tagged : bool
            The header ``x-amz-tagging`` is signed and must come with it.
        part : (str, int), optional
            Upload and number of the part.
        """
        query = {"uploadId": part[0], "partNumber": str(part[1])} if part else {}
        query |= {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-SignedHeaders": f"host;{TAGGING}" if is_tagged else "host",
            "X-Amz-Expires": f"{seconds:g}",
            "X-Amz-Credential": "FAKE/us-east-1/s3/aws4_request",
        }
        path = f"/{self.bucket}/{quote(key)}"
        host = self.url.partition("://")[2]
        tag = TAG if is_tagged else None
        # The time to the microsecond is not in the URL of S3; here it lets tests use short lives.
        query["X-Fake-Until"] = f"{time.time() + seconds:.6f}"
        query["X-Amz-Signature"] = self._sign(path, query, host, tag)
        return f"{self.url}{path}?{urlencode(query)}"

    def _sign(self, path: str, query: Mapping[str, str], host: str, tag: str | None) -> str:
        pairs = sorted((name, value) for name, value in query.items() if name != "X-Amz-Signature")
        text = "\n".join([path, urlencode(pairs), host, tag or ""])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def check(self, request: Request) -> None:
        """Refuse a request the URL does not cover.

        Raises
        ------
        RefusalError
            403 and 400 with the codes of S3.
        """
        query = {name: values[0] for name, values in request.query.items()}
        if "X-Amz-Signature" not in query:
            raise _refusal(403, "AccessDenied", "Access Denied")
        if "Authorization" in request.headers:
            raise _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        signed = query.get("X-Amz-SignedHeaders", "").split(";")
        sent = [name.lower() for name in request.headers if name.lower().startswith("x-amz-")]
        if any(name not in signed for name in sent):
            raise _refusal(403, "AccessDenied", "There were headers present in the request which were not signed")
        tag = request.headers.get(TAGGING) if TAGGING in signed else None
        right = self._sign(request.path, query, request.host, tag)
        if not hmac.compare_digest(right, query["X-Amz-Signature"]) or (TAGGING in signed and tag != TAG):
            raise _refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        if time.time() > float(query["X-Fake-Until"]):
            raise _refusal(403, "AccessDenied", "Request has expired")

    def put(self, request: Request) -> Answer:
        """Keep an object or a part and answer with its ETag."""
        blob = request.body.keep() if request.body else self.owner.new_blob([])
        upload_id = request.param("uploadId")
        key = request.params["key"]
        if not upload_id:
            self.objects[key] = StoredObject(blob)
        elif upload_id in self.uploads and self.uploads[upload_id].key == key:
            self.uploads[upload_id].parts[int(request.param("partNumber"))] = blob
        else:
            raise _refusal(404, "NoSuchUpload", "The specified upload does not exist.")
        return Answer(200, b"", {"ETag": f'"{blob.digest("md5")}"'})

    def begin(self, key: str) -> str:
        """Return the number of a new multipart upload."""
        upload_id = uuid.uuid4().hex
        self.uploads[upload_id] = MultipartUpload(key)
        return upload_id

    def complete(self, upload_id: str, etags: list[tuple[int, str]]) -> None:
        """Join the parts, in the order given.

        Raises
        ------
        ValueError
            An order that does not ascend, a part that is missing, an ETag of other bytes: S3 takes none of it.
        """
        upload = self.uploads[upload_id]
        numbers = [number for number, _ in etags]
        if not numbers or numbers != sorted(set(numbers)):
            raise ValueError("InvalidPartOrder")
        for number, etag in etags:
            part = upload.parts.get(number)
            if part is None or part.digest("md5") != etag.strip('"'):
                raise ValueError("InvalidPart")
        blob = self.owner.new_blob(_joined([upload.parts[number] for number in numbers]))
        self.objects[upload.key] = StoredObject(blob)
        self.abort(upload_id)

    def abort(self, upload_id: str) -> None:
        """Throw the parts of an upload away."""
        for part in self.uploads.pop(upload_id).parts.values():
            part.path.unlink(missing_ok=True)


def _joined(blobs: list[Blob]) -> Iterator[bytes]:
    for blob in blobs:
        yield from blob.blocks()


def _refusal(status: int, code: str, message: str) -> RefusalError:
    return RefusalError(status, message, code=code)


class StoreService(Service):
    """The port of the object store."""

    name = "store"
    host = "localhost"

    def __init__(self, owner: FakeServer, store: ObjectStore) -> None:
        super().__init__(owner)
        self.store = store
        self.routes = (Route("PUT", f"/{store.bucket}/{{key:path}}", lambda _, request: store.put(request)),)

    def early(self, request: Request) -> Answer | None:
        """Refuse before the body what S3 refuses before the body."""
        try:
            self.store.check(request)
            if request.headers.get("Transfer-Encoding"):
                raise _refusal(
                    501, "NotImplemented", "A header you provided implies functionality that is not implemented"
                )
            if request.body_bytes is None:
                raise _refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
            if request.body_bytes > SINGLE_PUT_BYTES:
                raise _refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        except RefusalError as refusal:
            return self.error(refusal)
        return None

    def error(self, refusal: RefusalError) -> Answer:
        """Return an error as XML."""
        code = refusal.extra.get("code", "InternalError")
        text = f"<Error><Code>{code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'
        return Answer(refusal.status, text.encode(), {"Content-Type": "application/xml"})
