# SPDX-License-Identifier: Apache-2.0
"""Files of a draft: started, filled, committed; in one piece or in parts; imported from the version before."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Iterator
from typing import Any

from sidecrate.testing.blobs import BLOCK_BYTES, Blob
from sidecrate.testing.inveniordm.drafts import invalid, read_json
from sidecrate.testing.inveniordm.identifiers import error
from sidecrate.testing.inveniordm.loading import MISSING
from sidecrate.testing.inveniordm.rendering import entry_json, listing
from sidecrate.testing.inveniordm.server import CRASH, FakeInvenioRDM
from sidecrate.testing.inveniordm.state import Content, Entry, Record, now
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer

LOCKED = RefusalError(403, "Bucket is locked for modifications.")
LONGEST_KEY = 255


def address(server: FakeInvenioRDM, record: Record) -> str:
    """Return where a draft is."""
    return f"{server.url}/api/records/{record.id}/draft"


def show_all(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the files of a draft."""
    record, draft = server.draft(request)
    return json_answer(listing(address(server, record), draft))


def start(server: FakeInvenioRDM, request: Request) -> Answer:
    """Make entries, all or none; the answer has all there are."""
    record, draft = server.draft(request)
    if not draft.has_files:
        raise RefusalError(403, "Files are not enabled.")
    items = read_json(request)
    if not isinstance(items, list):
        raise invalid(error("0._schema", "Invalid input type."))
    if len(draft.entries) + len(items) > server.settings.max_files:
        raise RefusalError(400, "Uploading selected files will result in exceeding the max amount per record.")
    entries = [_new_entry(item, number) for number, item in enumerate(items)]
    keys = list(draft.entries)
    for entry in entries:
        if entry.key in keys:
            raise RefusalError(400, f"File with key {entry.key} already exists.")
        keys.append(entry.key)
    draft.entries.update({entry.key: entry for entry in entries})
    return json_answer(listing(address(server, record), draft), 201)


def _new_entry(item: Any, number: int) -> Entry:
    if not isinstance(item, dict) or "key" not in item:
        raise invalid(error(f"{number}.key", MISSING))
    transfer = {"type": "L", **item.get("transfer", {})}
    if transfer["type"] == "F":
        raise invalid(error(f"{number}.transfer.url", "Domain not allowed"))
    if transfer["type"] not in ("L", "M"):
        raise invalid(error(f"{number}.transfer.type", f"Unsupported value: {transfer['type']}"))
    if transfer["type"] == "M":
        if "size" not in item:
            raise RefusalError(400, "Multipart file transfer requires file size.")
        if "parts" not in transfer or "part_size" not in transfer:
            raise RefusalError(400, "Multipart file transfer requires parts and part_size.")
    declared = {key: item[key] for key in ("size", "checksum") if key in item}
    time = now()
    return Entry(item["key"], transfer, time, time, declared, item.get("metadata"))


def find(server: FakeInvenioRDM, request: Request) -> tuple[Record, Content, Entry]:
    """Return the file in the path.

    Raises
    ------
    RefusalError
        404.
    """
    record, draft = server.draft(request)
    key = request.params["key"]
    if key not in draft.entries:
        raise RefusalError(404, f"Record '{record.id}' has no file '{key}'.")
    return record, draft, draft.entries[key]


def show(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return a file of a draft."""
    record, _, entry = find(server, request)
    return json_answer(entry_json(address(server, record), entry))


def put_content(server: FakeInvenioRDM, request: Request) -> Answer:
    """Fill an entry; filling one that was committed fails with 200 and loses the file."""
    if request.content_type not in ("", "application/octet-stream"):
        raise RefusalError(415, "Invalid 'Content-Type' header. Expected one of: application/octet-stream")
    record, draft, entry = find(server, request)
    if record.is_locked:
        raise LOCKED
    if len(entry.key) > LONGEST_KEY:
        raise RefusalError(400, "The key is too long.")
    if entry.is_complete:
        del draft.entries[entry.key]
        failed = "File upload transfer failed."
        return json_answer({**entry_json(address(server, record), entry), "errors": failed})
    blob = request.body or server.new_blob([])
    _check_room(server, record, draft, entry, blob.size)
    entry.blob = blob.keep()
    return json_answer(entry_json(address(server, record), entry))


def _check_room(server: FakeInvenioRDM, record: Record, draft: Content, entry: Entry, size: int) -> None:
    if size > (record.max_file_bytes or server.settings.max_file_bytes):
        raise RefusalError(400, "Maximum file size exceeded.")
    others = draft.bytes - (entry.blob.size if entry.blob else 0)
    if others + size > (record.quota_bytes or server.settings.quota_bytes):
        raise RefusalError(400, "Bucket quota exceeded.")


def put_part(server: FakeInvenioRDM, request: Request) -> Answer:
    """Take a part, in any order; nobody looks at its length."""
    record, draft, entry = find(server, request)
    if record.is_locked:
        raise LOCKED
    if entry.is_complete or entry.transfer["type"] != "M":
        raise RefusalError(400, 'Transfer type "L" does not support multipart uploads.')
    _check_room(server, record, draft, entry, entry.declared["size"])
    blob = request.body or server.new_blob([])
    entry.parts[int(request.params["part"])] = blob.keep()
    return json_answer(entry_json(address(server, record), entry))


def commit(server: FakeInvenioRDM, request: Request) -> Answer:
    """Complete a file: size and checksum are the server's own."""
    record, _, entry = find(server, request)
    if not entry.is_complete:
        if entry.transfer["type"] == "M":
            _commit_parts(server, entry)
        elif entry.blob is None:
            raise RefusalError(500, CRASH)
        else:
            entry.checksum = f"md5:{entry.blob.digest('md5')}"
        entry.is_complete = True
    entry.updated = now()
    return json_answer(entry_json(address(server, record), entry))


def _commit_parts(server: FakeInvenioRDM, entry: Entry) -> None:
    """Join the parts; what is missing is zeros, and the checksum comes later."""
    blob = server.new_blob(_joined(entry))
    entry.blob, entry.checksum = blob, None

    def finish() -> None:
        entry.checksum = f"md5:{blob.digest('md5')}"

    server.later(server.settings.checksum_seconds, finish)


def _joined(entry: Entry) -> Iterator[bytes]:
    left = int(entry.declared["size"])
    for number in range(1, entry.transfer["parts"] + 1):
        size = min(entry.transfer["part_size"], left)
        left -= size
        part = entry.parts.pop(number, None)
        sent = min(part.size, size) if part else 0
        if part:
            yield from part.blocks(0, sent)
            part.path.unlink(missing_ok=True)
        for start in range(sent, size, BLOCK_BYTES):
            yield bytes(min(BLOCK_BYTES, size - start))


def delete(server: FakeInvenioRDM, request: Request) -> Answer:
    """Delete a file."""
    record, draft, entry = find(server, request)
    if record.is_locked and record.published and entry.key in record.published.entries:
        raise LOCKED
    del draft.entries[entry.key]
    return Answer(204)


def delete_all(server: FakeInvenioRDM, request: Request) -> Answer:
    """Delete all files."""
    record, draft = server.draft(request)
    if record.is_locked:
        raise LOCKED
    draft.entries.clear()
    return Answer(204)


def import_files(server: FakeInvenioRDM, request: Request) -> Answer:
    """Take over the files of the version before; no bytes are sent."""
    record, draft = server.draft(request)
    before = [one.published for one in record.parent.records if one.index == record.index - 1]
    if not before or before[0] is None:
        raise RefusalError(404, "Not found.")
    if draft.entries:
        raise invalid(error("files.enabled", "Please remove all files first."))
    draft.entries = {key: copy.copy(entry) for key, entry in before[0].entries.items()}
    return json_answer(listing(address(server, record), draft), 201)


def read_content(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the bytes of a draft's file."""
    _, _, entry = find(server, request)
    return content_answer(entry)


def content_answer(entry: Entry) -> Answer:
    """Return the bytes of a file, whole: a ``Range`` is ignored.

    Raises
    ------
    RefusalError
        500 when there are none yet.
    """
    if entry.blob is None or not entry.is_complete:
        raise RefusalError(500, CRASH)
    checksum = entry.checksum or ""
    headers = {
        "Content-Type": "application/octet-stream",
        "ETag": f'"{checksum}"',
        "Content-MD5": checksum.removeprefix("md5:"),
        "Content-Disposition": "attachment",
    }
    return Answer(200, headers=headers, blob=entry.blob)


def archive(server: FakeInvenioRDM, content: Content) -> Answer:
    """Return all files as one zip."""
    path = server.new_path()
    with zipfile.ZipFile(path, "w") as whole:
        for key, entry in content.entries.items():
            if entry.blob:
                whole.write(entry.blob.path, key)
    return Answer(200, headers={"Content-Type": "application/zip"}, blob=Blob(path, path.stat().st_size))


def read_archive(server: FakeInvenioRDM, request: Request) -> Answer:
    """Return the files of a draft as one zip."""
    return archive(server, server.draft(request)[1])


def set_quota(server: FakeInvenioRDM, request: Request) -> Answer:
    """Set limits of one record; administrators only."""
    record = server.world.find(request.params["id"])
    if server.user(request) != "admin":
        raise RefusalError(403, "Permission denied.")
    body = read_json(request)
    record.quota_bytes, record.max_file_bytes = body["quota_size"], body["max_file_size"]
    return json_answer(body)
