# SPDX-License-Identifier: Apache-2.0
"""Limits, and what lies in the bucket for a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.state import Dataset
from sidecrate.testing.messages import RefusalError
from sidecrate.testing.objectstore import StoredObject


def key_of(dataset: Dataset, storage_id: str) -> str:
    """Return the object's key for a storage identifier."""
    return f"{dataset.pid.removeprefix('doi:')}/{storage_id.rpartition(':')[2]}"


def find(server: FakeDataverse, dataset: Dataset, storage_id: str) -> StoredObject | None:
    """Return the object a storage identifier of this dataset stands for."""
    if not storage_id.startswith(f"s3://{server.store.bucket}:"):
        return None
    return server.store.objects.get(key_of(dataset, storage_id))


def register(server: FakeDataverse, storage_id: str) -> None:
    """Note that an object is not temporary any more."""
    ending = f"/{storage_id.rpartition(':')[2]}"
    for key, stored in server.store.objects.items():
        if key.endswith(ending):
            stored.is_temporary = False


def check_limits(server: FakeDataverse, dataset: Dataset, sizes: Sequence[int]) -> None:
    """Refuse files that are too large, too much or too many.

    Raises
    ------
    RefusalError
        400.
    """
    limits = server.settings
    for size in sizes:
        if limits.max_file_bytes is not None and size > limits.max_file_bytes:
            raise RefusalError(400, f"This file size ({size} B) exceeds the size limit of {limits.max_file_bytes} B.")
    if limits.quota_bytes is not None and dataset.bytes + sum(sizes) > limits.quota_bytes:
        left = max(limits.quota_bytes - dataset.bytes, 0)
        raise RefusalError(400, f"This file size exceeds the remaining storage quota of {left} B.")
    if limits.max_files is not None and len(dataset.latest.entries) + len(sizes) > limits.max_files:
        raise RefusalError(400, f"Cannot add {len(sizes)} file(s): the dataset is limited to {limits.max_files} files.")
