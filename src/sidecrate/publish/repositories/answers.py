# SPDX-License-Identifier: Apache-2.0
"""What a server answers, or fails to: read without trust, and how long to wait before asking again."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from sidecrate.errors import RepositoryError
from sidecrate.store import BLOCK

_ANSWER_LIMIT = 64 << 20
_LONGEST_PAUSE_S = 600.0


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes
    ----------
    status : int
    data : object
        The parsed JSON; None when it was empty or no JSON.
    text : str
        The body as text, as far as it was read.
    headers : mapping of str to str
        Any case.
    """

    status: int
    data: Any
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def read(response: requests.Response) -> Answer:
    """Read an answer without trust: not more than a limit, and JSON only if it is JSON."""
    found = bytearray()
    with response:
        for block in response.iter_content(BLOCK):
            found += block
            if len(found) > _ANSWER_LIMIT:
                raise RepositoryError(f"{urlsplit(response.url).netloc}: its answer has no end; check the address")
    text = found.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    return Answer(response.status_code, data, text, response.headers)


def is_page(answer: Answer) -> bool:
    """Return whether an answer is a web page, as a proxy or a log-in sends one."""
    kind, text = answer.headers.get("Content-Type", "").lower(), answer.text.lstrip()[:14].lower()
    return bool(text) and ("html" in kind or text.startswith(("<!doctype html", "<html")))


def words(answer: Answer) -> tuple[str, str | None]:
    """Return the server's own words and the first field they name; of a web page its title only."""
    data = answer.data
    if not isinstance(data, dict):
        title = re.search(r"<title[^>]*>([^<]*)", answer.text, re.IGNORECASE) if is_page(answer) else None
        return (title[1] if title else "" if is_page(answer) else answer.text), None
    message = str(data.get("message") or data.get("error") or "")
    errors = [error for error in data.get("errors") or () if isinstance(error, dict)]
    fields = [str(error.get("field", "")) for error in errors]
    lines = [f"{name}: {_joined(error.get('messages'))}" for name, error in zip(fields, errors, strict=True)]
    return " ".join([message, "; ".join(lines)]).strip(), next(iter(fields), None)


def _joined(messages: object) -> str:
    return " ".join(str(one) for one in messages) if isinstance(messages, list) else str(messages or "")


def reason(error: BaseException) -> str:
    """Return the innermost reason of a broken connection; the outer ones repeat addresses and classes."""
    innermost = error
    while (inner := innermost.__cause__ or innermost.__context__) is not None:
        innermost = inner
    if isinstance(innermost, OSError) and innermost.strerror:
        return innermost.strerror
    return re.sub(r"^.*?: ", "", str(innermost)) or type(error).__name__


def was_never_sent(error: Exception) -> bool:
    """Return whether not even a connection was made."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, urllib3.exceptions.NewConnectionError | requests.ConnectTimeout):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def backoff(attempt: int) -> float:
    """Return seconds to wait after the n-th attempt: doubling, with jitter, a minute at most."""
    return min(60.0, 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311  (no secret is made of it)


def asked_pause(response: requests.Response) -> float | None:
    """Return what `Retry-After` asks for; some servers send it with every answer, so only with 429 and 503."""
    value = response.headers.get("Retry-After", "").strip()
    if response.status_code not in (429, 503) or not value:
        return None
    if value.isdecimal():
        return min(float(value) + random.uniform(0, 0.5), _LONGEST_PAUSE_S)  # noqa: S311
    try:
        left = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(left, 0.1), _LONGEST_PAUSE_S)
