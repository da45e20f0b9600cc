# SPDX-License-Identifier: Apache-2.0
"""What a training learns from: grey volumes, their sparse labels, and where the labelled voxels are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from sidecrate.science.blocks import ArrayLike
from sidecrate.science.padding import Bounds, Integers, Labels, Triple, box, read_unlabelled

DENSE = 3  # in the place of an axis: labels that are not thin along any

SCAN = 64  # block of one reading, voxels an axis
_NEAR = 4  # labels are thin along an axis when most voxels this near along it are unlabelled
_KEPT = 200_000  # voxels remembered per class and source; beyond, every n-th
_GREY_BLOCKS = 256  # blocks that the grey values are normalised by; spread evenly in larger volumes


@dataclass(frozen=True)
class Source:
    """A volume to learn from: grey values, labels (0 unlabelled), and the box whose labels may be used."""

    image: ArrayLike
    labels: ArrayLike
    within: Bounds

    @classmethod
    def whole(cls, image: ArrayLike, labels: ArrayLike) -> Source:
        """Return the source that may use every label of the volume."""
        z, y, x = image.shape
        return cls(image, labels, ((0, 0, 0), (z, y, x)))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Return the labelled voxels of each label number, 0…255 (unlabelled ones are not counted)."""
        counts = np.zeros(256, np.int64)
        for start, shape in blocks(self.within):
            counts += np.bincount(self.read_labels(start, shape).ravel(), minlength=256)
        counts[0] = 0
        return counts

    def read_labels(self, start: Integers, shape: Integers) -> Labels:
        """Return the labels of a box that may be used; 0 elsewhere."""
        return read_unlabelled(self.labels, start, shape, self.within)


@dataclass(frozen=True)
class Centres:
    """Labelled voxels to draw patches around: position, label, and the axis the labels there are thin along."""

    voxels: NDArray[np.int32]
    values: NDArray[np.uint8]
    thin: NDArray[np.uint8]

    @classmethod
    def find(cls, source: Source) -> Centres:
        """Return the labelled voxels of a source, evenly thinned out beyond 200 000 of a class."""
        every = np.maximum(1, -(-source.counts // _KEPT))
        seen = np.zeros(256, np.int64)
        found = [_centres(source, start, shape, every, seen) for start, shape in blocks(source.within)]
        return cls(*(np.concatenate(column) for column in zip(*found, strict=True)))


def blocks(within: Bounds) -> Iterator[tuple[Triple, Triple]]:
    """Yield start and shape of the blocks that cover a box, on the grid of 64 voxels, in raster order."""
    starts = [range(low - low % SCAN, high, SCAN) for low, high in zip(within[0], within[1], strict=True)]
    for z, y, x in product(*starts):
        yield (z, y, x), (SCAN, SCAN, SCAN)


def grey_statistics(images: Sequence[ArrayLike]) -> tuple[float, float]:
    """Return mean and standard deviation of the grey values, of at most 256 evenly spread blocks an image."""
    count, total, squares = 0, 0.0, 0.0
    for image in images:
        z, y, x = image.shape
        every = list(blocks(((0, 0, 0), (z, y, x))))
        for start, shape in every[:: -(-len(every) // _GREY_BLOCKS)]:
            grey = np.asarray(image[box(start, np.add(start, shape))], np.float64)
            count, total, squares = count + grey.size, total + grey.sum(), squares + (grey**2).sum()
    mean = total / count
    return float(mean), float(np.sqrt(max(0.0, squares / count - mean**2)))


def _centres(
    source: Source, start: Triple, shape: Triple, every: NDArray[np.int64], seen: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return every n-th labelled voxel of each class in a block; `seen` carries the counting on."""
    low = np.subtract(start, _NEAR)
    labels = source.read_labels(low, np.add(shape, 2 * _NEAR))
    inner = labels[box((_NEAR,) * 3, np.add(shape, _NEAR))]
    kept: list[NDArray[np.intp]] = [np.empty((0, 3), np.intp)]
    for value in np.unique(inner[inner > 0]):
        voxels = np.argwhere(inner == value)
        kept.append(voxels[-seen[value] % every[value] :: every[value]])
        seen[value] += len(voxels)
    voxels = np.concatenate(kept)
    values = inner[tuple(voxels.T)]
    thin = _thin_axis(labels > 0, voxels + _NEAR) if len(voxels) else values
    return (voxels + np.asarray(start)).astype(np.int32), values, thin


def _thin_axis(labelled: NDArray[np.bool_], voxels: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return the axis along which fewest neighbours are labelled, or DENSE where half of them are."""
    filled = [
        uniform_filter1d(labelled.astype(np.float32), 2 * _NEAR + 1, axis=axis, mode="constant")[tuple(voxels.T)]
        for axis in range(3)
    ]
    density = np.stack(filled)
    thin: NDArray[np.uint8] = density.argmin(axis=0).astype(np.uint8)
    thin[density.min(axis=0) > 0.5] = DENSE
    return thin
