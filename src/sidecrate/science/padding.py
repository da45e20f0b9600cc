# SPDX-License-Identifier: Apache-2.0
"""Reading boxes that reach beyond the faces of a volume; training and prediction read alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sidecrate.science.blocks import ArrayLike

Triple: TypeAlias = tuple[int, int, int]
Integers: TypeAlias = Sequence[int] | NDArray[Any]
Bounds: TypeAlias = tuple[Triple, Triple]
"""The first voxel of a box and the one beyond its last."""
Grey: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.uint8]


def read_mirrored(volume: ArrayLike, start: Integers, shape: Integers) -> NDArray[Any]:
    """Return the box `shape` at `start`; voxels beyond a face are mirrored at it (numpy's "symmetric")."""
    picks = [_mirror(int(low), int(n), size) for low, n, size in zip(start, shape, volume.shape, strict=True)]
    lows = [int(pick.min()) for pick in picks]
    block = np.asarray(volume[box(lows, [int(pick.max()) + 1 for pick in picks])])
    return block[np.ix_(*(pick - low for pick, low in zip(picks, lows, strict=True)))]


def read_unlabelled(volume: ArrayLike, start: Integers, shape: Integers, within: Bounds) -> Labels:
    """Return the labels of a box; what lies outside `within` counts as unlabelled, 0."""
    labels = np.zeros(tuple(shape), np.uint8)
    low = np.clip(start, *within)
    high = np.clip(np.add(start, shape), *within)
    if (high > low).all():
        labels[box(low - start, high - start)] = volume[box(low, high)]
    return labels


def box(start: Integers, stop: Integers) -> tuple[slice, slice, slice]:
    """Return the slices of a box."""
    z, y, x = (slice(int(low), int(high)) for low, high in zip(start, stop, strict=True))
    return z, y, x


def _mirror(start: int, count: int, size: int) -> NDArray[np.intp]:
    position = np.arange(start, start + count) % (2 * size)
    return np.minimum(position, 2 * size - 1 - position)
