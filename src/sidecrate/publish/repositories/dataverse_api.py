# SPDX-License-Identifier: Apache-2.0
"""Dataverse's API: the envelope of its answers, its release, and the locks on a dataset.

Its statuses follow exceptions of its code, not HTTP: 403 is "not allowed now" as often as "not allowed to you", and an
answer that is lost or broken says nothing about whether the request was carried out. `is_unsure` tells the two apart.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sidecrate.errors import NetworkError, RepositoryError
from sidecrate.publish.repositories.http import Http

Json = dict[str, Any]

OLDEST = (5, 6)  # before, there is no addFiles
PATIENCE_S = 900.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 15.0
_HEADER = "X-Dataverse-key"


class DataverseHttp(Http):
    """A Dataverse server: its token has a header of its own, and its 403 need not be about rights."""

    def __init__(self, url: str, token: str | None = None) -> None:
        super().__init__(url, token, header=lambda token: (_HEADER, token))

    def _advice(self, status: int) -> str:
        return "" if status == 403 and self.has_token else super()._advice(status)


class Api:
    """The API of one server.

    Parameters
    ----------
    http : DataverseHttp
    """

    def __init__(self, http: Http) -> None:
        self.http = http

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return what an answer holds in its envelope.

        Raises
        ------
        RepositoryError
            The server refuses.
        NetworkError
            No answer, or one that breaks off: whether the request was carried out has to be looked up.
        """
        return self._opened(method, path, self.http.call(method, f"api/{path}", **options).data)

    def look(self, path: str, absent: tuple[int, ...] = (404,), **options: Any) -> Any:
        """Return what is at a path, None when the server says one of the statuses `absent`."""
        answer = self.http.call("GET", f"api/{path}", allow=absent, **options)
        return None if answer.status >= 400 else self._opened("GET", path, answer.data)

    def _opened(self, method: str, path: str, answer: Any) -> Any:
        if not isinstance(answer, dict) or "status" not in answer:
            asked = f"{method} /api/{path.partition('?')[0]}"
            raise NetworkError(
                f"{self.http.host}: its answer to {asked} breaks off or is none of a Dataverse; repeat the command"
            )
        if "data" in answer:
            return answer["data"]
        return {"message": answer.get("message")}  # an opt-in flag of 6.12 moves it there

    # ---- what kind of server it is

    @cached_property
    def release(self) -> tuple[int, ...]:
        """Return the release as numbers: ``(6, 12)``.

        Raises
        ------
        RepositoryError
            It does not say, or is too old.
        """
        said = str(_of(self.ask("GET", "info/version"), "version"))
        numbers = re.match(r"v?(\d+(?:\.\d+)*)", said)
        release = tuple(int(part) for part in numbers[1].split(".")) if numbers else ()
        if release < OLDEST:
            needed = ".".join(map(str, OLDEST))
            raise RepositoryError(f"{self.http.host}: is Dataverse {said}; this needs {needed} or newer")
        return release

    @cached_property
    def fixity(self) -> str:
        """Return what the server hashes files with that come through it, such as ``MD5``."""
        said = _of(self.look("files/fixityAlgorithm"), "message")  # 5.14
        return str(said) if said else "MD5"

    # ---- locks

    def locks(self, dataset: int) -> dict[str, str]:
        """Return lock → what the server says of it."""
        found = self.ask("GET", f"datasets/{dataset}/locks")
        listed = found if isinstance(found, list) else []
        return {str(one.get("lockType")): str(one.get("message") or "") for one in listed if isinstance(one, dict)}

    def wait(self, dataset: int, patience_s: float | None = None) -> bool:
        """Wait until nothing but a review locks a dataset, and return whether there was anything to wait for.

        Raises
        ------
        RepositoryError
            It is locked until an administrator acts.
        NetworkError
            It is locked still.
        """
        began, pause = time.monotonic(), _FIRST_PAUSE_S
        patience = PATIENCE_S if patience_s is None else patience_s
        has_waited = False
        while locks := {kind: said for kind, said in self.locks(dataset).items() if kind != "InReview"}:
            if "FileValidationFailed" in locks:
                raise RepositoryError(
                    f"{self.http.host}: dataset {dataset} is locked, files failed its check "
                    f"({self.http.scrub(locks['FileValidationFailed'])}); only its people can unlock it: tell them"
                )
            if time.monotonic() - began > patience:
                raise StillLockedError(
                    f"{self.http.host}: dataset {dataset} is still locked by {', '.join(sorted(locks))} "
                    f"({self.http.scrub(' '.join(locks.values()))}); repeat the command later, "
                    "and ask its people to lift the lock if it stays"
                )
            has_waited = True
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)
        return has_waited


class StillLockedError(NetworkError):
    """A lock outlived the patience of this client."""


def is_unsure(error: Exception) -> bool:
    """Return whether a request may have been carried out although it failed."""
    if isinstance(error, RepositoryError):
        return error.status is None or error.status < 400 or error.status >= 500
    return True


def _of(found: Any, key: str) -> Any:
    return found.get(key) if isinstance(found, Mapping) else None
