# SPDX-License-Identifier: Apache-2.0
"""Records, drafts and files as InvenioRDM's JSON."""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from sidecrate.testing.inveniordm import metadata
from sidecrate.testing.inveniordm.server import FakeInvenioRDM
from sidecrate.testing.inveniordm.state import Content, Entry, Record

Json = dict[str, Any]


def draft_json(server: FakeInvenioRDM, record: Record, content: Content) -> Json:
    """Return a draft."""
    status = "draft" if record.published else ("new_version_draft" if record.index > 1 else "draft")
    shown = _common(server, record, content, f"{_base(server, record)}/draft")
    return {
        **shown,
        "is_published": record.published is not None,
        "is_draft": True,
        "expires_at": (content.updated + timedelta(days=30)).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "status": status if record.review is None else "in_review",
    }


def record_json(server: FakeInvenioRDM, record: Record, shows_files: bool = True) -> Json:
    """Return a published record; of embargoed or restricted files nothing is shown."""
    if record.published is None:
        raise ValueError("not published")
    shown = _common(server, record, record.published, _base(server, record))
    if not shows_files:
        shown["files"] = {"enabled": True}
    return {**shown, "is_published": True, "is_draft": False, "status": "published"}


def _base(server: FakeInvenioRDM, record: Record) -> str:
    return f"{server.url}/api/records/{record.id}"


def _common(server: FakeInvenioRDM, record: Record, content: Content, address: str) -> Json:
    latest = record.parent.latest
    return {
        "id": record.id,
        "created": content.created.isoformat(),
        "updated": content.updated.isoformat(),
        "links": _links(server, record, content, address),
        "revision_id": content.revision,
        "parent": {
            "id": record.parent.id,
            "access": {"grants": [], "owned_by": {"user": record.owner}, "links": []},
            "communities": {},
            "pids": record.parent.pids,
        },
        "versions": {
            "is_latest": latest is record,
            "is_latest_draft": record.parent.records[-1] is record,
            "index": record.index,
        },
        "pids": content.pids,
        "metadata": metadata.shown(content.metadata, server.terms),
        "custom_fields": content.custom_fields,
        "access": {**content.access, "status": access_status(content)},
        "files": _files(content),
        "media_files": {"enabled": False, "order": [], "count": 0, "total_bytes": 0, "entries": {}},
    }


def _links(server: FakeInvenioRDM, record: Record, content: Content, address: str) -> Json:
    base = _base(server, record)
    links = {
        "self": address,
        "self_html": f"{server.url}/{'uploads' if address.endswith('/draft') else 'records'}/{record.id}",
        "reserve_doi": f"{base}/draft/pids/doi",
        "files": f"{address}/files",
        "archive": f"{address}/files-archive",
        "versions": f"{base}/versions",
        "record": base,
        "draft": f"{base}/draft",
        "latest": f"{base}/versions/latest",
        "publish": f"{base}/draft/actions/publish",
        "review": f"{base}/draft/review",
        "parent": f"{server.url}/api/records/{record.parent.id}",
    }
    if "doi" in content.pids:
        links["doi"] = f"https://doi.org/{content.pids['doi']['identifier']}"
    absent = ("parent", "latest", "draft") if address.endswith("/draft") and not record.parent.latest else ()
    return {name: link for name, link in links.items() if name not in absent}


def access_status(content: Content) -> str:
    """Return ``open``, ``embargoed``, ``restricted`` or ``metadata-only``."""
    if content.access.get("embargo", {}).get("active"):
        return "embargoed"
    if "restricted" in (content.access["record"], content.access["files"]):
        return "restricted"
    return "open" if content.has_files and content.entries else "metadata-only"


def _files(content: Content) -> Json:
    complete = {key: entry for key, entry in content.entries.items() if entry.is_complete}
    return {
        "enabled": content.has_files,
        "order": [],
        "count": len(complete),
        "total_bytes": sum(entry.blob.size for entry in complete.values() if entry.blob),
        "entries": {
            key: {
                "id": entry.id,
                "checksum": entry.checksum,
                "ext": PurePosixPath(key).suffix.lstrip("."),
                "size": entry.blob.size if entry.blob else 0,
                "mimetype": _media_type(key),
                "storage_class": "L",
                "key": key,
                "metadata": entry.metadata or {},
                "access": {"hidden": False},
            }
            for key, entry in complete.items()
        },
    }


def _media_type(key: str) -> str:
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def listing(address: str, content: Content) -> Json:
    """Return all files of a draft or record."""
    return {
        "enabled": content.has_files,
        "links": {"self": f"{address}/files", "archive": f"{address}/files-archive"},
        "entries": [entry_json(address, entry) for entry in content.entries.values()],
        "default_preview": None,
        "order": [],
    }


def entry_json(address: str, entry: Entry) -> Json:
    """Return a file; a pending one has no checksum but that which the client declared."""
    shown: Json = {
        "created": entry.created.isoformat(),
        "updated": entry.updated.isoformat(),
        "metadata": entry.metadata,
        "access": {"hidden": False},
        "links": _entry_links(f"{address}/files/{quote(entry.key)}", entry, address.endswith("/draft")),
        "key": entry.key,
        "transfer": {"type": "L"} if entry.is_complete else entry.transfer,
        "status": "completed" if entry.is_complete else "pending",
    }
    if entry.is_complete and entry.blob:
        stored = {"checksum": entry.checksum, "size": entry.blob.size, "file_id": entry.id, "storage_class": "L"}
        return {**shown, **stored, "mimetype": _media_type(entry.key)}
    if entry.transfer["type"] == "M":
        return {**shown, "size": entry.declared["size"], "checksum": None, "storage_class": "L"}
    return {**shown, **entry.declared}


def _entry_links(here: str, entry: Entry, is_draft: bool) -> Json:
    links: Json = {"self": here}
    if entry.transfer["type"] == "M" and not entry.is_complete:
        expiration = (datetime.now(UTC) + timedelta(days=14)).isoformat()
        links["parts"] = [
            {"part": number, "url": f"{here}/content/{number}", "expiration": expiration}
            for number in range(1, entry.transfer["parts"] + 1)
        ]
    else:
        links["content"] = f"{here}/content"
    return {**links, "commit": f"{here}/commit"} if is_draft else links
