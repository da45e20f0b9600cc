# SPDX-License-Identifier: Apache-2.0
"""Publication: what refuses it, what runs in the background, and the locks around it (§5 and §6)."""

from __future__ import annotations

import time

from sidecrate.testing.dataverse.drafts import lock_against
from sidecrate.testing.dataverse.envelope import not_permitted, ok, text
from sidecrate.testing.dataverse.rendering import dataset_json, lock_json
from sidecrate.testing.dataverse.server import HASHES, FakeDataverse
from sidecrate.testing.dataverse.state import Dataset, User, Version, now
from sidecrate.testing.messages import Answer, RefusalError, Request, json_answer

LOCKS = (
    "Ingest",
    "Workflow",
    "InReview",
    "DcmUpload",
    "GlobusUpload",
    "finalizePublication",
    "EditInProgress",
    "FileValidationFailed",
)


def publish(server: FakeDataverse, request: Request) -> Answer:
    """Accept a publication; it is done in the background, under a lock."""
    user, dataset = server.user(request), server.dataset(request)
    kind = request.param("type")
    if kind not in ("major", "minor"):
        raise RefusalError(
            400, "Illegal 'type' parameter value '" + kind + "'. It needs to be either 'major' or 'minor'."
        )
    if not (user.is_curator or user.is_superuser):
        raise not_permitted(user.name, "PublishDataset")
    server.count_call(user, "PublishDatasetCommand")
    if request.flag("assureIsIndexed"):
        _check_index(server, dataset)
    _check_publishable(server, dataset, kind)
    hangs = request.fault.hangs_lock
    if server.settings.has_workflow:
        dataset.lock("Workflow", user.name, "Publication workflow")
        if not hangs:
            server.later(server.settings.workflow_seconds, lambda: _after_workflow(server, dataset, user, kind))
        return json_answer({"status": "WORKFLOW_IN_PROGRESS", "data": dataset_json(server, dataset)}, 202)
    _begin(server, dataset, user, kind, hangs)
    return ok(dataset_json(server, dataset))


def _check_index(server: FakeDataverse, dataset: Dataset) -> None:
    age = time.time() - dataset.latest.updated.timestamp()
    if age < server.settings.index_seconds:
        raise RefusalError(409, "Dataset is awaiting indexing; try again later.")


def _check_publishable(server: FakeDataverse, dataset: Dataset, kind: str) -> None:
    draft = dataset.latest
    if dataset.locks:
        raise RefusalError(
            403, f"This dataset is locked. Reason: {dataset.locks[0].kind}. Please try publishing later."
        )
    if not draft.is_draft:
        raise RefusalError(
            403, f"Latest version of dataset {dataset.pid} is already released. Only draft versions can be released."
        )
    if not dataset.collection.is_published:
        raise RefusalError(403, "This dataset may not be published because its host dataverse has not been published.")
    if server.settings.needs_files and not draft.entries:
        raise RefusalError(403, "This dataset may not be published because it has no files.")
    if kind == "minor":
        _check_minor(dataset)
    terms = draft.terms
    if terms.licence is None and not terms.use:
        raise RefusalError(409, "The dataset has no license and no terms of use; valid terms of use are required.")
    has_restricted = any(entry.is_restricted for entry in draft.entries)
    if has_restricted and not terms.is_access_requestable and not terms.access:
        raise RefusalError(
            409, "Restricted files need either access requests or terms of access; see terms of use and access."
        )


def _check_minor(dataset: Dataset) -> None:
    before = dataset.latest_published
    if before is None:
        raise RefusalError(403, "Cannot publish as minor version. Re-try as major release.")
    if {entry.file.id for entry in before.entries} != {entry.file.id for entry in dataset.latest.entries}:
        raise RefusalError(403, "Cannot release as minor version: the files have changed. Re-try as major release.")


def _after_workflow(server: FakeDataverse, dataset: Dataset, user: User, kind: str) -> None:
    dataset.unlock("Workflow")
    _begin(server, dataset, user, kind, hangs=False)


def _begin(server: FakeDataverse, dataset: Dataset, user: User, kind: str, hangs: bool) -> None:
    dataset.lock("finalizePublication", user.name, "Publishing the dataset; registering PIDs and validating files")
    if not hangs:
        server.later(server.settings.publish_seconds, lambda: _finalize(server, dataset, user, kind))


def _finalize(server: FakeDataverse, dataset: Dataset, user: User, kind: str) -> None:
    """End a publication: released, or unlocked as a draft, or locked for an administrator."""
    dataset.unlock("finalizePublication")
    if kind == "major" and (wrong := _files_that_lie(server, dataset.latest)):
        dataset.lock("FileValidationFailed", user.name, f"Some files could not be validated: {', '.join(wrong)}")
        return
    if server.settings.registration_fails:
        return
    before = dataset.latest_published
    major, minor = before.number if before and before.number else (0, 0)
    draft = dataset.latest
    draft.number = (major + 1, 0) if kind == "major" else (major, minor + 1)
    draft.released = draft.updated = now()
    dataset.published = dataset.published or draft.released
    for entry in draft.entries:
        entry.file.published = entry.file.published or draft.released


def _files_that_lie(server: FakeDataverse, version: Version) -> list[str]:
    """Return the files whose bytes do not have the checksum that was claimed."""
    if not server.settings.is_validation_on:
        return []
    files = [entry.file for entry in version.entries]
    return [
        str(file.id)
        for file in files
        if (uploaded := file.original or file.blob).size <= server.settings.validation_bytes
        and uploaded.digest(HASHES[file.algorithm]) != file.checksum.lower()
    ]


# ------------------------------------------------------------------------------------------------ review, locks


def submit(server: FakeDataverse, request: Request) -> Answer:
    """Hand a draft to the curators."""
    user, dataset = server.user(request), server.dataset(request)
    if not server.may_edit(user, dataset):
        raise not_permitted(user.name, "EditDataset")
    if dataset.has_lock("InReview"):
        raise RefusalError(403, f"You cannot submit dataset {dataset.pid} for review: it is already in review.")
    if lock_against(server, dataset, user) or not dataset.latest.is_draft:
        raise RefusalError(403, "You cannot submit this dataset for review.")
    dataset.lock("InReview", user.name, "Submitted for review")
    return ok({"inReview": True, "message": "Dataset has been submitted for review."})


def return_to_author(server: FakeDataverse, request: Request) -> Answer:
    """Give a draft back to its author."""
    user, dataset = server.user(request), server.dataset(request)
    if not (user.is_curator or user.is_superuser):
        raise not_permitted(user.name, "PublishDataset")
    if not dataset.has_lock("InReview"):
        raise RefusalError(403, "This dataset cannot be returned to its author: it is not in review.")
    dataset.unlock("InReview")
    return ok({"inReview": False, "message": "Dataset has been returned to its author."})


def locks(server: FakeDataverse, request: Request) -> Answer:
    """Return the locks of a dataset, of one type when asked."""
    dataset = server.dataset(request)
    kind = request.param("type")
    if kind and kind not in LOCKS:
        raise RefusalError(400, f"Illegal lock type {kind}; one of {', '.join(LOCKS)}")
    return ok([lock_json(dataset, lock) for lock in dataset.locks if kind in ("", lock.kind)])


def unlock(server: FakeDataverse, request: Request) -> Answer:
    """Lift locks; superusers only."""
    user, dataset = server.user(request), server.dataset(request)
    if not user.is_superuser:
        raise RefusalError(403, "This API end point can be used by superusers only.")
    kind = request.param("type")
    dataset.locks = [lock for lock in dataset.locks if kind not in ("", lock.kind)]
    return text("Locks removed.", server.settings.moves_message)
