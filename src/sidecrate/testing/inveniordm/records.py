# SPDX-License-Identifier: Apache-2.0
"""Published records: publication, versions, reviews by a community, reading."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from sidecrate.testing.inveniordm import drafts, metadata, search
from sidecrate.testing.inveniordm.drafts import invalid, read_json
from sidecrate.testing.inveniordm.files import archive, content_answer
from sidecrate.testing.inveniordm.identifiers import error
from sidecrate.testing.inveniordm.rendering import entry_json, listing, record_json
from sidecrate.testing.inveniordm.server import DENIED, FakeInvenioRDM
from sidecrate.testing.inveniordm.state import Content, Entry, Record, now
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer

PENDING = "One or more files have not completed their transfer, please wait."
NO_FILES = "Missing uploaded files. To disable files for this record please mark it as metadata-only."


def publish(server: FakeInvenioRDM, request: Request) -> Answer:
    """Publish a draft: 202, with DOIs for it and for all versions."""
    record = server.owned(request)
    if record.draft is None:
        raise RefusalError(404, "Not found.")
    if record.review is not None:
        raise invalid(error("review", "This draft has an open review; it is published when the review is accepted."))
    _publish(server, record, record.draft)
    return json_answer(record_json(server, record), 202)


def _publish(server: FakeInvenioRDM, record: Record, draft: Content) -> None:
    if errors := metadata.missing(draft.metadata):
        raise invalid(*errors)
    if any(not entry.is_complete for entry in draft.entries.values()):
        raise invalid(error("files", PENDING))
    if draft.has_files and not draft.entries:
        raise invalid(error("files.enabled", NO_FILES))
    if not draft.has_files and not server.settings.allows_metadata_only:
        raise invalid(error("files.enabled", "Metadata-only records are not allowed."))
    _mint(server, record, draft)
    if record.published is not None:
        draft.created, draft.revision = record.published.created, record.published.revision + 1
    draft.updated = now()
    record.published, record.draft = draft, None
    for one in record.parent.records:
        search.note(server, one)


def _mint(server: FakeInvenioRDM, record: Record, draft: Content) -> None:
    """Give DOI, OAI id and concept DOI; registration at DataCite is a task whose failure nobody is told of."""
    draft.pids.setdefault("doi", drafts.new_doi(server, record.id))
    draft.pids["oai"] = {"identifier": f"oai:fake.test:{record.id}", "provider": "oai"}
    if draft.pids["doi"]["provider"] != "external":
        record.parent.pids.setdefault("doi", drafts.new_doi(server, record.parent.id))


def new_version(server: FakeInvenioRDM, request: Request) -> Answer:
    """Make a draft of the next version without files, version and DOI; asked again, the same one."""
    record = server.owned(request)
    latest = record.parent.latest
    if latest is None or latest.published is None:
        raise RefusalError(404, "The persistent identifier is not registered.")
    last = record.parent.records[-1]
    if last.published is not None:
        content = latest.published.copy()
        content.entries, content.pids, content.revision = {}, {}, 5
        content.metadata.pop("version", None)
        content.metadata["publication_date"] = datetime.now(UTC).date().isoformat()
        last = Record(server.world.new_id(), record.parent, record.owner, latest.index + 1, content)
        record.parent.records.append(last)
        server.world.records[last.id] = last
    return drafts.answer(server, last, 201)


# ------------------------------------------------------------------------------------------------------ reading


def _published(server: FakeInvenioRDM, request: Request) -> tuple[Record, Content]:
    """Return the published record in the path, for those who may see it."""
    record = server.world.find(request.params["id"])
    if record.published is None:
        raise RefusalError(404, "The persistent identifier is not registered.")
    if record.published.access["record"] == "restricted" and not server.may_edit(request, record):
        raise RefusalError(403, DENIED)
    return record, record.published


def _may_read_files(server: FakeInvenioRDM, request: Request, record: Record, content: Content) -> bool:
    return content.access["files"] == "public" or server.may_edit(request, record)


def show(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return a record; the id of all versions leads to the latest."""
    parent = server.world.parents.get(request.params["id"])
    if parent is not None and parent.latest is not None:
        return Answer(302, headers={"Location": f"/api/records/{parent.latest.id}"})
    record, content = _published(server, request)
    shown = record_json(server, record, _may_read_files(server, request, record, content))
    return json_answer(shown, 200, {"ETag": f'"{content.revision}"'})


def delete(server: FakeInvenioRDM, request: Request) -> Answer:
    """Refuse to delete what is published."""
    _published(server, request)
    raise RefusalError(403, DENIED)


def latest(server: FakeInvenioRDM, request: Request) -> Answer:
    """Lead to the latest version."""
    record, _ = _published(server, request)
    newest = record.parent.latest or record
    location = f"{server.url}/api/records/{newest.id}"
    body = {"status": 301, "message": "Redirecting...", "location": location}
    return json_answer(body, 301, {"Location": location})


def versions(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the published versions that the search index knows."""
    record = server.world.find(request.params["id"])
    found = [one for one in server.index.values() if one["parent"]["id"] == record.parent.id and one["is_published"]]
    return search.page(server, request, sorted(found, key=lambda one: -int(one["versions"]["index"])))


def _file(server: FakeInvenioRDM, request: Request) -> tuple[Record, Entry]:
    record, content = _published(server, request)
    if not _may_read_files(server, request, record, content):
        raise RefusalError(403, DENIED)
    key = request.params["key"]
    if key not in content.entries:
        raise RefusalError(404, f"Record '{record.id}' has no file '{key}'.")
    return record, content.entries[key]


def _address(server: FakeInvenioRDM, record: Record) -> str:
    return f"{server.url}/api/records/{record.id}"


def show_files(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the files of a record."""
    record, content = _published(server, request)
    if not _may_read_files(server, request, record, content):
        raise RefusalError(403, DENIED)
    return json_answer(listing(_address(server, record), content))


def show_file(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return a file of a record."""
    record, entry = _file(server, request)
    return json_answer(entry_json(_address(server, record), entry))


def read_content(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the bytes of a file."""
    return content_answer(_file(server, request)[1])


def read_archive(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the files of a record as one zip."""
    record, content = _published(server, request)
    if not _may_read_files(server, request, record, content):
        raise RefusalError(403, DENIED)
    return archive(server, content)


# ------------------------------------------------------------------------------------------------------ reviews


def put_review(server: FakeInvenioRDM, request: Request) -> Answer:
    """Choose the community that is to review a draft."""
    record, _ = server.draft(request)
    body = read_json(request) or {}
    community = body.get("receiver", {}).get("community", "")
    if community not in server.world.communities:
        raise invalid(error("receiver.community", f"Community {community} does not exist."))
    review = {"id": str(uuid.uuid4()), "receiver": {"community": community}, "is_open": False}
    record.review = {**review, "type": body.get("type", "community-submission"), "status": "created"}
    return json_answer(record.review)


def submit_review(server: FakeInvenioRDM, request: Request) -> Answer:
    """Hand a draft to its community."""
    record, _ = server.draft(request)
    if record.review is None:
        raise RefusalError(404, "Review not found.")
    record.review |= {"is_open": True, "status": "submitted"}
    return json_answer(record.review, 202)


def accept(server: FakeInvenioRDM, request: Request) -> Answer:
    """Accept a review, which publishes the draft; curators only."""
    found = [
        one for one in server.world.records.values() if one.review and one.review["id"] == request.params["review"]
    ]
    if not found or found[0].review is None or found[0].draft is None:
        raise RefusalError(404, "The persistent identifier does not exist.")
    if server.user(request) != "admin":
        raise RefusalError(403, DENIED)
    record, review = found[0], found[0].review
    _publish(server, record, found[0].draft)
    record.review = None
    return json_answer({**review, "is_open": False, "status": "accepted"})
