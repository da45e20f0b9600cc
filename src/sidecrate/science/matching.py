# SPDX-License-Identifier: Apache-2.0
"""Agreement of two segmentations: objects one to one, and the distance of their surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csgraph
from scipy.spatial import cKDTree

from sidecrate.science.blocks import Blocked, with_low_halo
from sidecrate.science.objects import Ints, Objects, rows_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Overlaps:
    """Voxels that objects of two segmentations have in a region, and share there.

    Attributes
    ----------
    first, second : (n,), (m,) int64
        Voxels of each object in the region.
    rows : (k, 2) int64
        Row in the first and in the second of each pair that shares voxels.
    shared : (k,) int64
    """

    first: Ints
    second: Ints
    rows: Ints
    shared: Ints

    @property
    def iou(self) -> Floats:
        """Return the intersection over union of each pair."""
        union = self.first[self.rows[:, 0]] + self.second[self.rows[:, 1]] - self.shared
        return self.shared / union


def count_overlaps(
    first_ids: Blocked, first: Objects, second_ids: Blocked, second: Objects, region: Blocked
) -> Overlaps:
    """Return the overlaps of two sets of objects inside a region, summed over the blocks."""
    width = len(second) + 1
    inside = [np.zeros(len(first) + 1, np.int64), np.zeros(width, np.int64)]
    pairs, shared = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for box in region.boxes():
        where = region.read(box)
        a = rows_of(first.ids, first_ids.read(box)[where])
        b = rows_of(second.ids, second_ids.read(box)[where])
        inside[0] += np.bincount(a + 1, minlength=len(first) + 1)
        inside[1] += np.bincount(b + 1, minlength=width)
        pair, count = np.unique((a * width + b)[(a >= 0) & (b >= 0)], return_counts=True)
        pairs.append(pair)
        shared.append(count)
    pair, place = np.unique(np.concatenate(pairs), return_inverse=True)
    total = np.zeros(len(pair), np.int64)
    np.add.at(total, place, np.concatenate(shared))
    return Overlaps(inside[0][1:], inside[1][1:], np.stack([pair // width, pair % width], axis=1), total)


def match_one_to_one(overlaps: Overlaps, min_iou: float) -> tuple[Ints, Floats]:
    """Return the pairs (row, row), (n, 2), of the one-to-one assignment with the largest sum of IoU, and the IoU.

    Pairs below `min_iou` are not considered. The assignment is solved for each group of objects that overlap,
    so its cost does not grow with the square of the number of objects.
    """
    enough = overlaps.iou >= min_iou
    rows, iou = overlaps.rows[enough], overlaps.iou[enough]
    if not len(rows):
        return np.zeros((0, 2), np.int64), np.zeros(0)
    count = len(overlaps.first) + len(overlaps.second)
    ends = (rows[:, 0], rows[:, 1] + len(overlaps.first))
    graph = coo_array((np.ones(len(rows)), ends), shape=(count, count))
    group = csgraph.connected_components(graph, directed=False)[1][rows[:, 0]]
    chosen = [_assign(np.flatnonzero(group == one), rows, iou) for one in np.unique(group)]
    kept = np.sort(np.concatenate(chosen))
    return rows[kept], iou[kept]


def _assign(candidates: Ints, rows: Ints, iou: Floats) -> Ints:
    """Return those of the candidate pairs that the best assignment uses."""
    if len(candidates) == 1:
        return candidates
    _, a = np.unique(rows[candidates, 0], return_inverse=True)
    _, b = np.unique(rows[candidates, 1], return_inverse=True)
    gain = np.zeros((a.max() + 1, b.max() + 1))
    gain[a, b] = iou[candidates]
    best = set(zip(*linear_sum_assignment(gain, maximize=True), strict=True))
    return candidates[[pair in best for pair in zip(a, b, strict=True)]]


def surface_voxels(mask: Blocked, region: Blocked) -> Ints:
    """Return the coordinates, (n, 3), of voxels of a mask that share a face with a voxel outside it.

    Both voxels must be inside the region: where it ends nothing is known, so there is no surface.
    """
    codes = region.map(lambda known, inside: known.astype(np.uint8) + 2 * (known & inside), mask)
    found = [np.zeros(0, np.int64)]
    for box, padded in with_low_halo(codes):
        high = padded[1:, 1:-1, 1:-1]
        for axis in range(3):
            step = np.eye(3, dtype=np.int64)[axis]
            low = padded[1 - step[0] : len(padded) - step[0], 1 - step[1] : -1 - step[1], 1 - step[2] : -1 - step[2]]
            for one, other, shift in ((high, low, 0 * step), (low, high, -step)):
                voxels = np.argwhere((one == 3) & (other == 1)) + [side.start for side in box] + shift
                found.append(np.ravel_multi_index(tuple(voxels.T), mask.shape))
    return np.stack(np.unravel_index(np.unique(np.concatenate(found)), mask.shape), axis=1).astype(np.int64)


def hausdorff(first: Ints, second: Ints, voxel_nm: tuple[float, float, float]) -> tuple[float, float]:
    """Return the symmetric Hausdorff distance of two point sets in nm, and its 95th percentile.

    The second is the larger of the two directed 95th percentiles. NaN when a set is empty.
    """
    if not (len(first) and len(second)):
        return np.nan, np.nan
    a, b = first * np.array(voxel_nm), second * np.array(voxel_nm)
    there, back = cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]
    return float(max(there.max(), back.max())), float(max(np.percentile(there, 95), np.percentile(back, 95)))
