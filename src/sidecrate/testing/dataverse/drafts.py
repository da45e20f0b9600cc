# SPDX-License-Identifier: Apache-2.0
"""The draft every edit works on, and the locks that stop edits."""

from __future__ import annotations

from sidecrate.testing.dataverse.envelope import not_permitted
from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.state import Dataset, User, Version, now
from sidecrate.testing.messages import RefusalError, Request

STOP_EDITS = ("Workflow", "finalizePublication", "FileValidationFailed", "DcmUpload", "GlobusUpload", "EditInProgress")


def edited(server: FakeDataverse, dataset: Dataset) -> Version:
    """Return the draft, opened from the latest version when there is none; its time is now."""
    if not dataset.latest.is_draft:
        dataset.versions.insert(0, dataset.latest.copy(server.world.new_id()))
    dataset.latest.updated = now()
    return dataset.latest


def lock_against(server: FakeDataverse, dataset: Dataset, user: User) -> str:
    """Return the lock that stops an edit by somebody, "" when none does."""
    kinds = STOP_EDITS if server.since(5, 14) else (*STOP_EDITS, "Ingest")
    if not user.is_curator and not user.is_superuser:
        kinds = (*kinds, "InReview")  # curators edit during a review, authors do not
    return next((lock.kind for lock in dataset.locks if lock.kind in kinds), "")


def to_edit(server: FakeDataverse, request: Request, permission: str = "EditDataset") -> tuple[User, Dataset]:
    """Return who edits which dataset, when that person may and nothing stops it.

    Raises
    ------
    RefusalError
        404, 401 without the right, 403 while it is locked.
    """
    user = server.user(request)
    dataset = server.dataset(request)
    if not server.may_edit(user, dataset):
        raise not_permitted(user.name, permission)
    if lock := lock_against(server, dataset, user):
        raise RefusalError(403, f"Dataset cannot be edited due to {lock} lock.")
    return user, dataset


def seen(server: FakeDataverse, user: User, dataset: Dataset, name: str) -> Version:
    """Return a version by ``:draft``, ``:latest``, ``:latest-published``, ``2`` or ``2.1``.

    Raises
    ------
    RefusalError
        401 for a draft somebody may not see, 404 when there is none.
    """
    may_see = server.may_edit(user, dataset)
    if name == ":draft" or (name == ":latest" and may_see and dataset.latest.is_draft):
        if not may_see:
            raise not_permitted(user.name, "ViewUnpublishedDataset")
        found = dataset.latest if dataset.latest.is_draft else None
    elif name in (":latest", ":latest-published"):
        found = dataset.latest_published
        if found is None and name == ":latest":
            raise not_permitted(user.name, "ViewUnpublishedDataset")
    else:
        found = _numbered(dataset, name)
    if found is None:
        raise RefusalError(404, f"Dataset version {name} of dataset {dataset.id} not found")
    return found


def _numbered(dataset: Dataset, name: str) -> Version | None:
    parts = name.split(".")
    if not all(part.isdecimal() for part in parts) or len(parts) > 2:
        raise RefusalError(400, f"Illegal version identifier '{name}'")
    wanted = tuple(int(part) for part in parts)
    return next((one for one in dataset.versions if one.number and one.number[: len(wanted)] == wanted), None)
