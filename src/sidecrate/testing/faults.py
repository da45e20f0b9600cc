# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: what goes wrong, and at which request.

A fault says in plain values what happens to one request, so that one place (`wire`) carries every fault out. Aim it
with ``server.fail(faults.drop_after(), at=7)`` or ``server.fail(faults.status(503), method="PUT", path="*/content")``.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from sidecrate.testing.journal import Exchange


@dataclass(frozen=True)
class Fault:
    """What happens to a request; the default is nothing.

    Attributes
    ----------
    name : str
        For the journal.
    reads_bytes : int or None
        Drop the connection when so much of the body is read; 0 is at once, None is never.
    takes_effect : bool
        Whether the request is carried out.
    status : int or None
        Answered instead of what the service would say.
    message : str
        Its text, in the service's own shape of an error.
    headers : tuple of (str, str)
        Added to that answer.
    page : str or None
        HTML that takes the place of the answer's body.
    sends_bytes : int or None
        Drop the connection when so much of the answer's body is sent; 0 is before the status line.
    is_cut : bool
        Send the first half of a JSON body as if it were the whole.
    delay_seconds : float
        Wait so long before answering.
    spoils_bytes : bool
        A bit of what arrives is flipped before it is kept.
    spoils_checksum : bool
        The answer names another digest than that of the bytes that are kept.
    hangs_lock : bool
        A lock that this request sets is never lifted.
    """

    name: str = ""
    reads_bytes: int | None = None
    takes_effect: bool = True
    status: int | None = None
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    page: str | None = None
    sends_bytes: int | None = None
    is_cut: bool = False
    delay_seconds: float = 0.0
    spoils_bytes: bool = False
    spoils_checksum: bool = False
    hangs_lock: bool = False


def drop_before() -> Fault:
    """Return a connection dropped before anything of the body is read."""
    return Fault("drop_before", reads_bytes=0, takes_effect=False)


def drop_mid_body(after_bytes: int = 1) -> Fault:
    """Return a connection dropped while the body comes in; the request has no effect."""
    return Fault("drop_mid_body", reads_bytes=after_bytes, takes_effect=False)


def drop_after() -> Fault:
    """Return a connection dropped after the request was carried out, without an answer."""
    return Fault("drop_after", sends_bytes=0)


def drop_mid_answer(after_bytes: int = 1) -> Fault:
    """Return a connection dropped while the answer's body goes out; the request was carried out."""
    return Fault("drop_mid_answer", sends_bytes=after_bytes)


def fail_after(status: int = 500) -> Fault:
    """Return an error answered although the request was carried out."""
    return Fault("fail_after", status=status, message="Internal error, please contact the people who run this.")


def status(code: int, retry_after: str | None = None) -> Fault:
    """Return a refusal such as 503 or 429 without any effect; `retry_after` is seconds or an HTTP date."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return Fault(
        f"status_{code}", takes_effect=False, status=code, message=f"Status {code} on demand.", headers=headers
    )


def refuse(code: int, message: str) -> Fault:
    """Return a refusal in the service's own words, such as a commit that is not taken; no effect."""
    return Fault("refuse", takes_effect=False, status=code, message=message)


def slow(seconds: float) -> Fault:
    """Return an answer that is right and late."""
    return Fault("slow", delay_seconds=seconds)


def wrong_checksum() -> Fault:
    """Return an answer that reports a digest of other bytes than those that are kept."""
    return Fault("wrong_checksum", spoils_checksum=True)


def corrupt() -> Fault:
    """Return bytes that are kept with one bit flipped; what the server reports is true of what it keeps."""
    return Fault("corrupt", spoils_bytes=True)


def hang_lock() -> Fault:
    """Return a lock, set by this request, that nobody lifts."""
    return Fault("hang_lock", hangs_lock=True)


def truncated_json() -> Fault:
    """Return half of the JSON answer, in a complete HTTP message; the request was carried out."""
    return Fault("truncated_json", is_cut=True)


def proxy_page(code: int = 502, takes_effect: bool = False) -> Fault:
    """Return an HTML page as a proxy in front would give, also with status 200 (a login page)."""
    page = f"<html><head><title>{code}</title></head><body><center><h1>{code}</h1></center><hr>proxy</body></html>"
    return Fault("proxy_page", takes_effect=takes_effect, status=code, page=page)


def redirect(location: str, code: int = 302) -> Fault:
    """Return a redirect, to another host for instance; no effect."""
    return Fault("redirect", takes_effect=False, status=code, message="Moved.", headers=(("Location", location),))


@dataclass
class _Aim:
    fault: Fault
    at: int | None
    method: str | None
    path: str | None
    service: str | None
    skip: int
    times: int


@dataclass
class Faults:
    """The faults that wait for their request."""

    _aims: list[_Aim] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self,
        fault: Fault,
        *,
        at: int | None = None,
        method: str | None = None,
        path: str | None = None,
        service: str | None = None,
        skip: int = 0,
        times: int = 1,
    ) -> None:
        """Let a fault strike.

        Parameters
        ----------
        fault : Fault
        at : int, optional
            Number of the request in the journal.
        method, path, service : str, optional
            Only at such requests; a path is a pattern such as ``/api/records/*/draft``.
        skip : int
            Let so many of them pass first.
        times : int
            Strike so often.
        """
        with self._lock:
            self._aims.append(_Aim(fault, at, method, path, service, skip, times))

    def pick(self, exchange: Exchange) -> Fault:
        """Return the fault for a request, a `Fault` that does nothing when there is none."""
        with self._lock:
            for aim in self._aims:
                if aim.at not in (None, exchange.number) or not exchange.matches(aim.method, aim.path, aim.service):
                    continue
                if aim.skip:
                    aim.skip -= 1
                elif aim.times:
                    aim.times -= 1
                    return aim.fault
        return Fault()
