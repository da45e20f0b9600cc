# SPDX-License-Identifier: Apache-2.0
"""Drafts: made, changed, deleted; the DOI reserved and released."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sidecrate.testing.inveniordm import customfields, metadata, search
from sidecrate.testing.inveniordm.identifiers import Errors, error
from sidecrate.testing.inveniordm.rendering import draft_json
from sidecrate.testing.inveniordm.server import CRASH, DENIED, FakeInvenioRDM
from sidecrate.testing.inveniordm.state import Content, Parent, Record, now
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer

Json = dict[str, Any]
OPEN = {"record": "public", "files": "public", "embargo": {"active": False, "reason": None}}


def invalid(*errors: Json) -> RefusalError:
    """Return the refusal that lists fields."""
    return RefusalError(400, "A validation error occurred.", errors=list(errors))


def create(server: FakeInvenioRDM, request: Request) -> Answer:
    """Make a draft; bad values are dropped and reported with 201."""
    user = server.user(request)
    if user is None:
        raise RefusalError(403, DENIED)
    body = read_body(request)
    content, errors = _content(server, body, {})
    parent = Parent(server.world.new_id())
    record = Record(server.world.new_id(), parent, user, 1, content)
    parent.records.append(record)
    server.world.records[record.id], server.world.parents[parent.id] = record, parent
    return answer(server, record, 201, errors)


def read_body(request: Request) -> Json:
    """Return the body of a draft.

    Raises
    ------
    RefusalError
        415, 400, and 500 for a list.
    """
    if request.content_type not in ("", "application/json"):
        raise RefusalError(415, "Invalid 'Content-Type' header. Expected one of: application/json")
    body = read_json(request)
    if not body:
        return {}
    if not isinstance(body, dict):
        raise RefusalError(500, CRASH)
    return body


def read_json(request: Request) -> Any:
    """Return the body, None when there is none.

    Raises
    ------
    RefusalError
        400.
    """
    try:
        return request.json() if request.data() else None
    except ValueError as wrong:
        raise RefusalError(400, "Unable to decode JSON data in request body.") from wrong


def _content(server: FakeInvenioRDM, body: Json, pids: Json) -> tuple[Content, Errors]:
    """Return what is kept of a body, and what is wrong with it; reserved `pids` stay where it names none."""
    access, access_errors = _access(body.get("access"))
    kept, errors = metadata.read(body.get("metadata", {}))
    metadata.check_terms(kept, server.terms)
    fields, field_errors = customfields.read(body.get("custom_fields", {}), server.settings.custom_fields)
    pids, pid_errors = _pids(server, body.get("pids", pids))
    has_files = bool(body.get("files", {}).get("enabled", True))
    return Content(kept, fields, access, pids, has_files), [*errors, *field_errors, *access_errors, *pid_errors]


def _access(given: Json | None) -> tuple[Json, Errors]:
    if given is None:
        return dict(OPEN), []
    for key in ("record", "files"):
        if key not in given:
            raise invalid(error("access", f"'{key}'"))
    embargo = {"active": False, "reason": None, **given.get("embargo", {})}
    errors: Errors = []
    if embargo["active"] and str(embargo.get("until", "")) <= datetime.now(UTC).date().isoformat():
        errors = [error("access.embargo.until", "Embargo end date must be set to a future date.")]
    return {"record": given["record"], "files": given["files"], "embargo": embargo}, errors


def _pids(server: FakeInvenioRDM, pids: Json) -> tuple[Json, Errors]:
    doi = pids.get("doi", {})
    prefix = server.settings.doi_prefix
    if doi.get("provider") == "external" and str(doi.get("identifier", "")).startswith(f"{prefix}/"):
        words = (
            f"The prefix '{prefix}' is managed by InvenioRDM. Please supply an external DOI or select 'No' to "
            "have a DOI generated for you."
        )
        return pids, [error("pids.doi", words)]
    return pids, []


def answer(server: FakeInvenioRDM, record: Record, status: int, errors: Errors | None = None) -> Answer:
    """Return a draft, with ``errors`` only when there are some; the search index hears of it."""
    if record.draft is None:
        raise ValueError("no draft")
    search.note(server, record)
    shown = draft_json(server, record, record.draft)
    if errors:
        shown["errors"] = errors
    return json_answer(shown, status, {"ETag": f'"{record.draft.revision}"'})


def show(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return a draft."""
    record, _ = server.draft(request)
    return answer(server, record, 200)


def replace(server: FakeInvenioRDM, request: Request) -> Answer:
    """Replace all metadata of a draft; a reserved DOI stays."""
    record, draft = server.draft(request)
    _check_revision(request, draft)
    new, errors = _content(server, read_body(request), draft.pids)
    draft.metadata, draft.custom_fields = new.metadata, new.custom_fields
    draft.access, draft.pids, draft.has_files = new.access, new.pids, new.has_files
    draft.touch()
    return answer(server, record, 200, errors)


def _check_revision(request: Request, draft: Content) -> None:
    given = request.headers.get("If-Match")
    if given is None:
        return
    if not given.isdecimal():
        raise invalid(error("if_match", "Not a valid integer."))
    if int(given) != draft.revision:
        raise RefusalError(412, f"Revision id provided({given}) doesn't match record's one({draft.revision})")


def delete(server: FakeInvenioRDM, request: Request) -> Answer:
    """Delete a draft; of an edit the published record stays."""
    record, _ = server.draft(request)
    record.draft = record.review = None
    if record.published is None:
        del server.world.records[record.id]
        record.parent.records.remove(record)
    search.note(server, record)
    return Answer(204)


def reserve_doi(server: FakeInvenioRDM, request: Request) -> Answer:
    """Reserve the DOI."""
    return _change_doi(server, request, 201, lambda record, draft: draft.pids.update(doi=new_doi(server, record.id)))


def release_doi(server: FakeInvenioRDM, request: Request) -> Answer:
    """Give a reserved DOI back."""
    return _change_doi(server, request, 200, lambda _, draft: draft.pids.pop("doi"))


def _change_doi(
    server: FakeInvenioRDM, request: Request, status: int, change: Callable[[Record, Content], object]
) -> Answer:
    record, draft = server.draft(request)
    if ("doi" in draft.pids) is (status == 201):
        words = "A PID already exists for type doi" if status == 201 else "No PID found for type doi"
        raise invalid(error("pids.doi", words))
    draft.pids = dict(draft.pids)
    change(record, draft)
    draft.touch()
    return answer(server, record, status)


def new_doi(server: FakeInvenioRDM, identifier: str) -> Json:
    """Return a DOI of the instance."""
    return {"identifier": f"{server.settings.doi_prefix}/{identifier}", "provider": "datacite", "client": "datacite"}


def edit(server: FakeInvenioRDM, request: Request) -> Answer:
    """Open what is published for an edit, or return the draft there is; its files are locked."""
    record = server.owned(request)
    if record.draft is None and record.published is not None:
        record.draft = record.published.copy()
        record.draft.updated = now()
    return answer(server, record, 201)
