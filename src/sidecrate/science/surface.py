# SPDX-License-Identifier: Apache-2.0
"""Surface area from counts of 2x2x2 voxel configurations.

The counts are integers, so they add up over blocks without rounding; weights are applied once, at the end.
Isotropic voxels: the 13 weights of Lindblad, Image and Vision Computing 23 (2005) 111-122. Other voxels: a
Crofton table of 13 line directions for the spacing (Lang, Ohser & Hilfer, J. Microscopy 203 (2001) 303-313;
Ohser & Mücklich 2000). Both are unbiased for closed curved bodies; a plane in one orientation can be off
by 7 %, so neither is meant for boxes.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import SphericalVoronoi

from sidecrate.science.blocks import Blocked, Box, with_low_halo
from sidecrate.science.objects import Ints, rows_of

Floats: TypeAlias = NDArray[np.float64]

# Corner k of a cell is (z, y, x) = the bits of k; configuration = sum of 2**k over the corners inside.
CORNERS = np.array(list(product((0, 1), repeat=3)))

# (corners inside or their complement, pairs of them joined by an edge, by a face diagonal) → area in units
# of a voxel face. The three keys tell all 13 classes of Lindblad's table 2 apart.
_LINDBLAD = {
    (0, 0, 0): 0.0,
    (1, 0, 0): 0.636,
    (2, 1, 0): 0.669,
    (2, 0, 1): 1.272,
    (2, 0, 0): 1.272,
    (3, 2, 1): 0.5537,
    (3, 1, 1): 1.305,
    (3, 0, 3): 1.908,
    (4, 4, 2): 0.927,
    (4, 3, 3): 0.4222,
    (4, 2, 2): 1.338,
    (4, 3, 2): 1.5731,
    (4, 2, 3): 1.1897,
    (4, 0, 6): 2.544,
}


def count_configurations(ids: Blocked, kept: Ints, *, closed: bool) -> Ints:
    """Return how often each 2x2x2 configuration occurs at each object, (n, 256).

    A cell that holds voxels of several objects counts once for each of them.

    Parameters
    ----------
    ids : Blocked of int
        Object ids, 0 is background.
    kept : (n,) int64, ascending
        The ids to count; others are background.
    closed : bool
        Whether cells that reach beyond the volume count, with nothing there: then an object cut by the
        volume is closed by the cut. Without them only surface seen in the volume is counted.
    """
    counts = np.zeros((len(kept), 256), np.int64)
    flat = counts.reshape(-1)
    for box, padded in with_low_halo(ids):
        if padded.any():
            whole, mixed = _cells(rows_of(kept, _with_outer_cells(padded, box, ids, closed)))
            np.add.at(flat, whole * 256 + 255, 1)
            _add_mixed(flat, mixed)
    return counts


def area_weights(voxel_nm: tuple[float, float, float]) -> tuple[str, Floats]:
    """Return the name of the estimator for a voxel size and its area of each configuration, (256,), nm²."""
    if max(voxel_nm) <= min(voxel_nm) * (1 + 1e-6):
        return "Lindblad 2005, 2x2x2 configurations", lindblad_weights() * voxel_nm[0] * voxel_nm[0]
    return "Crofton, 13 directions for the voxel size, 2x2x2 configurations", crofton_weights(voxel_nm)


def lindblad_weights() -> Floats:
    """Return the area of each configuration for voxels of edge 1, (256,)."""
    return np.array([_LINDBLAD[_configuration_class(c)] for c in range(256)])


def crofton_weights(voxel_nm: tuple[float, float, float]) -> Floats:
    """Return the area of each configuration, (256,), in the square of the unit of `voxel_nm`.

    Surface = 2 x (mean over directions of crossings a unit of line length) x volume: each of the 28 corner
    pairs of a cell is a piece of line, weighted by the part of the sphere nearest its direction (Voronoi)
    and divided by the number of cells that share the pair.
    """
    spacing = np.array(voxel_nm)
    steps = [np.array(step) for step in product((-1, 0, 1), repeat=3) if any(step)]
    directions = np.array([step * spacing / np.linalg.norm(step * spacing) for step in steps])
    shares = SphericalVoronoi(directions).calculate_areas() / (4 * np.pi)
    share = {tuple(step): 2 * part for step, part in zip(steps, shares, strict=True)}
    configurations = np.arange(256)
    weights = np.zeros(256)
    for a, b in combinations(range(8), 2):
        step = CORNERS[b] - CORNERS[a]
        cells_sharing = 2 ** (3 - np.abs(step).sum())
        length = np.linalg.norm(step * spacing)
        crossed = (configurations >> a & 1) != (configurations >> b & 1)
        weights += crossed * 2 * spacing.prod() * share[tuple(step)] / (length * cells_sharing)
    return weights


def _configuration_class(configuration: int) -> tuple[int, int, int]:
    """Return the key of a configuration in `_LINDBLAD`; a configuration and its complement share it."""
    inside = [k for k in range(8) if configuration >> k & 1]
    if len(inside) > 4:
        inside = [k for k in range(8) if not configuration >> k & 1]
    distances = [np.abs(CORNERS[a] - CORNERS[b]).sum() for a, b in combinations(inside, 2)]
    return len(inside), distances.count(1), distances.count(2)


def _with_outer_cells(padded: Ints, box: Box, ids: Blocked, closed: bool) -> Ints:
    """Return the voxels whose cells belong to a block: those that end in it, and beyond it at the rim."""
    at_start = [side.start == 0 for side in box]
    at_end = [side.stop == n for side, n in zip(box, ids.shape, strict=True)]
    extended = np.pad(padded, ((0, 1), (0, 0), (0, 0)))
    first = [int(start and not closed) for start in at_start]
    last = [n if end and closed else n - 1 for n, end in zip(extended.shape, at_end, strict=True)]
    z, y, x = (slice(a, b) for a, b in zip(first, last, strict=True))
    return extended[z, y, x]


def _cells(rows: Ints) -> tuple[Ints, Ints]:
    """Return the row of each cell that lies in one object, (n,), and the 8 corners of others, (8, m); -1 is none."""
    depth, height, width = (n - 1 for n in rows.shape)
    corners = [rows[z : z + depth, y : y + height, x : x + width] for z, y, x in CORNERS]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    mixed = high > low
    return low[~mixed & (low >= 0)], np.stack([corner[mixed] for corner in corners])


def _add_mixed(flat: Ints, cells: Ints) -> None:
    """Count each cell once for every object in it, the one with the highest row first."""
    while cells.size:
        top = cells.max(axis=0)
        same = cells == top
        configuration = (same.astype(np.int64) << np.arange(8)[:, None]).sum(axis=0)
        np.add.at(flat, top * 256 + configuration, 1)
        cells = np.where(same, -1, cells)
        cells = cells[:, cells.max(axis=0) >= 0]
