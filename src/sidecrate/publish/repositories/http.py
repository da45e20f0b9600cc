# SPDX-License-Identifier: Apache-2.0
"""Talking to a server: time-outs, retries of what is safe, redirects by hand, answers read without trust.

The token goes to the server it belongs to and to nothing else: not along a redirect, not to an object store, not into
a message. Only requests that may be repeated are repeated; after the others whoever asked has to look first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from sidecrate.errors import NetworkError, RepositoryError
from sidecrate.provenance.environment import package_version, secrets
from sidecrate.publish import tokens
from sidecrate.publish.repositories.answers import (
    Answer,
    asked_pause,
    backoff,
    is_page,
    read,
    reason,
    was_never_sent,
    words,
)
from sidecrate.store import BLOCK

R = TypeVar("R")

TIMEOUTS_S = (30, 300)
ATTEMPTS = 6
_WORDS_LIMIT = 600
_REDIRECTS = 5
_AGAIN = (429, 502, 503, 504)
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE")  # RFC 9110 section 9.2.2
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class Body(Protocol):
    """Bytes to send: their number is known, and they can be produced again for a second attempt."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


class Http:
    """One server.

    Parameters
    ----------
    url : str
        Its address; paths are relative to it.
    token : str, optional
    header : callable, optional
        Token → name and value of the header that carries it; ``Authorization: Bearer`` when not given.
    pause : callable, optional
        Called with the seconds to wait between two attempts.

    Raises
    ------
    InputError
        The address is not one a token may be sent to.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        header: Callable[[str], tuple[str, str]] = lambda token: ("Authorization", f"Bearer {token}"),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = tokens.host(url)
        self.url = url.rstrip("/") + "/"
        self._pause, self._header = pause, header
        self._token: str | None = None
        self._credential: tuple[str, str] | None = None
        self.use(token)
        self._session = requests.Session()
        self._session.auth = _as_it_is  # else requests would put in what it finds in a .netrc
        self._session.headers["User-Agent"] = f"sidecrate/{package_version('sidecrate') or '0'}"

    @property
    def has_token(self) -> bool:
        """Return whether requests carry a token."""
        return self._token is not None

    def use(self, token: str | None) -> None:
        """Let requests carry a token from now on."""
        self._token = token
        self._credential = self._header(token) if token else None

    # ---- asking

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: Body | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool | None = None,
        allow: tuple[int, ...] = (),
    ) -> Answer:
        """Ask something and return the answer.

        Parameters
        ----------
        method, path : str
            `path` is relative to the server, or a whole address, such as one from an earlier answer.
        json : object, optional
            Sent as the body.
        body : Body, optional
            Sent as it is, with its length stated.
        params, headers : mapping, optional
        repeat : bool, optional
            Whether the request may be sent twice; by default what the method promises.
        allow : tuple of int
            Statuses from 400 on that are answers rather than errors.

        Raises
        ------
        RepositoryError
            The server refuses; the message holds its own words.
        NetworkError
            No usable answer; when the request may not be repeated, it may or may not have been done.
        """
        sent = body if json is None else _Json(json)
        kind = {"Content-Type": "application/json"} if json is not None else {}
        answer = self._ask(read, method, path, sent, params, {**kind, **(headers or {})}, repeat)
        if answer.status >= 400 and answer.status not in allow:
            raise self._refusal(method, path, answer)
        if answer.data is None and is_page(answer):
            raise RepositoryError(
                f"{self.host}: answers {method} {_path(path)} with a web page; is the address that of its API, "
                "and is nobody asked to log in there?",
                status=answer.status,
            )
        return answer

    @contextmanager
    def download(self, path: str, *, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open a file of the server.

        Yields
        ------
        int
            Where the bytes begin: 0 when the server does not give parts of files.
        iterator of bytes

        Raises
        ------
        RepositoryError, NetworkError
        """
        ranged = {"Range": f"bytes={start}-"} if start else {}
        with self._ask(_as_stream, "GET", path, None, None, {"Accept": "*/*", **ranged}, None) as response:
            if response.status_code >= 400:
                raise self._refusal("GET", path, read(response))
            yield start if response.status_code == 206 else 0, self._blocks(path, response)

    def _blocks(self, path: str, response: requests.Response) -> Iterator[bytes]:
        response.raw.decode_content = False
        length = response.headers.get("Content-Length", "")
        left = int(length) if length.isdecimal() else None
        try:
            while block := response.raw.read(BLOCK):
                left = None if left is None else left - len(block)
                yield block
        except _BROKEN as error:
            raise self._unreachable("GET", path, error) from error
        if left:
            raise NetworkError(f"{self.host}: {_path(path)} ended {left} bytes early; repeat the command")

    # ---- sending, again where that is safe

    def _ask(
        self,
        use: Callable[[requests.Response], R],
        method: str,
        path: str,
        body: Body | None,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        repeat: bool | None,
    ) -> R:
        """Return what `use` makes of the answer that is final: a success, a refusal, or the last of many failures."""
        may_repeat = method in _REPEATABLE if repeat is None else repeat
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._redirected(method, urljoin(self.url, path), body, params, headers)
                if attempt == ATTEMPTS or not self._comes_again(response, may_repeat):
                    return use(response)
                wait = asked_pause(response) or backoff(attempt)
                response.close()
            except _BROKEN as error:
                if attempt == ATTEMPTS or not (may_repeat or was_never_sent(error)):
                    raise self._unreachable(method, path, error) from error
                wait = backoff(attempt)
            self._pause(wait)
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def _comes_again(response: requests.Response, may_repeat: bool) -> bool:
        """Return whether to ask again: 429 is refused before anything is done, so it is always safe."""
        return response.status_code == 429 or (may_repeat and response.status_code in _AGAIN)

    def _redirected(
        self, method: str, url: str, body: Body | None, params: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> requests.Response:
        """Send, and follow redirects; the token stays behind as soon as one leads to another server."""
        credential = dict([self._credential]) if self._credential and _origin(url) == _origin(self.url) else {}
        for _ in range(_REDIRECTS + 1):
            response = self._session.request(
                method,
                url,
                params=params,
                data=body if body is None or len(body) else b"",
                headers={"Accept": "application/json", **headers, **credential},
                timeout=TIMEOUTS_S,
                allow_redirects=False,
                stream=True,
            )
            location = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not location:
                return response
            response.close()
            onward, params = urljoin(url, location), None
            self._check_redirect(method, response.status_code, url, onward)
            if _origin(onward) != _origin(url):
                credential = {}
            url = onward
        raise RepositoryError(f"{self.host}: redirects in a circle; check the address")

    def _check_redirect(self, method: str, status: int, url: str, onward: str) -> None:
        to = urlsplit(onward)
        if method not in ("GET", "HEAD") and (status not in (307, 308) or _origin(url) != _origin(onward)):
            where = f"{to.scheme}://{to.netloc}"
            raise RepositoryError(
                f"{self.host}: sends {method} on to {where}; correct the address in the configuration", status=status
            )
        if to.scheme not in ("http", "https") or (urlsplit(url).scheme == "https" and to.scheme == "http"):
            raise RepositoryError(f"{self.host}: redirects to an address without encryption; not followed")

    # ---- what went wrong

    def scrub(self, text: str) -> str:
        """Return text without the token and without any other secret of the environment."""
        for secret in [self._token, *secrets()]:
            text = text.replace(secret, "[removed]") if secret else text
        return " ".join(text.split())[:_WORDS_LIMIT]

    def _unreachable(self, method: str, path: str, error: Exception) -> NetworkError:
        if isinstance(error, requests.exceptions.SSLError):
            return NetworkError(f"{self.host}: its certificate is not trusted ({self.scrub(reason(error))})")
        advice = "check the address and the network, then repeat the command: it goes on where it stopped"
        return NetworkError(f"{self.host}: no answer to {method} {_path(path)} ({self.scrub(reason(error))}); {advice}")

    def _refusal(self, method: str, path: str, answer: Answer) -> RepositoryError | NetworkError:
        told, named = words(answer)
        said = f": {self.scrub(told)}" if told else ""
        where = f"{self.host}: {method} {_path(path)} got {answer.status}{said}"
        if answer.status in _AGAIN:
            return NetworkError(f"{where}; the server is busy or down, repeat the command later")
        advice = self._advice(answer.status)
        return RepositoryError(f"{where}{f'; {advice}' if advice else ''}", status=answer.status, field=named)

    def _advice(self, status: int) -> str:
        name = tokens.variable(self.url)
        if status in (401, 403) and not self.has_token:
            return f"put a token of {self.host} into {name}"
        if status in (401, 403):
            return f"if you may do this, the token in {name} is wrong, expired or has too few rights"
        known = {
            404: "it is not there, or not for this token",
            413: "the server takes no request as large as that",
            500: "a fault of the server; tell its people if it stays",
        }
        return known.get(status, "")


class _Json:
    """A JSON body."""

    def __init__(self, value: Any) -> None:
        self._data = json.dumps(value, ensure_ascii=False).encode()

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        yield self._data


def _as_stream(response: requests.Response) -> requests.Response:
    return response


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _path(path: str) -> str:
    """Return what of an address may be shown: a query can hold a signature."""
    return "/" + urlsplit(path).path.lstrip("/")
