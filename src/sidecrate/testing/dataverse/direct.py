# SPDX-License-Identifier: Apache-2.0
"""Direct upload: URLs for the object store, multipart, and the registration of what was put there (§4)."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from sidecrate.testing.dataverse import ingest, storage
from sidecrate.testing.dataverse import params as file_params
from sidecrate.testing.dataverse.adding import (
    check_names,
    check_replacement,
    check_room,
    duplicate_warning,
    from_store,
    place,
    swap,
    tables,
)
from sidecrate.testing.dataverse.drafts import edited, lock_against
from sidecrate.testing.dataverse.envelope import UncheckedError, ok, text
from sidecrate.testing.dataverse.params import FileParams
from sidecrate.testing.dataverse.rendering import entry_json
from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.state import Dataset, Entry, Version
from sidecrate.testing.messages import Answer, RefusalError, Request

ABORTED = "Internal server error: the multipart upload could not be completed; it was aborted"


def upload_urls(server: FakeDataverse, request: Request) -> Answer:
    """Return where to put a file of a size."""
    dataset = _allowed(server, request)
    if not server.settings.is_direct_upload_on:
        raise RefusalError(404, "Direct upload not supported for files in this dataset: " + str(dataset.id))
    size = request.param("size")
    if not size.isdecimal():
        raise RefusalError(400, "size is missing or no number")
    storage.check_limits(server, dataset, [int(size)])
    storage_id = f"s3://{server.store.bucket}:{uuid.uuid4().hex[:11]}-{uuid.uuid4().hex[:12]}"
    whole = _single(server, dataset, storage_id) if int(size) <= server.settings.part_bytes else None
    data = whole or _multipart(server, dataset, storage_id, int(size))
    return ok({**data, "partSize": server.settings.part_bytes, "storageIdentifier": storage_id})


def _allowed(server: FakeDataverse, request: Request) -> Dataset:
    dataset = server.dataset(request)
    if not server.may_edit(server.user(request), dataset):
        raise RefusalError(403, "You do not have permission to upload files to this dataset.")
    return dataset


def _single(server: FakeDataverse, dataset: Dataset, storage_id: str) -> dict[str, Any]:
    key = storage.key_of(dataset, storage_id)
    return {"url": server.store.presign(key, server.settings.url_seconds, server.settings.is_tagging_on)}


def _multipart(server: FakeDataverse, dataset: Dataset, storage_id: str, size: int) -> dict[str, Any]:
    key = storage.key_of(dataset, storage_id)
    upload = server.store.begin(key)
    count = -(-size // server.settings.part_bytes)
    seconds = server.settings.url_seconds
    query = urlencode({"globalid": dataset.pid, "uploadid": upload, "storageidentifier": storage_id})
    path = f"/api/datasets/mpupload?{query}"
    urls = {str(n): server.store.presign(key, seconds, False, (upload, n)) for n in range(1, count + 1)}
    return {"urls": urls, "abort": path, "complete": path}


def complete(server: FakeDataverse, request: Request) -> Answer:
    """Join the parts; any trouble aborts the upload."""
    upload = _upload(server, request)
    try:
        etags = [(int(number), str(etag)) for number, etag in request.json().items()]
        server.store.complete(upload, etags)
    except (ValueError, AttributeError) as error:
        server.store.abort(upload)
        raise RefusalError(500, f"{ABORTED}: {error}") from error
    return text("Multipart Upload completed", server.settings.moves_message)


def abort(server: FakeDataverse, request: Request) -> Answer:
    """Give a multipart upload up."""
    server.store.abort(_upload(server, request))
    return Answer(204)


def _upload(server: FakeDataverse, request: Request) -> str:
    dataset = server.world.find_dataset(":persistentId", request.param("globalid"))
    if not server.may_edit(server.user(request), dataset):
        raise RefusalError(403, "You do not have permission to upload files to this dataset.")
    upload = request.param("uploadid")
    if upload not in server.store.uploads:
        raise RefusalError(500, ABORTED)
    return upload


# ------------------------------------------------------------------------------------------------- registration


def add_files(server: FakeDataverse, request: Request) -> Answer:
    """Register many files; 200 even when every one of them failed."""
    return _register(server, request, is_replacing=False)


def replace_files(server: FakeDataverse, request: Request) -> Answer:
    """Register many files in the place of others."""
    return _register(server, request, is_replacing=True)


def _register(server: FakeDataverse, request: Request, is_replacing: bool) -> Answer:
    dataset, user = _allowed(server, request), server.user(request)
    items = _items(request)
    if request.collides or lock_against(server, dataset, user):
        raise UncheckedError("the dataset is locked")
    version = edited(server, dataset)
    results: list[dict[str, Any]] = []
    entries: list[Entry] = []
    warning = ""
    for given in items:
        given = given if server.since(5, 11) else replace(given, is_ingest_wanted=True)
        try:
            entry, found = _one(server, dataset, version, given, is_replacing)
        except RefusalError as refusal:
            results.append(_failure(given, refusal))
            continue
        warning = found or warning  # never reset, so one duplicate marks all that follow
        entries.append(entry)
        results.append(_success(version, entry, given, warning, is_replacing))
    ingest.begin(server, dataset, tables(entries), user.name, request.fault.hangs_lock)
    verb = "replaced" if is_replacing else "added"
    counts = {"Total number of files": len(items), f"Number of files successfully {verb}": len(entries)}
    return ok({"Files": results, "Result": counts})


def _items(request: Request) -> list[FileParams]:
    part = request.part("jsonData")
    try:
        items = json.loads(part.text()) if part else None
        if not isinstance(items, list):
            raise ValueError("a list is needed")
        found = [file_params.of_object(item) for item in items]
    except (ValueError, AttributeError) as error:
        raise RefusalError(400, f"Parsing jsonData failed: {error}") from error
    except UncheckedError as error:
        raise RefusalError(400, f"Parsing jsonData failed: {error.extra['internalError']}") from error
    if any(one.checksum is None for one in found):
        raise RefusalError(400, "Checksum required but not found for one of the files.")
    return found


def _one(
    server: FakeDataverse, dataset: Dataset, version: Version, given: FileParams, is_replacing: bool
) -> tuple[Entry, str]:
    """Return the entry of one file and the warning about it."""
    incoming = from_store(dataset, server, given)
    check_room(server, dataset, [incoming])
    check_names(incoming, given)
    warning = duplicate_warning(version, incoming)
    if not is_replacing:
        return place(server, version, incoming, given), warning
    _, _, old = server.world.find_file(str(given.replaces))
    check_replacement(dataset, old, incoming, given)
    return swap(server, version, old, incoming, given), ""


def _failure(given: FileParams, refusal: RefusalError) -> dict[str, Any]:
    details = {"fileName": given.name, "directoryLabel": given.directory, "mimeType": given.media_type}
    return {
        "storageIdentifier": given.storage_id,
        "errorMessage": refusal.message,
        "fileDetails": {key: value for key, value in details.items() if value is not None},
    }


def _success(version: Version, entry: Entry, given: FileParams, warning: str, is_replacing: bool) -> dict[str, Any]:
    done = "File successfully replaced!" if is_replacing else "Added successfully to the dataset"
    said = {"warningMessage": warning} if warning else {"successMessage": done}
    return {"storageIdentifier": given.storage_id, **said, "fileDetails": entry_json(version, entry)}
