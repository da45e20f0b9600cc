# SPDX-License-Identifier: Apache-2.0
"""Files that are there: looked at, described, restricted, deleted, downloaded."""

from __future__ import annotations

import json
import re
from typing import Any

from sidecrate.testing.blobs import Blob
from sidecrate.testing.dataverse import params
from sidecrate.testing.dataverse.adding import read_params
from sidecrate.testing.dataverse.datasets import read_json
from sidecrate.testing.dataverse.drafts import edited, lock_against, to_edit
from sidecrate.testing.dataverse.envelope import UncheckedError, not_permitted, ok, text
from sidecrate.testing.dataverse.filenames import check_label, clean_directory
from sidecrate.testing.dataverse.rendering import entry_json
from sidecrate.testing.dataverse.server import GUEST, FakeDataverse
from sidecrate.testing.dataverse.state import Dataset, Entry, User, Version
from sidecrate.testing.messages import Answer, RefusalError, Request, text_answer


def show(server: FakeDataverse, request: Request) -> Answer:
    """Return a file as it is in the newest version the asker may see."""
    user = server.user(request)
    dataset, version, entry = server.world.find_file(request.params["file"])
    if version.is_draft and not server.may_edit(user, dataset):
        raise not_permitted(user.name, "ViewUnpublishedDataset")
    return ok(entry_json(version, entry))


def put_metadata(server: FakeDataverse, request: Request) -> Answer:
    """Change name, folder, description, categories of a file; the answer is plain text."""
    user = server.user(request)
    dataset, entry = _in_latest(server, request, user)
    if lock_against(server, dataset, user):
        raise UncheckedError("the dataset is locked")
    given = read_params(server, request)
    if given.label is not None:
        check_label(given.label)
    label = entry.label if given.label is None else given.label
    directory = entry.directory if given.directory is None else clean_directory(given.directory)
    path = f"{directory}/{label}" if directory else label
    if any(other.path == path and other.file is not entry.file for other in dataset.latest.entries):
        raise RefusalError(400, f"Error updating file metadata: the name {path} is already used in the dataset.")
    entry = _entry_of(edited(server, dataset), entry)
    entry.label, entry.directory = label, directory
    _describe(entry, given, clears=server.since(6, 8))
    return text_answer("File Metadata update has been completed: " + json.dumps(entry_json(dataset.latest, entry)))


def _describe(entry: Entry, given: params.FileParams, clears: bool) -> None:
    """Take over what was said; empty values clear from 6.8 on."""
    if given.description or (clears and given.description is not None):
        entry.description = given.description or ""
    if given.categories or (clears and given.categories is not None):
        entry.categories = given.categories or []
    if given.provenance:
        entry.provenance = given.provenance
    if given.is_restricted is not None:
        entry.is_restricted = given.is_restricted


def _in_latest(server: FakeDataverse, request: Request, user: User) -> tuple[Dataset, Entry]:
    dataset, _, entry = server.world.find_file(request.params["file"])
    if not server.may_edit(user, dataset):
        raise RefusalError(403, "You do not have permission to edit this dataset.")
    if not any(other.file is entry.file for other in dataset.latest.entries):
        raise RefusalError(400, "This file has been replaced or deleted and can no longer be edited.")
    return dataset, entry


def _entry_of(version: Version, entry: Entry) -> Entry:
    return next(other for other in version.entries if other.file is entry.file)


def delete(server: FakeDataverse, request: Request) -> Answer:
    """Take a file out of the draft."""
    user = server.user(request)
    dataset, entry = _in_latest(server, request, user)
    _check_lock(server, dataset, user)
    _remove(server, dataset, {entry.file.id})
    return text(f"File {entry.file.id} deleted.", server.settings.moves_message)


def delete_many(server: FakeDataverse, request: Request) -> Answer:
    """Take files out of the draft (6.6)."""
    _, dataset = to_edit(server, request)
    ids = read_json(request)
    if not isinstance(ids, list) or not all(isinstance(one, int) for one in ids):
        raise RefusalError(400, "A list of file ids is needed.")
    there = {entry.file.id for entry in dataset.latest.entries}
    if unknown := [one for one in ids if one not in there]:
        raise RefusalError(400, f"Files not found in the latest version: {unknown}")
    _remove(server, dataset, set(ids))
    return text(f"{len(ids)} files deleted successfully", server.settings.moves_message)


def _check_lock(server: FakeDataverse, dataset: Dataset, user: User) -> None:
    if lock := lock_against(server, dataset, user):
        raise RefusalError(403, f"Dataset cannot be edited due to {lock} lock.")


def _remove(server: FakeDataverse, dataset: Dataset, ids: set[int]) -> None:
    draft = edited(server, dataset)
    draft.entries = [entry for entry in draft.entries if entry.file.id not in ids]


def restrict(server: FakeDataverse, request: Request) -> Answer:
    """Restrict a file, or lift the restriction: the body is ``true`` or ``false``."""
    user = server.user(request)
    dataset, entry = _in_latest(server, request, user)
    _check_lock(server, dataset, user)
    wanted = request.data().decode().strip().lower() == "true"
    if wanted == entry.is_restricted:
        raise RefusalError(400, f"Problem trying to update restriction status on {entry.label}: no change")
    terms = dataset.latest.terms
    if wanted and not terms.is_access_requestable and not terms.access:
        raise RefusalError(
            409, "Restricted files need either access requests or terms of access; see terms of use and access."
        )
    _entry_of(edited(server, dataset), entry).is_restricted = wanted
    said = "restricted" if wanted else "unrestricted"
    return text(f"File {entry.label} {said}.", server.settings.moves_message)


# --------------------------------------------------------------------------------------------------- downloads


def download(server: FakeDataverse, request: Request) -> Answer:
    """Return the bytes of a file, or a range of them."""
    try:
        user = server.user(request)
    except RefusalError:
        if server.since(6):
            raise
        user = GUEST  # before 6.0 a bad key was no key
    dataset, _, entry = server.world.find_file(request.params["file"])
    is_open = any(not one.is_draft and _holds(one, entry) for one in dataset.versions) and not entry.is_restricted
    if not is_open and not server.may_edit(user, dataset):
        raise RefusalError(403, "Not authorized to download file: restricted or not published.")
    file = entry.file
    if request.param("format") == "original" and file.original is not None:
        return send(server, request, file.original, file.original_type, file.original_name)
    if request.param("format") not in ("", "original"):
        raise RefusalError(404, "Datafile not available in that format.")
    return send(server, request, file.blob, file.content_type, entry.label)


def _holds(version: Version, entry: Entry) -> bool:
    return any(other.file is entry.file for other in version.entries)


def send(server: FakeDataverse, request: Request, blob: Blob, content_type: str, name: str) -> Answer:
    """Return bytes, part of them when a range is asked for and the store gives ranges."""
    disposition = f'attachment; filename="{name}"'
    headers: dict[str, Any] = {"Content-Type": content_type, "Content-Disposition": disposition}
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range") or "")
    if found is None or not server.settings.honours_range or not (found[1] or found[2]):
        return Answer(200, headers=headers, blob=blob)
    first = int(found[1]) if found[1] else max(blob.size - int(found[2]), 0)
    last = min(int(found[2]), blob.size - 1) if found[1] and found[2] else blob.size - 1
    if first >= blob.size or last < first:
        return Answer(416, headers={"Content-Range": f"bytes */{blob.size}"})
    headers |= {"Content-Range": f"bytes {first}-{last}/{blob.size}", "Accept-Ranges": "bytes"}
    return Answer(206, headers=headers, blob=blob, start=first, length=last - first + 1)
