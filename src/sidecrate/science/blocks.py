# SPDX-License-Identifier: Apache-2.0
"""Volumes read one block at a time, so that memory follows the block and not the volume.

A `Blocked` volume is lazy: a threshold, a union of classes or a labelling is computed when its block is read
and thrown away afterwards. Blocks are visited in raster order, and `with_low_halo` hands each block out
together with the voxels just below it, kept from the blocks already visited: nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Box: TypeAlias = tuple[slice, slice, slice]
Shape: TypeAlias = tuple[int, int, int]

BLOCK: Shape = (128, 128, 128)
SMALL_BYTES = 1 << 26


class ArrayLike(Protocol):
    """Anything with a shape and a type that gives a numpy array for a tuple of slices: numpy, zarr, h5py, dask."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the number of voxels along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of a voxel."""

    def __getitem__(self, box: Any, /) -> Any:
        """Return the voxels of a box."""


@dataclass(frozen=True)
class Blocked:
    """A 3D volume that is read block by block.

    Attributes
    ----------
    shape : tuple of int
        Number of voxels, z, y, x.
    block : tuple of int
        Edge lengths of a block. It decides memory and speed, never a result.
    read : callable
        Box → array. Only the boxes of `boxes` may be asked for.
    """

    shape: Shape
    block: Shape
    read: Callable[[Box], NDArray[Any]]

    def boxes(self) -> Iterator[Box]:
        """Yield the boxes of all blocks in raster order."""
        starts = (range(0, n, b) for n, b in zip(self.shape, self.block, strict=True))
        for corner in product(*starts):
            z, y, x = (
                slice(start, min(start + b, n)) for start, b, n in zip(corner, self.block, self.shape, strict=True)
            )
            yield z, y, x

    def map(self, function: Callable[..., NDArray[Any]], *others: Blocked) -> Blocked:
        """Return the volume `function(self, *others)`, computed block by block when it is read."""
        sources = (self, *others)
        return Blocked(self.shape, self.block, lambda box: function(*(s.read(box) for s in sources)))


def blocked(array: ArrayLike, block: Shape = BLOCK, channel: int | None = None) -> Blocked:
    """Return an array-like (z, y, x, or one channel of c, z, y, x) as a `Blocked` volume.

    A volume of up to 64 MiB is read at once: a measurement passes over it ten times.
    """
    z, y, x = array.shape[-3:]
    lead = () if channel is None else (channel,)
    if z * y * x * array.dtype.itemsize <= SMALL_BYTES:
        whole = np.asarray(array[(*lead, slice(0, z), slice(0, y), slice(0, x))])
        return Blocked((z, y, x), block, lambda box: whole[box])
    return Blocked((z, y, x), block, lambda box: np.asarray(array[(*lead, *box)]))


def with_low_halo(source: Blocked) -> Iterator[tuple[Box, NDArray[Any]]]:
    """Yield each block with a border of one voxel taken from the blocks visited before it.

    The array is one longer than the block in z and two in y and x; the block is ``[1:, 1:-1, 1:-1]``.
    Border voxels outside the volume, or in blocks still to come, are 0. So each pair of touching voxels is seen
    together at least once, and each 2x2x2 cell just once if a cell belongs to the block it ends in.

    Memory: one block, one plane and one row of blocks' faces.
    """
    _, height, width = source.shape
    below = here = behind = front = left = np.zeros(0)
    for box in source.boxes():
        z, y, x = box
        core = source.read(box)
        if y.start == 0 and x.start == 0:
            below = here if z.start else np.zeros((height + 2, width + 2), core.dtype)
            here = np.zeros_like(below)
        if x.start == 0:
            behind = front if y.start else np.zeros((len(core), width + 2), core.dtype)
            front = np.zeros_like(behind)
            left = np.zeros(core.shape[:2], core.dtype)
        depth, rows, columns = core.shape
        padded = np.zeros((depth + 1, rows + 2, columns + 2), core.dtype)
        padded[0] = below[y.start : y.stop + 2, x.start : x.stop + 2]
        padded[1:, 0] = behind[:, x.start : x.stop + 2]
        padded[1:, 1:-1, 0] = left
        padded[1:, 1:-1, 1:-1] = core
        here[y.start + 1 : y.stop + 1, x.start + 1 : x.stop + 1] = core[-1]
        front[:, x.start + 1 : x.stop + 1] = core[:, -1]
        left = core[:, :, -1]
        yield box, padded
