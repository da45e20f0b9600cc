# SPDX-License-Identifier: Apache-2.0
"""The fake InvenioRDM: its users, what they may, and what every answer carries."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sidecrate.testing.inveniordm.settings import Settings
from sidecrate.testing.inveniordm.state import Content, Record, World
from sidecrate.testing.inveniordm.vocabularies import stock
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer
from sidecrate.testing.server import FakeServer, Service

DENIED = "Permission denied."
CRASH = (
    "The server encountered an internal error and was unable to complete your request. Either the server is overloaded "
    "or there is an error in the application."
)
WINDOW_SECONDS = 60.0


class FakeInvenioRDM(FakeServer):
    """An InvenioRDM 14 on loopback that behaves as the real one was seen to do, for testing deposit clients offline.

    Parameters
    ----------
    **settings
        Attributes of `Settings`.

    Attributes
    ----------
    url, token : str
        Where it is (the API is below ``/api``), and the token of a depositor.
    stranger_token, admin_token : str
        Another user; a superuser, who may set quotas and accept reviews.
    settings : Settings
        May be changed while it runs.
    world : World
        What it holds; look under ``server.lock``.
    terms : dict
        The vocabularies: name → id → term.
    index : dict of str to dict
        What searches see; behind the world by `Settings.index_seconds`.

    Examples
    --------
    >>> with FakeInvenioRDM() as server:  # doctest: +SKIP
    ...     deposit(server.url, server.token)
    ...     assert server.journal.find("POST", "/api/records")
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = Settings(**settings)
        self.world = World()
        self.terms = stock()
        self.index: dict[str, dict[str, Any]] = {}
        self.token, self.stranger_token, self.admin_token = (secrets.token_urlsafe(30) for _ in range(3))
        self._users = {self.token: "1", self.stranger_token: "2", self.admin_token: "admin"}
        self.tokens = set(self._users)
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._api = InvenioRDMService(self)

    @property
    def url(self) -> str:
        """Return the address, without ``/api``."""
        return self._api.url

    def services(self) -> list[Service]:
        """Return the API."""
        return [self._api]

    def user(self, request: Request) -> str | None:
        """Return who asks; a wrong token is nobody."""
        kind, _, token = (request.headers.get("Authorization") or "").partition(" ")
        found = token if kind == "Bearer" else request.param("access_token")
        return self._users.get(found)

    def may_edit(self, request: Request, record: Record) -> bool:
        """Return whether the asker owns a record, or all of them."""
        return self.user(request) in (record.owner, "admin")

    def owned(self, request: Request) -> Record:
        """Return the record in the path, for its owner.

        Raises
        ------
        RefusalError
            404, 403.
        """
        record = self.world.find(request.params["id"])
        if not self.may_edit(request, record):
            raise RefusalError(403, DENIED)
        return record

    def draft(self, request: Request) -> tuple[Record, Content]:
        """Return the draft in the path, for its owner.

        Raises
        ------
        RefusalError
            404 when there is none, 403.
        """
        record = self.owned(request)
        if record.draft is None:
            raise RefusalError(404, "The persistent identifier does not exist.")
        return record, record.draft

    def count_call(self, request: Request) -> tuple[int, int, float]:
        """Return limit, what is left of it, and the seconds until it begins anew, for an address and a User-Agent."""
        agent = (request.headers.get("User-Agent") or "", str(self.user(request) is None))
        began, calls = self._windows.get(agent, (0.0, 0))
        if time.monotonic() - began >= WINDOW_SECONDS:
            began, calls = time.monotonic(), 0
        self._windows[agent] = (began, calls + 1)
        limit = self.settings.guest_calls if self.user(request) is None else self.settings.user_calls
        return limit, limit - calls - 1, WINDOW_SECONDS - (time.monotonic() - began)


class InvenioRDMService(Service):
    """The API port."""

    def __init__(self, owner: FakeInvenioRDM) -> None:
        super().__init__(owner)
        from sidecrate.testing.inveniordm.table import ROUTES  # the routes need this module

        self.routes = ROUTES
        self.invenio = owner

    def early(self, request: Request) -> Answer | None:
        """Refuse a body that is too large before it is read."""
        if (request.body_bytes or 0) > self.invenio.settings.max_body_bytes:
            return json_answer(
                {"message": "The data value transmitted exceeds the capacity limit.", "status": 413}, 413
            )
        return None

    def serve(self, request: Request) -> Answer:
        """Return the answer with the headers of the rate limit, ``Retry-After`` on each of them."""
        with self.owner.lock:
            limit, left, seconds = self.invenio.count_call(request)
        if left < 0:
            answer = json_answer({"message": f"{limit} per 1 minute", "status": 429}, 429)
        else:
            answer = super().serve(request)
        answer.headers |= {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(left, 0)),
            "X-RateLimit-Reset": str(int(time.time() + seconds)),
            "Retry-After": str(int(seconds)),
        }
        return answer
