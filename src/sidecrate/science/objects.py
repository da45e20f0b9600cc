# SPDX-License-Identifier: Apache-2.0
"""Connected components and their integer measures, identical for every block size.

Each block is labelled by itself; labels that touch across a face, edge or corner of a block are united, and a
component is numbered by the rank of its smallest raster index (Rosenfeld & Pfaltz 1966). Everything that is
kept of an object is an integer (counts, coordinate sums, extremes), so the order of the blocks cannot matter:
one divides only once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array, csgraph

from sidecrate.errors import InputError
from sidecrate.science.blocks import Blocked, Box, Shape, with_low_halo

Ints: TypeAlias = NDArray[np.int64]

_RANK = {6: 1, 18: 2, 26: 3}  # neighbours that share a face; an edge too; a corner too


@dataclass(frozen=True)
class Objects:
    """One row an object, ascending by id.

    Attributes
    ----------
    ids : (n,) int64
    first_voxel : (n,) int64
        Smallest raster index of the object's voxels.
    voxels : (n,) int64
    coordinate_sums, lower, upper : (n, 3) int64
        Sums of the voxel coordinates; bounding box, `upper` exclusive; z, y, x.
    """

    ids: Ints
    first_voxel: Ints
    voxels: Ints
    coordinate_sums: Ints
    lower: Ints
    upper: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def centroids(self) -> NDArray[np.float64]:
        """Return the mean voxel coordinates, (n, 3), z, y, x."""
        return self.coordinate_sums / self.voxels[:, None]

    def touches_border(self, shape: Shape) -> NDArray[np.bool_]:
        """Return which objects have a voxel in an outermost layer of a volume of this shape."""
        touches: NDArray[np.bool_] = ((self.lower == 0) | (self.upper == np.array(shape))).any(axis=1)
        return touches

    def select(self, keep: NDArray[np.bool_]) -> Objects:
        """Return the rows where `keep` is true; ids stay as they are."""
        return Objects(*(getattr(self, field.name)[keep] for field in fields(self)))


def label_components(mask: Blocked, connectivity: int = 26) -> tuple[Blocked, Objects]:
    """Return the component ids of a mask (0 outside) and the table of components.

    Ids are 1, 2, … in the order of the components' smallest raster index, the same for every block size.

    Parameters
    ----------
    mask : Blocked of bool
    connectivity : {6, 18, 26}
        Voxels are neighbours when they share a face, also an edge, also a corner.

    Raises
    ------
    InputError
        Another connectivity.
    """
    if connectivity not in _RANK:
        raise InputError(f"connectivity {connectivity}: give 6, 18 or 26")
    provisional = _Provisional(mask, connectivity)
    steps = _half_steps(connectivity)
    parts: list[Objects] = []
    pairs = [np.zeros((2, 0), np.int64)]
    for box, padded in with_low_halo(Blocked(mask.shape, mask.block, provisional.read)):
        core = padded[1:, 1:-1, 1:-1]
        if core.any():
            parts.append(_tabulate(core, box, mask.shape))
            pairs.append(_touching_pairs(padded, steps))
    parent = _unite(np.concatenate(pairs, axis=1), provisional.total)
    objects, names = _number(_concatenate(parts), parent)
    return Blocked(mask.shape, mask.block, lambda box: names[provisional.read(box)]), objects


def tabulate_instances(ids: Blocked) -> Objects:
    """Return the table of objects whose ids are given (0 is background); ids need not be connected."""
    parts = [_tabulate(ids.read(box), box, ids.shape) for box in ids.boxes()]
    return _merge(_concatenate(parts))


def keep_objects(ids: Blocked, kept: Ints) -> Blocked:
    """Return the volume with every id that is not among the sorted `kept` set to 0."""
    return ids.map(lambda block: np.where(rows_of(kept, block) >= 0, block, 0))


def rows_of(kept: Ints, block: NDArray[Any]) -> Ints:
    """Return for each voxel the row of its id in the sorted `kept`, or -1."""
    if len(kept) == 0:
        return np.full(block.shape, -1, np.int64)
    row = np.searchsorted(kept, block)
    row[row == len(kept)] = 0
    return np.where(kept[row] == block, row, -1)


class _Provisional:
    """Labels of single blocks, made distinct by a number a block; read again, a block gives the same."""

    def __init__(self, mask: Blocked, connectivity: int) -> None:
        self._mask = mask
        self._structure = ndimage.generate_binary_structure(3, _RANK[connectivity])
        self._starts: dict[tuple[int, ...], int] = {}
        self.total = 0

    def read(self, box: Box) -> Ints:
        mask = self._mask.read(box)
        corner = tuple(side.start for side in box)
        if not mask.any():
            return np.zeros(mask.shape, np.int64)
        labels, count = ndimage.label(mask, self._structure)
        if corner not in self._starts:
            self._starts[corner] = self.total
            self.total += count
        return np.where(labels > 0, labels + np.int64(self._starts[corner]), 0)


def _half_steps(connectivity: int) -> list[tuple[int, ...]]:
    """Return one of each pair of opposite neighbour steps: 3, 9 or 13."""
    steps = product((-1, 0, 1), repeat=3)
    return [step for step in steps if step > (0, 0, 0) and np.abs(step).sum() <= _RANK[connectivity]]


def _touching_pairs(padded: Ints, steps: list[tuple[int, ...]]) -> Ints:
    """Return the pairs of different labels that touch at the faces of a block, (2, n)."""
    slabs = (padded[:2], padded[:, :2], padded[:, -2:], padded[:, :, :2], padded[:, :, -2:])
    pairs = [_pairs_at(slab, step) for slab in slabs for step in steps]
    return np.unique(np.concatenate(pairs, axis=1), axis=1)


def _pairs_at(slab: Ints, step: tuple[int, ...]) -> Ints:
    """Return the pairs (label, label one step further) that differ and are not background."""
    here = slab[tuple(slice(max(0, -d), min(n, n - d)) for d, n in zip(step, slab.shape, strict=True))]
    there = slab[tuple(slice(max(0, d), min(n, n + d)) for d, n in zip(step, slab.shape, strict=True))]
    differ = (here > 0) & (there > 0) & (here != there)
    return np.stack([here[differ], there[differ]])


def _unite(pairs: Ints, total: int) -> Ints:
    """Return for each provisional label 0…total the number of its connected group."""
    ones = np.ones(pairs.shape[1], np.int8)
    graph = coo_array((ones, (pairs[0], pairs[1])), shape=(total + 1, total + 1))
    groups: Ints = csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def _tabulate(block: NDArray[Any], box: Box, shape: Shape) -> Objects:
    """Return the rows of the ids in one block, in coordinates of the whole volume."""
    where = np.flatnonzero(block)
    ids, local = _compact(block.ravel()[where])
    origin = np.array([side.start for side in box], np.int64)
    coordinates = np.stack(np.unravel_index(where, block.shape)) + origin[:, None]
    first = np.zeros(len(ids), np.int64)
    first[local[::-1]] = np.ravel_multi_index(tuple(coordinates), shape)[::-1]
    voxels = np.bincount(local, minlength=len(ids))
    sums, lower, upper = (np.zeros((len(ids), 3), np.int64) for _ in range(3))
    compact = np.zeros(block.shape, np.int32)
    compact.ravel()[where] = local + 1
    for row, extent in enumerate(ndimage.find_objects(compact)):
        lower[row] = [side.start for side in extent] + origin
        upper[row] = [side.stop for side in extent] + origin
    for axis in range(3):
        # float64 weights are exact here: a block's sum of coordinates stays far below 2**53
        sums[:, axis] = np.bincount(local, weights=coordinates[axis], minlength=len(ids))
    return Objects(ids, first, voxels, sums, lower, upper)


def _compact(values: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return the sorted distinct values and the place of each value among them."""
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if high - low > 4 * len(values):
        ids, local = np.unique(values, return_inverse=True)
        return ids.astype(np.int64), local
    shifted = values.astype(np.int64) - low  # ids of one block mostly lie close together: no need to sort
    counts = np.bincount(shifted)
    return np.flatnonzero(counts) + low, (np.cumsum(counts > 0) - 1)[shifted]


def _concatenate(parts: list[Objects]) -> Objects:
    nothing = Objects(*(np.zeros((0, 3)[:d], np.int64) for d in (1, 1, 1, 2, 2, 2)))
    return Objects(*(np.concatenate([getattr(p, f.name) for p in [nothing, *parts]]) for f in fields(Objects)))


def _merge(parts: Objects) -> Objects:
    """Return one row an id from rows of several blocks."""
    ids, row = np.unique(parts.ids, return_inverse=True)
    count = len(ids)
    most = np.iinfo(np.int64).max
    merged = Objects(
        ids,
        np.full(count, most),
        np.zeros(count, np.int64),
        np.zeros((count, 3), np.int64),
        np.full((count, 3), most),
        np.zeros((count, 3), np.int64),
    )
    np.minimum.at(merged.first_voxel, row, parts.first_voxel)
    np.add.at(merged.voxels, row, parts.voxels)
    np.add.at(merged.coordinate_sums, row, parts.coordinate_sums)
    np.minimum.at(merged.lower, row, parts.lower)
    np.maximum.at(merged.upper, row, parts.upper)
    return merged


def _number(parts: Objects, parent: Ints) -> tuple[Objects, Ints]:
    """Return the table of united components and the final id of each provisional label."""
    groups = _merge(Objects(parent[parts.ids], *(getattr(parts, f.name) for f in fields(parts)[1:])))
    order = np.argsort(groups.first_voxel)
    names = np.zeros(parent.max() + 1, np.int64)
    names[groups.ids[order]] = np.arange(1, len(groups) + 1)
    ordered = [getattr(groups, f.name)[order] for f in fields(groups)[1:]]
    return Objects(np.arange(1, len(groups) + 1), *ordered), names[parent]
