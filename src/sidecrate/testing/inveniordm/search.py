# SPDX-License-Identifier: Apache-2.0
"""Searches: of what the index has heard of, which is what was there a second ago."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from sidecrate.testing.inveniordm import vocabularies
from sidecrate.testing.inveniordm.rendering import draft_json, record_json
from sidecrate.testing.inveniordm.server import DENIED, FakeInvenioRDM
from sidecrate.testing.inveniordm.state import Record
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer

Json = dict[str, Any]
WINDOW = 10_000


def note(server: FakeInvenioRDM, record: Record) -> None:
    """Tell the index of a change; it takes a while."""
    server.later(server.settings.index_seconds, lambda: _index(server, record))


def _index(server: FakeInvenioRDM, record: Record) -> None:
    if record.published is not None:
        server.index[record.id] = record_json(server, record)
    elif record.draft is not None:
        server.index[record.id] = draft_json(server, record, record.draft)
    else:
        server.index.pop(record.id, None)


def records(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return published records, of each the latest version unless ``allversions``."""
    found = [one for one in server.index.values() if one["is_published"]]
    if not request.flag("allversions"):
        found = [one for one in found if one["versions"]["is_latest"]]
    visible = [one for one in found if one["access"]["record"] == "public"]
    return page(server, request, _matching(visible, request))


def mine(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the asker's records, drafts too."""
    user = server.user(request)
    if user is None:
        raise RefusalError(403, DENIED)
    found = [one for one in server.index.values() if one["parent"]["access"]["owned_by"]["user"] == user]
    if request.param("is_published"):
        found = [one for one in found if one["is_published"] is request.flag("is_published")]
    return page(server, request, _matching(found, request))


def page(server: FakeInvenioRDM, request: Request, found: list[Json]) -> Answer:
    """Return one page of what was found."""
    number, size = int(request.param("page", "1")), int(request.param("size", "25"))
    if number * size > WINDOW and number > 1:
        raise RefusalError(400, "Invalid querystring parameters.")
    start = (number - 1) * size
    links = {"self": _link(server, request, number)}
    if start + size < len(found):
        links["next"] = _link(server, request, number + 1)
    hits = {"hits": found[start : start + size], "total": len(found)}
    sort = request.param("sort", "bestmatch" if request.param("q") else "newest")
    return json_answer({"hits": hits, "aggregations": {}, "sortBy": sort, "page": number, "links": links})


def _link(server: FakeInvenioRDM, request: Request, number: int) -> str:
    query = {name: values[0] for name, values in request.query.items() if name != "page"}
    return f"{server.url}{request.path}?{urlencode({**query, 'page': number})}"


def _matching(found: list[Json], request: Request) -> list[Json]:
    newest = sorted(found, key=lambda one: str(one["updated"]), reverse=True)
    return [one for one in newest if matches(one, request.param("q"))]


def matches(record: Json, query: str) -> bool:
    """Return whether a record matches ``path:"words"`` and bare words, all of them; a broken query is bare words."""
    terms = re.findall(r'(?:((?:[\w.]|\\.)+):)?(?:"([^"]*)"|([^\s"]+))', query)
    return all(_matches(record, path.replace("\\", ""), phrase or word) for path, phrase, word in terms)


def _matches(record: Json, path: str, words: str) -> bool:
    if words in ("AND", "*"):
        return True
    return words.lower() in _texts(_at(record, path) if path else record["metadata"]).lower()


def _at(value: Any, path: str) -> Any:
    """Return what stands at a dotted path, through lists; field names may hold dots' escapes such as ``rig:x``."""
    for name in path.split("."):
        if isinstance(value, list):
            value = [one.get(name) for one in value if isinstance(one, dict)]
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def _texts(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(_texts(one) for one in value.values())
    if isinstance(value, list):
        return " ".join(_texts(one) for one in value)
    return "" if value is None else str(value)


# ------------------------------------------------------------------------------------------------- vocabularies


def vocabulary(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the terms of a vocabulary that match ``q`` or ``suggest``."""
    terms = server.terms.get(_name(request))
    if terms is None:
        raise RefusalError(404, "The persistent identifier does not exist.")
    words = request.param("suggest") or request.param("q")
    return page(server, request, vocabularies.search(terms, words))


def term(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return one term."""
    terms = server.terms.get(_name(request), {})
    if request.params["term"] not in terms:
        raise RefusalError(404, "The persistent identifier does not exist.")
    return json_answer(terms[request.params["term"]])


def _name(request: Request) -> str:
    """Return the vocabulary a path names: the large ones have an address of their own."""
    return request.params.get("vocabulary") or request.path.removeprefix("/api/").partition("/")[0]
