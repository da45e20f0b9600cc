# SPDX-License-Identifier: Apache-2.0
"""The list of every request a fake server has met, for assertions on what a client did and what it sent where."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass
class Exchange:
    """One request and what became of it.

    Attributes
    ----------
    number : int
        From 1, in order of arrival, counted over all ports of the server.
    service : str
        ``api`` or ``store``.
    method : str
    path : str
        As sent, without the query.
    query : str
        As sent.
    host : str
        The ``Host`` header.
    header_names : tuple of str
        Lower case.
    token_sent : bool
        A credential header was there, or one of the server's tokens in a header or in the URL.
    bytes_received : int
        Of the body, as far as it was read.
    bytes_sent : int
        Of the answer's body.
    status : int or None
        None while it is under way, and when the connection was dropped.
    fault : str or None
        Name of the fault that struck.
    """

    number: int
    service: str
    method: str
    path: str
    query: str
    host: str
    header_names: tuple[str, ...]
    token_sent: bool
    bytes_received: int = 0
    bytes_sent: int = 0
    status: int | None = None
    fault: str | None = None

    def matches(self, method: str | None, path: str | None, service: str | None = None) -> bool:
        """Return whether it is of that method, path pattern (``*`` stands for anything) and service; None is any."""
        return (
            method in (None, self.method)
            and service in (None, self.service)
            and (path is None or fnmatchcase(self.path, path))
        )


class Journal:
    """Exchanges in order of arrival; safe to read while requests are coming in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(list(self._exchanges))

    def __getitem__(self, index: int) -> Exchange:
        return self._exchanges[index]

    def open(
        self, service: str, method: str, target: str, headers: list[tuple[str, str]], token_sent: bool
    ) -> Exchange:
        """Note a request that has arrived and return its exchange."""
        path, _, query = target.partition("?")
        names = tuple(name.lower() for name, _ in headers)
        host = next((value for name, value in headers if name.lower() == "host"), "")
        with self._lock:
            number = len(self._exchanges) + 1
            exchange = Exchange(number, service, method, path, query, host, names, token_sent)
            self._exchanges.append(exchange)
        return exchange

    def find(self, method: str | None = None, path: str | None = None, service: str | None = None) -> list[Exchange]:
        """Return the exchanges of a method, a path pattern such as ``*/add`` and a service."""
        return [exchange for exchange in self if exchange.matches(method, path, service)]

    def bytes_received(self, service: str | None = None) -> int:
        """Return how many bytes of bodies came in."""
        return sum(exchange.bytes_received for exchange in self.find(service=service))

    def clear(self) -> None:
        """Forget everything; numbers start again at 1."""
        with self._lock:
            self._exchanges.clear()
