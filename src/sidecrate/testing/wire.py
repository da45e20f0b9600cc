# SPDX-License-Identifier: Apache-2.0
"""HTTP on the wire: a request is received, noted, struck by its fault, and answered."""

from __future__ import annotations

import re
import socket
import struct
import sys
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sidecrate.testing.blobs import BLOCK_BYTES, Spool
from sidecrate.testing.faults import Fault
from sidecrate.testing.journal import Exchange
from sidecrate.testing.messages import Answer, RefusalError, Request, text_answer
from sidecrate.testing.multipart import BadFormError, boundary_of, read_form

if TYPE_CHECKING:
    from sidecrate.testing.server import FakeServer, Service

LINGER_SECONDS = 0.5  # how long a refused body is still read, so that the client sees the answer and not a reset


class DroppedError(Exception):
    """The connection is to be cut, or was cut by the client."""


class Port(ThreadingHTTPServer):
    """One listening socket on 127.0.0.1 and the service behind it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: FakeServer, service: Service) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.owner = owner
        self.service = service

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Keep what is not the doing of a client that went away; the owner raises it at the end."""
        if not isinstance(sys.exception(), OSError):
            self.owner.bugs.append(traceback.format_exc())


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sidecrate-testing"
    wbufsize = -1  # one packet for status line, headers and body; two would wait for each other (Nagle)
    timeout = 60
    server: Port

    def _serve(self) -> None:
        owner, service = self.server.owner, self.server.service
        sent = owner.is_token_in([self.path, *self.headers.values()]) or service.has_credentials(self.headers)
        headers = [(name, str(value)) for name, value in self.headers.items()]
        exchange = owner.journal.open(service.name, self.command, self.path, headers, sent)
        fault = owner.faults.pick(exchange)
        exchange.fault = fault.name or None
        body = _Body(self, exchange, fault)
        try:
            answer = self._answer(body, fault)
            time.sleep(fault.delay_seconds)
            self._send(answer, exchange, fault)
            if not body.is_at_end:
                body.linger()
        except (DroppedError, ConnectionError, TimeoutError):
            self._cut()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def _answer(self, body: _Body, fault: Fault) -> Answer:
        service = self.server.service
        request = self._head(fault)
        if fault.reads_bytes is not None:
            body.read_until(fault.reads_bytes)
            raise DroppedError
        if (early := service.early(request)) is not None and fault.takes_effect:
            return early
        with service.open(request):
            self._receive(request, body)
            try:
                answer = service.serve(request) if fault.takes_effect else Answer()
            finally:
                _forget(request)
        if fault.page is not None:
            return text_answer(fault.page, fault.status or 200, "text/html; charset=utf-8")
        if fault.status is not None:
            answer = service.error(RefusalError(fault.status, fault.message))
            answer.headers.update(fault.headers)
        return answer

    def _head(self, fault: Fault) -> Request:
        path, _, query = self.path.partition("?")
        values = parse_qs(query, keep_blank_values=True)
        return Request(self.command, path, values, self.headers, self.headers.get("Host") or "", fault=fault)

    def _receive(self, request: Request, body: _Body) -> None:
        """Put the body where it is kept, hashed on the way."""
        owner = self.server.owner

        def spool(is_file: bool) -> Spool:
            return owner.new_spool(is_file and request.fault.spoils_bytes)

        if request.content_type == "multipart/form-data":
            try:
                boundary = boundary_of(request.headers["Content-Type"])
                for part in read_form(body.read, boundary, spool):
                    request.form.append(part)
            except BadFormError:
                request.form.clear()  # the service says what it says of a form without parts
                body.drain()
        elif body.has_bytes:
            kept = spool("json" not in request.content_type)
            try:
                while block := body.read(BLOCK_BYTES):
                    kept.write(block)
            except BaseException:
                kept.discard()
                raise
            request.body = kept.done()

    def _send(self, answer: Answer, exchange: Exchange, fault: Fault) -> None:
        if fault.sends_bytes == 0:
            raise DroppedError
        if fault.is_cut and answer.is_json:
            answer.body = answer.body[: len(answer.body) // 2]
        if fault.spoils_checksum and answer.is_json:
            answer.body = _spoil_digests(answer.body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(answer.body_bytes))
        self.end_headers()
        exchange.status = answer.status
        if self.command != "HEAD" and answer.status != 204:
            self._send_body(answer, exchange, fault)
        self.wfile.flush()

    def _send_body(self, answer: Answer, exchange: Exchange, fault: Fault) -> None:
        blocks = [answer.body] if answer.blob is None else answer.blob.blocks(answer.start, answer.length)
        for block in blocks:
            if fault.sends_bytes is not None and exchange.bytes_sent + len(block) >= fault.sends_bytes:
                self.wfile.write(block[: fault.sends_bytes - exchange.bytes_sent])
                self.wfile.flush()
                exchange.status = None
                raise DroppedError
            self.wfile.write(block)
            exchange.bytes_sent += len(block)

    def _cut(self) -> None:
        """Close the connection at once; the client sees a reset, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def handle_expect_100(self) -> bool:
        """Put the 100 off until the body is wanted."""
        return True

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing; the journal has it."""


class _Body:
    """The body of a request, as far as it has come in."""

    def __init__(self, handler: _Exchange, exchange: Exchange, fault: Fault) -> None:
        headers = handler.headers
        self._handler = handler
        self._exchange = exchange
        self._fault = fault
        self._is_chunked = (headers.get("Transfer-Encoding") or "").lower() == "chunked"
        self._left = 0 if self._is_chunked else int(headers.get("Content-Length") or 0)
        self._expects = (headers.get("Expect") or "").lower() == "100-continue"
        self.is_at_end = not self.has_bytes

    @property
    def has_bytes(self) -> bool:
        """Return whether there is a body."""
        return self._is_chunked or self._handler.headers.get("Content-Length") is not None

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises
        ------
        DroppedError
            The client went away.
        """
        if self._expects:
            self._expects = False
            self._handler.send_response_only(100)
            self._handler.end_headers()
            self._handler.wfile.flush()
        if not self._left and self._is_chunked and not self.is_at_end:
            self._left = self._next_chunk()
        if not self._left:
            self.is_at_end = True
            return b""
        block = self._handler.rfile.read1(min(size, self._left))
        if not block:
            raise DroppedError
        self._left -= len(block)
        self._exchange.bytes_received += len(block)
        return bytes(block)

    def read_until(self, count: int) -> None:
        """Read `count` bytes, or all there are."""
        while self._exchange.bytes_received < count:
            if not self.read(min(count - self._exchange.bytes_received, BLOCK_BYTES)):
                return

    def drain(self) -> None:
        """Read the rest."""
        while self.read(BLOCK_BYTES):
            pass

    def linger(self) -> None:
        """Close after an answer that came before the body did, giving the client time to read it."""
        handler = self._handler
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_WR)
        handler.connection.settimeout(LINGER_SECONDS)
        end = time.monotonic() + LINGER_SECONDS
        self._expects = False
        while time.monotonic() < end and self.read(BLOCK_BYTES):
            pass

    def _next_chunk(self) -> int:
        reader = self._handler.rfile
        line = reader.readline(1024).strip() or reader.readline(1024).strip()  # the line end of the chunk before
        if not re.fullmatch(rb"[0-9a-fA-F]+(;.*)?", line):
            raise DroppedError
        size = int(line.partition(b";")[0], 16)
        while not size and reader.readline(1024).strip():
            pass  # trailers
        return size


def _forget(request: Request) -> None:
    """Delete what the request brought and the service does not keep."""
    for blob in [request.body, *(part.blob for part in request.form)]:
        if blob is not None and not blob.is_kept:
            blob.path.unlink(missing_ok=True)


def _spoil_digests(body: bytes) -> bytes:
    """Return JSON in which every hex digest has another first digit."""

    def other(match: re.Match[bytes]) -> bytes:
        digit = b"0" if match[1] != b"0" else b"1"
        return digit + match[2]

    return re.sub(
        rb"(?<![0-9a-f-])([0-9a-f])([0-9a-f]{31}(?:[0-9a-f]{8}|[0-9a-f]{32}|[0-9a-f]{96})?)(?![0-9a-f-])", other, body
    )
