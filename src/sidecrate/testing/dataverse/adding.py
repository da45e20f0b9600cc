# SPDX-License-Identifier: Apache-2.0
"""Files come in: ``add``, ``replace``, and what every way of adding has in common."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sidecrate.testing.blobs import Blob
from sidecrate.testing.dataverse import ingest, params, storage
from sidecrate.testing.dataverse.drafts import edited, lock_against
from sidecrate.testing.dataverse.envelope import ok
from sidecrate.testing.dataverse.filenames import (
    check_label,
    clean_directory,
    content_type,
    free_label,
    is_tabular,
    is_zip,
)
from sidecrate.testing.dataverse.params import FileParams
from sidecrate.testing.dataverse.rendering import entry_json
from sidecrate.testing.dataverse.server import HASHES, FakeDataverse
from sidecrate.testing.dataverse.state import DataFile, Dataset, Entry, User, Version, now
from sidecrate.testing.dataverse.unpacking import check_bag, unpack
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer

FAILED = "Failed to add file to dataset."


@dataclass(frozen=True)
class Incoming:
    """Bytes that are to become a file."""

    name: str
    directory: str
    content_type: str
    blob: Blob
    algorithm: str
    checksum: str
    storage_id: str


def add(server: FakeDataverse, request: Request) -> Answer:
    """Add what a form brings, or what was uploaded directly (§3)."""
    dataset = server.dataset(request)
    user = _allowed(server, request, dataset)
    server.count_call(user, "AddFile")
    given = read_params(server, request)
    incoming = _incoming(server, request, dataset, given)
    if request.collides or lock_against(server, dataset, user):
        raise RefusalError(400, FAILED)
    check_room(server, dataset, incoming)
    return _added(server, request, dataset, user, incoming, given)


def _allowed(server: FakeDataverse, request: Request, dataset: Dataset) -> User:
    user = server.user(request)
    if not server.may_edit(user, dataset):
        raise RefusalError(403, "You do not have permission to edit this dataset.")
    return user


def read_params(server: FakeDataverse, request: Request) -> FileParams:
    """Return the params in the part ``jsonData``."""
    part = request.part("jsonData")
    return params.read(part.text() if part else None, server.since(5, 11))


def _incoming(server: FakeDataverse, request: Request, dataset: Dataset, given: FileParams) -> list[Incoming]:
    part = request.part("file")
    if given.storage_id:
        return [from_store(dataset, server, given)]
    if part is None or not part.filename:
        raise RefusalError(400, "The file or storageIdentifier is required.")
    if not server.settings.is_http_upload_on:
        raise RefusalError(503, "Service unavailable: direct HTTP upload is disabled on this server.")
    name = part.filename.replace("\\", "/").rpartition("/")[2]
    if not is_zip(name, part.content_type):
        return [_native(server, name, "", part.content_type, part.blob)]
    if server.settings.is_bag_handler_on:
        check_bag(part.blob)
    members = unpack(part.blob, server.settings.zip_members, server.settings.max_file_bytes, server.new_spool)
    return [_native(server, name, folder, None, blob) for name, folder, blob in members]


def _native(server: FakeDataverse, name: str, folder: str, kind: str | None, blob: Blob) -> Incoming:
    algorithm = server.settings.checksum_algorithm
    digest = blob.digest(HASHES[algorithm])
    storage_id = f"s3://{server.store.bucket}:{uuid.uuid4().hex[:20]}"
    return Incoming(name, folder, content_type(name, kind), blob, algorithm, digest, storage_id)


def from_store(dataset: Dataset, server: FakeDataverse, given: FileParams) -> Incoming:
    """Return a file that was uploaded directly, with the checksum that the client claims.

    Raises
    ------
    RefusalError
        400 when there is no such object, name or checksum.
    """
    stored = storage.find(server, dataset, given.storage_id or "")
    if stored is None:
        raise RefusalError(400, f"No file found for storageIdentifier {given.storage_id}")
    if not given.name:
        raise RefusalError(400, "You must supply a fileName.")
    if given.checksum is None:
        raise RefusalError(400, "Checksum required but not found.")
    kind = content_type(given.name, given.media_type)
    return Incoming(given.name, "", kind, stored.blob, *given.checksum, str(given.storage_id))


def check_room(server: FakeDataverse, dataset: Dataset, incoming: list[Incoming]) -> None:
    """Refuse what is too large, or too much.

    Raises
    ------
    RefusalError
        400.
    """
    sizes = [one.blob.size for one in incoming]
    storage.check_limits(server, dataset, sizes)


def _added(
    server: FakeDataverse, request: Request, dataset: Dataset, user: User, incoming: list[Incoming], given: FileParams
) -> Answer:
    for one in incoming:
        check_names(one, given)
    version = edited(server, dataset)
    warnings = [warning for one in incoming if (warning := duplicate_warning(version, one))]
    entries = [place(server, version, one, given) for one in incoming]
    ingest.begin(server, dataset, tables(entries), user.name, request.fault.hangs_lock)
    return files_answer(server, version, entries, warnings)


def tables(entries: list[Entry]) -> list[DataFile]:
    """Return the files that are to be ingested."""
    return [one.file for one in entries if one.file.is_ingest_wanted and is_tabular(one.label, one.file.content_type)]


def check_names(one: Incoming, given: FileParams) -> None:
    """Refuse a name or folder that breaks the rules."""
    check_label(given.label or one.name)
    clean_directory(one.directory if given.directory is None else given.directory)


def place(server: FakeDataverse, version: Version, one: Incoming, given: FileParams) -> Entry:
    """Put a file into a draft; a name that is taken is changed."""
    directory = clean_directory(one.directory if given.directory is None else given.directory)
    label = free_label(given.label or one.name, directory, [entry.path for entry in version.entries])
    file = DataFile(
        server.world.new_id(), one.blob.keep(), one.storage_id, one.content_type, one.algorithm, one.checksum, now()
    )
    file.is_ingest_wanted = given.is_ingest_wanted
    entry = Entry(file, label, directory, given.description or "", list(given.categories or []), list(given.tags or []))
    entry.is_restricted = bool(given.is_restricted)
    entry.provenance = given.provenance or ""
    storage.register(server, one.storage_id)
    version.entries.append(entry)
    return entry


def duplicate_warning(version: Version, one: Incoming) -> str:
    """Return the words about a file of the same content, "" when there is none."""
    for entry in version.entries:
        if entry.file.checksum == one.checksum:
            return f"This file has the same content as {entry.label} that is in the dataset. "
    return ""


def files_answer(server: FakeDataverse, version: Version, entries: list[Entry], warnings: list[str]) -> Answer:
    """Return the new files, with warnings where the release puts them."""
    data = {"files": [entry_json(version, entry) for entry in entries]}
    if not warnings:
        return ok(data)
    words: Any = "".join(warnings)
    return json_answer({"status": "OK", "message": words if server.since(6, 12) else {"message": words}, "data": data})


# ------------------------------------------------------------------------------------------------------ replace


def replace(server: FakeDataverse, request: Request) -> Answer:
    """Replace a file; description, folder and categories are not carried over (§7)."""
    dataset, _, old = _to_replace(server, request)
    user = _allowed(server, request, dataset)
    part = request.part("jsonData")
    given = params.read(part.text() if part else None, server.since(5, 11))
    incoming = _incoming(server, request, dataset, given)
    if request.collides or lock_against(server, dataset, user):
        raise RefusalError(400, FAILED)
    if len(incoming) != 1:
        raise RefusalError(400, "You cannot replace a file with a zip archive that holds several files.")
    check_replacement(dataset, old, incoming[0], given)
    check_room(server, dataset, incoming)
    check_names(incoming[0], given)
    version = edited(server, dataset)
    entry = swap(server, version, old, incoming[0], given)
    ingest.begin(server, dataset, tables([entry]), user.name, request.fault.hangs_lock)
    return files_answer(server, version, [entry], [])


def _to_replace(server: FakeDataverse, request: Request) -> tuple[Dataset, Version, Entry]:
    try:
        return server.world.find_file(request.params["file"])
    except RefusalError as refusal:
        raise RefusalError(400, f"File to replace (ID {request.params['file']}) not found.") from refusal


def check_replacement(dataset: Dataset, old: Entry, new: Incoming, given: FileParams) -> None:
    """Refuse a replacement that is none.

    Raises
    ------
    RefusalError
        400: not in the latest version, same content, another type without ``forceReplace``.
    """
    if not any(entry.file is old.file for entry in dataset.latest.entries):
        raise RefusalError(400, "You cannot replace a file that is not in the most recently published Dataset.")
    if new.checksum == old.file.checksum:
        raise RefusalError(400, "Error! You may not replace a file with a file that has duplicate content.")
    before = old.file.original_type or old.file.content_type
    if new.content_type != before and not given.is_forced:
        raise RefusalError(
            400,
            f"Warning! The original file ({before}) and replacement file ({new.content_type}) are of different types.",
        )


def swap(server: FakeDataverse, version: Version, old: Entry, new: Incoming, given: FileParams) -> Entry:
    """Put a file in the place of another and return its entry."""
    version.entries = [entry for entry in version.entries if entry.file is not old.file]
    entry = place(server, version, new, given)
    if old.file.published:
        entry.file.previous_id = old.file.id
        entry.file.root_id = old.file.id if old.file.root_id < 0 else old.file.root_id
    else:  # a file that was never published leaves no trace; its replacement takes over its ancestors
        entry.file.previous_id, entry.file.root_id = old.file.previous_id, old.file.root_id
    return entry
