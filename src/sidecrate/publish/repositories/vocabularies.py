# SPDX-License-Identifier: Apache-2.0
"""The vocabularies of an InvenioRDM server: whether it knows an id, and what it offers instead."""

from __future__ import annotations

import difflib
from typing import Any, Protocol
from urllib.parse import quote

from sidecrate.errors import SidecrateError
from sidecrate.publish.repositories.http import Http

_OWN_PLACE = ("funders", "affiliations")


class Vocabularies(Protocol):
    """What the mapping of metadata asks a server."""

    def knows(self, vocabulary: str, identifier: str) -> bool:
        """Return whether an id is in a vocabulary."""

    def nearest(self, vocabulary: str, text: str) -> list[str]:
        """Return the ids that come nearest to a text, best first."""


class ServerVocabularies:
    """The vocabularies as a server has them, each id asked for once.

    Parameters
    ----------
    http : Http
    """

    def __init__(self, http: Http) -> None:
        self._http = http
        self._known: dict[tuple[str, str], bool] = {}

    def knows(self, vocabulary: str, identifier: str) -> bool:
        """Return whether an id is in a vocabulary."""
        key = (vocabulary, identifier)
        if key not in self._known:
            path = f"{_place(vocabulary)}/{quote(identifier, safe='')}"
            self._known[key] = self._http.call("GET", path, allow=(400, 404)).status < 400
        return self._known[key]

    def nearest(self, vocabulary: str, text: str) -> list[str]:
        """Return the ids that come nearest to a text, best first; none when the server cannot search."""
        try:
            found = self._http.call("GET", _place(vocabulary), params={"suggest": text, "size": 20}, allow=(400,)).data
            ids = _ids(found) or _ids(self._http.call("GET", _place(vocabulary), params={"size": 200}).data)
        except SidecrateError:  # only advice
            return []
        return difflib.get_close_matches(text, ids, n=3, cutoff=0.0)


def _place(vocabulary: str) -> str:
    return f"api/{vocabulary}" if vocabulary in _OWN_PLACE else f"api/vocabularies/{vocabulary}"


def _ids(found: Any) -> list[str]:
    hits = found.get("hits", {}) if isinstance(found, dict) else {}
    listed = hits.get("hits", []) if isinstance(hits, dict) else []
    return [str(hit["id"]) for hit in listed if isinstance(hit, dict) and "id" in hit]
