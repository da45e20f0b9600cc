# SPDX-License-Identifier: Apache-2.0
"""What comes in, what goes out, and the refusals in between; the same for every fake server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from sidecrate.testing.blobs import Blob
from sidecrate.testing.faults import Fault
from sidecrate.testing.multipart import Part


class RefusalError(Exception):
    """A request that is not carried out; the service gives it the shape of its own errors.

    Attributes
    ----------
    status : int
    message : str
    extra : dict
        More keys of the error's body.
    """

    def __init__(self, status: int, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.extra = extra


@dataclass
class Request:
    """One request, its body received.

    Attributes
    ----------
    method : str
    path : str
        As sent, percent-encoded, without the query.
    query : dict of str to list of str
        Decoded.
    headers : email.message.Message
        Looked up without regard to case.
    host : str
        The ``Host`` header: which name the client knows the server by.
    params : dict of str to str
        What the pattern of the route caught, decoded.
    body : Blob or None
        None when it was a form, or when there was none.
    form : list of Part
        Parts of a multipart/form-data body.
    fault : Fault
        What is to go wrong, for the parts that happen inside the service.
    collides : bool
        Another request that cannot go on at the same time was there first.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Message
    host: str = ""
    params: dict[str, str] = field(default_factory=dict)
    body: Blob | None = None
    form: list[Part] = field(default_factory=list)
    fault: Fault = field(default_factory=Fault)
    collides: bool = False

    @property
    def content_type(self) -> str:
        """Return the media type without its parameters, lower case, "" when there is none."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def body_bytes(self) -> int | None:
        """Return the announced length of the body, None when there is none."""
        length = self.headers.get("Content-Length")
        return int(length) if length and length.isdecimal() else None

    def param(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        """Return whether a parameter of the query says true."""
        return self.param(name).lower() == "true"

    def data(self) -> bytes:
        """Return the body of a request that carries metadata."""
        return self.body.read() if self.body else b""

    def json(self) -> Any:
        """Return the body as JSON.

        Raises
        ------
        ValueError
            It is none.
        """
        return json.loads(self.data().decode())

    def part(self, name: str) -> Part | None:
        """Return the first part of the form with that name."""
        return next((part for part in self.form if part.name == name), None)


@dataclass
class Answer:
    """What is sent back.

    Attributes
    ----------
    status : int
    body : bytes
    headers : dict of str to str
    blob : Blob, optional
        Sent instead of `body`, from `start`, `length` bytes or to the end.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    blob: Blob | None = None
    start: int = 0
    length: int | None = None

    @property
    def body_bytes(self) -> int:
        """Return how long the body is."""
        if self.blob is None:
            return len(self.body)
        return self.blob.size - self.start if self.length is None else self.length

    @property
    def is_json(self) -> bool:
        """Return whether the body is JSON in memory."""
        return self.blob is None and "json" in self.headers.get("Content-Type", "")


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with a JSON body."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})


def text_answer(text: str, status: int = 200, media_type: str = "text/plain; charset=utf-8") -> Answer:
    """Return an answer with a text body."""
    return Answer(status, text.encode(), {"Content-Type": media_type})
