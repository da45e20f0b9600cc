# SPDX-License-Identifier: Apache-2.0
"""A reader of multipart/form-data (RFC 7578, RFC 2046 §5.1.1) that keeps no part in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote

from sidecrate.testing.blobs import BLOCK_BYTES, Blob, Spool

HEAD_BYTES = 16 << 10  # most that the headers of one part may take

ReadSome = Callable[[int], bytes]
NewSpool = Callable[[bool], Spool]


class BadFormError(ValueError):
    """The body is no form, or ends early."""


@dataclass
class Part:
    """One part of a form.

    Attributes
    ----------
    name : str
    filename : str or None
    content_type : str or None
        None when the client gave none.
    blob : Blob
    """

    name: str
    filename: str | None
    content_type: str | None
    blob: Blob

    def text(self) -> str:
        """Return the bytes of a small part as UTF-8."""
        return self.blob.read().decode(errors="replace")


def boundary_of(content_type: str) -> str:
    """Return the boundary named in a Content-Type header.

    Raises
    ------
    BadFormError
        It names none, or one that RFC 2046 does not allow.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary", None)
    if not isinstance(boundary, str) or not re.fullmatch(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[^ ]", boundary):
        raise BadFormError("no usable boundary")
    return boundary


def read_form(read_some: ReadSome, boundary: str, new_spool: NewSpool) -> Iterator[Part]:
    """Yield the parts of a form while it comes in.

    Parameters
    ----------
    read_some : callable
        Returns up to so many bytes of the body, b"" at its end.
    boundary : str
    new_spool : callable
        Makes the place where the bytes of a part go; called with whether the part is a file.

    Raises
    ------
    BadFormError
        It is no form, or ends before the last boundary.
    """
    reader = _Reader(read_some, b"\r\n--" + boundary.encode("ascii"))
    reader.skip_to_boundary()
    while reader.has_another_part():
        head = reader.head()
        name, filename = _names(head)
        spool = new_spool(filename is not None)
        try:
            for block in reader.content():
                spool.write(block)
        except BaseException:
            spool.discard()
            raise
        yield Part(name, filename, head.get("Content-Type"), spool.done())
    reader.drain()


def _names(head: Message) -> tuple[str, str | None]:
    """Return name and file name of the Content-Disposition, whichever way the client wrote them."""
    given = head.get("Content-Disposition") or ""
    if not given.lower().startswith("form-data"):
        raise BadFormError("a part without Content-Disposition: form-data")
    pairs = re.findall(r';\s*([A-Za-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', given)
    values = {key.lower(): _unquote(quoted) or bare for key, quoted, bare in pairs}
    if "name" not in values:
        raise BadFormError("a part without a name")
    filename = values.get("filename")
    if extended := values.get("filename*"):  # RFC 5987: charset'language'percent-encoded
        filename = unquote(extended.split("'", 2)[-1])
    return values["name"], filename


def _unquote(text: str) -> str:
    text = re.sub(r'\\(["\\])', r"\1", text)
    # Browsers and httpx write these three percent-encoded (HTML standard, multipart/form-data encoding algorithm).
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


class _Reader:
    """A body cut at its boundaries; holds back as many bytes as a boundary could begin in."""

    def __init__(self, read_some: ReadSome, delimiter: bytes) -> None:
        self._read_some = read_some
        self._delimiter = delimiter
        self._buffer = b"\r\n"  # the first boundary has no line before it

    def skip_to_boundary(self) -> None:
        for _ in self.content():
            pass

    def has_another_part(self) -> bool:
        self._fill(2)
        mark, self._buffer = self._buffer[:2], self._buffer[2:]
        if mark not in (b"\r\n", b"--"):
            raise BadFormError("a boundary is followed by something else")
        return mark == b"\r\n"

    def head(self) -> Message:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > HEAD_BYTES or not self._more():
                raise BadFormError("the headers of a part do not end")
        raw, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        message = Message()
        # Clients write names in raw UTF-8, which the parsers of email would turn into lone surrogates.
        for line in raw.decode(errors="replace").split("\r\n"):
            key, _, value = line.partition(":")
            message.add_header(key.strip(), value.strip())
        return message

    def content(self) -> Iterator[bytes]:
        while (end := self._buffer.find(self._delimiter)) < 0:
            safe = max(len(self._buffer) - len(self._delimiter) + 1, 0)
            block, self._buffer = self._buffer[:safe], self._buffer[safe:]
            if block:
                yield block
            if not self._more():
                raise BadFormError("the form ends before its last boundary")
        block, self._buffer = self._buffer[:end], self._buffer[end + len(self._delimiter) :]
        if block:
            yield block

    def drain(self) -> None:
        """Read what may stand after the last boundary."""
        while self._read_some(BLOCK_BYTES):
            pass

    def _fill(self, count: int) -> None:
        while len(self._buffer) < count:
            if not self._more():
                raise BadFormError("the form ends within a boundary")

    def _more(self) -> bool:
        block = self._read_some(BLOCK_BYTES)
        self._buffer += block
        return bool(block)
