# SPDX-License-Identifier: Apache-2.0
"""Sums over every slice of a volume along all three axes in one pass, and planes cut from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidecrate.science.blocks import Blocked, Box, Shape

AXES = "zyx"


class SliceSums:
    """A sum for each slice along z, y and x, filled block by block with integers."""

    def __init__(self, shape: Shape) -> None:
        self.along = tuple(np.zeros(n, np.int64) for n in shape)

    def add(self, box: Box, block: NDArray[Any]) -> None:
        """Add a block of integers or booleans that lies at `box`."""
        for axis, side in enumerate(box):
            others = tuple(other for other in range(3) if other != axis)
            self.along[axis][side] += block.sum(axis=others, dtype=np.int64)


@dataclass(frozen=True)
class Slice:
    """One slice of a volume: its axis (0, 1, 2 for z, y, x) and index."""

    axis: int
    index: int

    @property
    def name(self) -> str:
        """Return a name such as ``z017``."""
        return f"{AXES[self.axis]}{self.index:03d}"

    @property
    def title(self) -> str:
        """Return a name for people, ``slice z 17``."""
        return f"slice {AXES[self.axis]} {self.index}"

    def pixel_nm(self, voxel_nm: tuple[float, float, float]) -> tuple[float, float]:
        """Return height and width of a pixel of the plane."""
        row, column = (nm for axis, nm in enumerate(voxel_nm) if axis != self.axis)
        return row, column

    def plane(self, volume: Blocked) -> NDArray[Any]:
        """Return the 2D slice of a volume that can be read anywhere."""
        z, y, x = (slice(0, n) for n in volume.shape)
        box = [z, y, x]
        box[self.axis] = slice(self.index, self.index + 1)
        plane: NDArray[Any] = np.take(volume.read((box[0], box[1], box[2])), 0, axis=self.axis)
        return plane


def ranked(scores: Sequence[NDArray[Any]]) -> Iterator[Slice]:
    """Yield slices by falling score, those with a score above 0; `scores` holds one array an axis."""
    axes = np.concatenate([np.full(len(s), axis) for axis, s in enumerate(scores)])
    index = np.concatenate([np.arange(len(s)) for s in scores])
    score = np.concatenate(scores)
    for place in np.argsort(-score, kind="stable"):
        if score[place] > 0:
            yield Slice(int(axes[place]), int(index[place]))


def least_gap(length: int) -> int:
    """Return how far apart chosen slices of an axis of this length must be: 5 % of it, at least 2."""
    return max(2, round(0.05 * length))


def spread(slices: Iterable[Slice], shape: Shape) -> Iterator[Slice]:
    """Yield slices, but none nearer than the least gap to one on the same axis yielded before."""
    taken: list[Slice] = []
    for one in slices:
        gap = least_gap(shape[one.axis])
        if all(other.axis != one.axis or abs(other.index - one.index) >= gap for other in taken):
            taken.append(one)
            yield one
