# SPDX-License-Identifier: Apache-2.0
"""The frame of a fake server: ports on 127.0.0.1 in threads, a journal, faults, a folder for what arrives.

A fake is a `FakeServer` with one or more `Service`. A service is what one port does: a table of routes (`routes`), the
shape of its errors (`error`), and what every answer carries (`finish`). Routes run one at a time under the server's
lock, after the body has been received, so they may change the state freely.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sidecrate.testing import routes as tables
from sidecrate.testing.blobs import Blob, Spool
from sidecrate.testing.faults import Fault, Faults
from sidecrate.testing.journal import Journal
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer
from sidecrate.testing.wire import Port


class Service:
    """What one port does.

    Attributes
    ----------
    name : str
        In the journal.
    host : str
        Name in the URLs of this port. All ports listen on 127.0.0.1; ``localhost`` makes it another host to a client.
    routes : sequence of Route
    version : tuple of int
    """

    name = "api"
    host = "127.0.0.1"
    routes: Sequence[tables.Route] = ()
    version: tuple[int, ...] = (0,)

    def __init__(self, owner: FakeServer) -> None:
        self.owner = owner
        self.url = ""

    def has_credentials(self, headers: Message) -> bool:
        """Return whether a request carries a token, whoever's it is."""
        return any(name.lower() in ("authorization", "x-dataverse-key") for name in headers)

    def early(self, request: Request) -> Answer | None:
        """Return an answer that does not wait for the body, or None."""

    @contextmanager
    def open(self, request: Request) -> Iterator[None]:  # noqa: ARG002 - for those who override it
        """Surround a request from its head to its answer."""
        yield

    def path_of(self, request: Request) -> str:
        """Return the path to look up in the table."""
        return request.path

    def serve(self, request: Request) -> Answer:
        """Return the answer to a request; a refusal gets the service's shape."""
        with self.owner.lock:
            try:
                self.owner.settle()
                answer = self.carry_out(request)
            except RefusalError as refusal:
                answer = self.error(refusal)
            except Exception:
                self.owner.bugs.append(traceback.format_exc())
                answer = self.error(RefusalError(500, "the fake server itself failed; see its `bugs`"))
            return self.finish(request, answer)

    def carry_out(self, request: Request) -> Answer:
        """Return the answer of the request's route."""
        route, request.params = tables.find(self.routes, request.method, self.path_of(request), self.version)
        return route.function(self.owner, request)

    def error(self, refusal: RefusalError) -> Answer:
        """Return a refusal in the shape of this service."""
        return json_answer({"status": refusal.status, "message": refusal.message, **refusal.extra}, refusal.status)

    def finish(self, request: Request, answer: Answer) -> Answer:  # noqa: ARG002 - likewise
        """Return the answer with what every answer carries."""
        return answer


class FakeServer(ABC):
    """Ports in threads, as a context manager.

    Attributes
    ----------
    journal : Journal
        Every request.
    faults : Faults
    folder : Path
        Where what arrives is kept; deleted at the end.
    digests : tuple of str
        Taken while bytes arrive; others are worked out when asked for.
    tokens : set of str
        What must not be seen where it does not belong.
    bugs : list of str
        Tracebacks of failures of the fake itself; leaving the context raises when there are any.
    """

    digests: tuple[str, ...] = ("md5",)

    def __init__(self) -> None:
        self.journal = Journal()
        self.faults = Faults()
        self.lock = threading.RLock()
        self.bugs: list[str] = []
        self.tokens: set[str] = set()
        self._numbers = count(1)
        self._ports: list[Port] = []
        self._due: list[tuple[float, Callable[[], None]]] = []

    @abstractmethod
    def services(self) -> list[Service]:
        """Return the services to be given a port."""

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="sidecrate-testing-"))
        for service in self.services():
            port = Port(self, service)
            service.url = f"http://{service.host}:{port.server_address[1]}"
            # A short poll: leaving the context would otherwise wait half a second a port.
            thread = threading.Thread(target=port.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self._ports.append(port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for port in self._ports:
            port.shutdown()
            port.server_close()
        self._ports.clear()
        with self.lock:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.bugs and kind is None:
            raise AssertionError(f"the fake server failed:\n{self.bugs[0]}")

    def fail(self, fault: Fault, **aim: Any) -> None:
        """Let a fault strike; `aim` is that of `Faults.add`: `at`, `method`, `path`, `service`, `skip`, `times`."""
        self.faults.add(fault, **aim)

    def later(self, seconds: float, job: Callable[[], None]) -> None:
        """Do something later; it is done when the first request after that time comes in."""
        self._due.append((time.monotonic() + seconds, job))

    def settle(self) -> None:
        """Do the background work whose time has come."""
        with self.lock:
            time_now = time.monotonic()
            ripe = [job for due, job in self._due if due <= time_now]
            self._due = [(due, job) for due, job in self._due if due > time_now]
            for job in ripe:
                job()

    def hurry(self) -> None:
        """Do all background work now, also what that work leads to; for tests that do not want to wait."""
        with self.lock:
            while self._due:
                (_, job), *self._due = sorted(self._due, key=lambda due: due[0])
                job()

    def new_path(self) -> Path:
        """Return a new name in the folder."""
        with self.lock:
            return self.folder / f"{next(self._numbers):08d}"

    def new_spool(self, is_corrupt: bool = False) -> Spool:
        """Return a place for bytes."""
        return Spool(self.new_path(), self.digests, is_corrupt)

    def new_blob(self, blocks: Iterable[bytes]) -> Blob:
        """Return bytes that the server made itself, kept."""
        spool = self.new_spool()
        for block in blocks:
            spool.write(block)
        return spool.done().keep()

    def is_token_in(self, texts: Iterable[str]) -> bool:
        """Return whether one of the server's tokens is in any of the texts."""
        return any(token in text for text in texts for token in self.tokens)
