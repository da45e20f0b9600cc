# SPDX-License-Identifier: Apache-2.0
"""Which patches a training sees: found around labelled voxels, drawn as a function of (seed, iteration).

Labels are often thin: one painted slice in a volume. A patch whose output is a plate along that slice holds ten
times as many labelled voxels for the same work as a cube, so thin labels are met with plates and boxes with cubes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sidecrate.science import augment
from sidecrate.science.padding import Grey, Integers, Labels, Triple, box, read_mirrored
from sidecrate.science.sources import DENSE, Centres, Source
from sidecrate.science.unet import Plan

_DEFORMED = 0.5  # share of the patches that are deformed: the dearest augmentation


@dataclass(frozen=True)
class Batch:
    """Patches of one shape: grey values (n, z, y, x) with their halo, labels (n, z', y', x') without."""

    grey: Grey
    labels: Labels


@dataclass(frozen=True)
class Normalisation:
    """What grey values are shifted and scaled by before the net sees them: taken once, kept with the model."""

    mean: float
    sd: float

    def __call__(self, grey: NDArray[np.generic]) -> Grey:
        """Return the grey values as float32 of mean 0 and standard deviation 1."""
        return (grey.astype(np.float32) - np.float32(self.mean)) / np.float32(self.sd)


class Sampler:
    """Draws batches; batch number i is the same whenever and however often it is asked for.

    Each batch takes labels that are thin along one axis (or dense ones), its patches a class at random each, and
    a labelled voxel of that class anywhere in the patch.

    Parameters
    ----------
    sources : sequence of Source
        At least one labelled voxel in all.
    plan : Plan
    voxel_nm : sequence of float
    normalisation : Normalisation
    patch_voxels : int
        Input voxels of a patch at most, as far as the halo leaves a choice.
    size : int
        Patches of a batch.
    seed : int
    augmented : bool
        Whether grey values and shapes are changed; flips and right-angle rotations always are.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        plan: Plan,
        voxel_nm: Sequence[float],
        normalisation: Normalisation,
        *,
        patch_voxels: int,
        size: int,
        seed: int,
        augmented: bool = True,
    ) -> None:
        self._sources, self._plan, self._voxel_nm = sources, plan, tuple(voxel_nm)
        self._normalisation, self._size, self._seed = normalisation, size, seed
        self._reach = augment.reach(voxel_nm) if augmented else (0, 0, 0)
        self._augmented = augmented
        self._orders = augment.exchangeable(voxel_nm)
        self._groups = self._group([Centres.find(source) for source in sources])
        extent = np.max([source.image.shape for source in sources], axis=0)
        extent = np.min([extent[list(order)] for order in self._orders], axis=0)
        self.shapes = [patch_shape(plan, voxel_nm, thin, extent, patch_voxels) for thin in (0, 1, 2, DENSE)]

    def batch(self, iteration: int) -> Batch:
        """Return batch number `iteration`."""
        rng = np.random.default_rng([self._seed, iteration])
        sizes = np.array([sum(len(rows) for rows in classes) for _, classes in self._groups], float)
        axes, classes = self._groups[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
        along = int(rng.choice(axes))
        patches = [self._patch(rng.choice(classes[rng.integers(len(classes))]), along, rng) for _ in range(self._size)]
        return Batch(np.stack([grey for grey, _ in patches]), np.stack([labels for _, labels in patches]))

    def _group(self, centres: Sequence[Centres]) -> list[tuple[list[int], list[NDArray[np.int32]]]]:
        """Return for each set of exchangeable thin axes the rows (source, thin, z, y, x) of each class."""
        rows = np.concatenate(
            [np.column_stack([np.full(len(c.thin), i), c.thin, c.voxels]) for i, c in enumerate(centres)]
        ).astype(np.int32)
        values = np.concatenate([c.values for c in centres])
        groups = []
        for axes in [*sorted({tuple(sorted({o[a] for o in self._orders})) for a in range(3)}), (DENSE,)]:
            inside = np.isin(rows[:, 1], axes)
            if inside.any():
                classes = [rows[inside & (values == value)] for value in np.unique(values[inside])]
                groups.append((list(axes), classes))
        return groups

    def _patch(self, row: NDArray[np.int32], along: int, rng: Generator) -> tuple[Grey, Labels]:
        """Return a patch that holds a labelled voxel, turned so that its thin axis becomes `along`."""
        source, thin = self._sources[row[0]], int(row[1])
        orders = [order for order in self._orders if along == DENSE or order[along] == thin]
        order = orders[rng.integers(len(orders))]
        shape = np.empty(3, np.intp)
        shape[list(order)] = self.shapes[along]
        start = row[2:] - rng.integers(0, shape)
        start = np.clip(start, 0, np.maximum(0, np.subtract(source.image.shape, shape)))
        grey, labels = self._read(source, start, shape, row[2:] - start, rng)
        flips = rng.integers(0, 2, 3).astype(np.bool_)
        grey, labels = augment.orient(grey, order, flips), augment.orient(labels, order, flips)
        return augment.intensity(grey, rng) if self._augmented else grey, labels

    def _read(
        self, source: Source, start: Integers, shape: Integers, sought: Integers, rng: Generator
    ) -> tuple[Grey, Labels]:
        """Return grey values with halo and labels without of the output box at `start`, perhaps deformed."""
        bend = self._augmented and rng.random() < _DEFORMED
        margin = np.asarray(self._reach) if bend else np.zeros(3, int)
        frame = np.add(self._plan.halo, margin)
        grey = self._normalisation(read_mirrored(source.image, np.subtract(start, frame), np.add(shape, 2 * frame)))
        labels = source.read_labels(np.subtract(start, margin), np.add(shape, 2 * margin))
        if not bend:
            return grey, labels
        field = augment.displacement(
            np.add(shape, 2 * np.asarray(self._plan.halo)), self._voxel_nm, np.add(sought, self._plan.halo), rng
        )
        z, y, x = box(self._plan.halo, np.add(self._plan.halo, shape))
        return augment.deform(grey, field, 1), augment.deform(labels, field[:, z, y, x], 0)


def patch_shape(plan: Plan, voxel_nm: Sequence[float], thin: int, extent: Sequence[int], patch_voxels: int) -> Triple:
    """Return the largest output box, as long in nm on each axis, whose input has at most `patch_voxels`.

    It is as small as the net allows along the axis `thin`, and on no axis larger than it must be to cover `extent`.
    """
    best = plan.output_shape(plan.input_shape((1, 1, 1)))
    for step in count(1):
        length = step * min(voxel_nm) * max(plan.stride)
        wanted = [1 if axis == thin else min(round(length / voxel_nm[axis]), int(extent[axis])) for axis in range(3)]
        inputs = plan.input_shape([max(1, size) for size in wanted])
        if np.prod(inputs) > patch_voxels:
            return best
        best = plan.output_shape(inputs)
        if all(axis == thin or wanted[axis] == extent[axis] for axis in range(3)):
            return best
    raise AssertionError("unreachable")
