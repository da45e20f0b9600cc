# SPDX-License-Identifier: Apache-2.0
"""Records and drafts of an InvenioRDM server: found before they are made, so that a lost answer makes no second one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sidecrate.errors import NetworkError, RepositoryError
from sidecrate.publish.memory import Memory
from sidecrate.publish.repositories.base import Receipt
from sidecrate.publish.repositories.http import Http

Json = dict[str, Any]

_INDEXED_S = 12.0  # a new draft shows in searches after a second or so
_OWN_ACCESS = ("record", "files", "embargo")


class Drafts:
    """The records of one server.

    Parameters
    ----------
    http : Http
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    # ---- looking

    def record(self, record: str) -> Json | None:
        """Return a published record, None when there is none of that id."""
        return _object(self._http.call("GET", _at(record), allow=(404,)).data, "id")

    def draft(self, record: str) -> Json | None:
        """Return a draft, None when there is none of that id."""
        found = _object(self._http.call("GET", f"{_at(record)}/draft", allow=(404,)).data, "id")
        return found if found and not found.get("is_published") else None

    def latest(self, parent: str) -> Json | None:
        """Return the newest published version of a record, by the id all versions share."""
        return _object(self._http.call("GET", f"{_at(parent)}/versions/latest", allow=(404,)).data, "id")

    def find(self, identifier: str, *, wait_s: float = 0.0) -> Json | None:
        """Return the user's own draft, or record, that holds an identifier, looked for until it shows in searches."""
        end = time.monotonic() + wait_s
        while True:
            for hit in self._search(f'metadata.identifiers.identifier:"{identifier}"') or self._search(
                f'"{identifier}"'
            ):
                named = hit.get("metadata", {}).get("identifiers", [])
                if identifier in [one.get("identifier") for one in named]:
                    return hit
            if time.monotonic() >= end:
                return None
            time.sleep(0.5)

    def _search(self, query: str) -> list[Json]:
        found = self._http.call("GET", "api/user/records", params={"q": query, "size": 25, "sort": "newest"}).data
        hits = found.get("hits", {}).get("hits", []) if isinstance(found, dict) else []
        return [hit for hit in hits if isinstance(hit, dict)]

    # ---- making

    def place(self, body: Mapping[str, Any], identifier: str, earlier: Receipt | None, memory: Memory) -> Json:
        """Return the draft of the next version; one is made only when there is none.

        Parameters
        ----------
        body : mapping
            Metadata of a record that has to be made.
        identifier : str
            Of the project; every record of it holds it.
        earlier : Receipt, optional
            The newest one of this project on this server.
        memory : Memory

        Raises
        ------
        RepositoryError, NetworkError
        """
        known = memory.get("record") or (earlier.record if earlier else None)
        if known is not None and (found := self.draft(known) or self._next_version(known)):
            return self._noted(found, memory)
        began = memory.get("creating", False)
        found = self.find(identifier, wait_s=_INDEXED_S if began else 0.0)
        if found is not None:
            draft = self.draft(found["id"]) or self._next_version(found["id"])
            if draft is not None:
                return self._noted(draft, memory)
        memory.set(creating=True)
        return self._noted(self._create(body, identifier), memory)

    def _create(self, body: Mapping[str, Any], identifier: str) -> Json:
        try:
            made = self._http.call("POST", "api/records", json={"metadata": body, "files": {"enabled": True}}).data
        except NetworkError:
            found = self.find(identifier, wait_s=_INDEXED_S)
            made = self.draft(found["id"]) if found else None
            if made is None:
                raise
        return self._must(made, "a new draft")

    def _next_version(self, record: str) -> Json | None:
        """Return the draft of the version after a published one; asked twice the server gives the same."""
        published = self.record(record)
        if published is None:
            return None
        latest = self.latest(published["parent"]["id"]) or published
        made = self._http.call("POST", f"{_at(latest['id'])}/versions", repeat=True).data
        return self._must(made, "the draft of a new version")

    @staticmethod
    def _noted(draft: Json, memory: Memory) -> Json:
        memory.set(record=draft["id"], creating=None)
        return draft

    def _must(self, found: Any, what: str) -> Json:
        if not isinstance(found, dict) or "id" not in found or "parent" not in found:
            raise RepositoryError(f"{self._http.host}: gives {what} without an id; is it an InvenioRDM server?")
        return found

    # ---- changing

    def describe(self, draft: Json, body: Mapping[str, Any]) -> Json:
        """Replace the metadata of a draft; who may see it and fields of the server's own stay as they are."""
        access = {key: value for key, value in draft.get("access", {}).items() if key in _OWN_ACCESS}
        kept: Json = {"access": access} if access else {}
        if draft.get("custom_fields"):
            kept["custom_fields"] = _as_written(draft["custom_fields"])
        whole = {"metadata": body, "files": {"enabled": True}, **kept}
        return self._must(self._http.call("PUT", f"{_at(draft['id'])}/draft", json=whole).data, "back a draft")

    def reserve(self, draft: Json) -> Json:
        """Return a draft with a DOI, if the server gives one before publication."""
        if draft.get("pids", {}).get("doi"):
            return draft
        link = f"{_at(draft['id'])}/draft/pids/doi"
        try:
            self._http.call("POST", link, allow=(403, 404, 405))
        except RepositoryError as error:
            if error.field != "pids.doi":  # it is there: the answer to an earlier request was lost
                raise
        except NetworkError:
            pass  # looked at below
        return self._must(self.draft(draft["id"]), "no draft")

    def keep_files(self, draft: Json) -> None:
        """Take over the files of the version before, unless the draft has files."""
        self._http.call("POST", f"{_at(draft['id'])}/draft/actions/files-import", allow=(400,), repeat=True)

    def publish(self, record: str) -> Json:
        """Publish a draft; after a lost answer it is looked whether it was."""
        try:
            self._http.call("POST", f"{_at(record)}/draft/actions/publish")
        except (NetworkError, RepositoryError):
            if self.record(record) is None:
                raise
        return self._must(self.record(record), "no record after publishing")


def _at(record: str) -> str:
    return f"api/records/{quote(record, safe='')}"


def _object(data: Any, key: str) -> Json | None:
    return data if isinstance(data, dict) and key in data else None


def _as_written(value: Any) -> Any:
    """Return what a server read out in the form it takes in: of a vocabulary entry the id alone."""
    if isinstance(value, dict):
        is_entry = "id" in value and "title" in value
        return {"id": value["id"]} if is_entry else {key: _as_written(one) for key, one in value.items()}
    return [_as_written(one) for one in value] if isinstance(value, list) else value


def doi_of(record: Mapping[str, Any]) -> str | None:
    """Return the DOI of a draft, a record or what all versions share, None when it has none."""
    found = record.get("pids", {}).get("doi", {}).get("identifier")
    return str(found) if found else None
