# SPDX-License-Identifier: Apache-2.0
"""One InvenioRDM to test, the fake or a real one, and the little of a client that the tests need."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import requests

from sidecrate.testing import FakeInvenioRDM

OCTETS = {"Content-Type": "application/octet-stream"}
Json = dict[str, Any]


class Site:
    """An InvenioRDM.

    Attributes
    ----------
    me, stranger, nobody, admin : requests.Session
        The depositor, another user, somebody without a token, a superuser (None where there is no token for one).
    fake : FakeInvenioRDM or None
        None when it is a real one.
    """

    def __init__(self, url: str, tokens: list[str | None], fake: FakeInvenioRDM | None = None) -> None:
        self.api = f"{url.rstrip('/')}/api"
        self.fake = fake
        self.agent = f"sidecrate-tests/{uuid.uuid4().hex[:8]}"  # the rate limit counts per address and User-Agent
        self.me, self.stranger, self.admin = (self._session(token) for token in tokens)
        self.nobody = self._session("")

    def _session(self, token: str | None) -> requests.Session:
        session = requests.Session()
        session.headers["User-Agent"] = self.agent
        if token:
            session.headers["Authorization"] = f"Bearer {token}"
        return session

    def eventually(self, what: Callable[[], Any]) -> Any:
        """Return the first true value of `what`: at once on the fake, in 15 s on a real one."""
        if self.fake is not None:
            self.fake.hurry()
        end = time.monotonic() + 15
        while not (found := what()):
            assert self.fake is None and time.monotonic() < end, "it did not come"
            time.sleep(0.3)
        return found

    def create(self, body: Json | None = None, **more: Any) -> Json:
        given = body if body is not None else {"metadata": metadata(), "files": {"enabled": True}, **more}
        answer = self.me.post(f"{self.api}/records", json=given)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def start(self, draft: Json, *entries: Json) -> requests.Response:
        return self.me.post(draft["links"]["files"], json=list(entries))

    def entry(self, draft: Json, key: str) -> Json:
        entries = self.me.get(draft["links"]["files"]).json()["entries"]
        return next(one for one in entries if one["key"] == key)

    def put(self, url: str, content: bytes, **headers: str) -> requests.Response:
        return self.me.put(url, data=content, headers={**OCTETS, **headers})

    def upload(self, draft: Json, key: str, content: bytes) -> Json:
        assert self.start(draft, {"key": key}).status_code == 201
        links = self.entry(draft, key)["links"]
        assert self.put(links["content"], content).status_code == 200
        answer = self.me.post(links["commit"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    def publish(self, draft: Json) -> requests.Response:
        return self.me.post(draft["links"]["publish"])

    def published(self, draft: Json) -> Json:
        answer = self.publish(draft)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def deposit(self, **contents: bytes) -> Json:
        draft = self.create()
        for key, content in (contents or {"a": b"abc"}).items():
            self.upload(draft, key, content)
        return self.published(draft)

    def drop(self, draft: Json) -> None:
        assert self.me.delete(f"{self.api}/records/{draft['id']}/draft").status_code == 204


def metadata(**changed: Any) -> Json:
    """Return metadata that can be published; None takes a field out."""
    person = {"type": "personal", "given_name": "Josiah", "family_name": "Carberry"}
    whole = {
        "resource_type": {"id": "dataset"},
        "title": "Nuclear pores of one cell",
        "publication_date": "2026-11-22",
        "publisher": "The tests",
        "version": "1",
        "creators": [{"person_or_org": person}],
        **changed,
    }
    return {key: value for key, value in whole.items() if value is not None}


def bad_fields(answer: Json) -> dict[str, str]:
    """Return field → messages of an ``errors`` list."""
    return {one["field"]: " ".join(one["messages"]) for one in answer.get("errors", [])}
