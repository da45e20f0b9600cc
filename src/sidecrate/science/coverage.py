# SPDX-License-Identifier: Apache-2.0
"""How much of a volume was labelled, and how far the rest is from any label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt

from sidecrate.artifacts import Json
from sidecrate.science.sources import SCAN, Source, blocks

_CELL = 8  # voxels an axis of the cells that distances are measured between


def coverage(source: Source, voxel_nm: Sequence[float]) -> Json:
    """Return the labelled share of a volume and the distances to the nearest label in nm, to 8 voxels.

    The distances are those of all cells of 8 x 8 x 8 voxels to the nearest cell that holds a label.
    """
    shape = source.image.shape
    cells = np.zeros([-(-size // SCAN) * SCAN // _CELL for size in shape], bool)
    for start, size in blocks(source.within):
        labelled = source.read_labels(start, size) > 0
        split = labelled.reshape([part for length in size for part in (length // _CELL, _CELL)])
        z, y, x = (slice(low // _CELL, (low + length) // _CELL) for low, length in zip(start, size, strict=True))
        cells[z, y, x] = split.any(axis=(1, 3, 5))
    inside = cells[tuple(slice(-(-size // _CELL)) for size in shape)]
    distance = distance_transform_edt(~inside, sampling=[step * _CELL for step in voxel_nm])
    return {
        "labelled_share": round(float(source.counts.sum() / np.prod(shape)), 6),
        "nearest_label_nm": {
            "median": round(float(np.median(distance)), 1),
            "largest": round(float(distance.max()), 1),
        },
    }
