# SPDX-License-Identifier: Apache-2.0
"""Random changes to training patches that leave the meaning of the labels as it is.

Each function is a pure function of its arguments and of the state of the generator it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any, TypeVar, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from sidecrate.science.padding import Grey, Integers, Triple

V = TypeVar("V", bound=np.generic)

KNOT_VOXELS = 16  # distance of the control points of the deformation, in voxels of the finest axis
SD_VOXELS = 1  # largest standard deviation of the displacement, in voxels of the finest axis
REACH_VOXELS = 3  # largest displacement, in voxels of the finest axis


def exchangeable(voxel_nm: Sequence[float]) -> list[Triple]:
    """Return the orders of the axes that keep the voxel spacing (within 1 %): right-angle rotations."""
    same = np.isclose(np.subtract.outer(np.log(voxel_nm), np.log(voxel_nm)), 0, atol=0.01)
    return [(z, y, x) for z, y, x in permutations((0, 1, 2)) if same[0, z] and same[1, y] and same[2, x]]


def reach(voxel_nm: Sequence[float]) -> Triple:
    """Return the margin of voxels on each side that `deform` needs around a patch."""
    z, y, x = (int(np.ceil(REACH_VOXELS * min(voxel_nm) / step)) for step in voxel_nm)
    return z, y, x


def displacement(shape: Sequence[int], voxel_nm: Sequence[float], fixed: Integers, rng: Generator) -> Grey:
    """Return a smooth random displacement in voxels, shape (3, z, y, x): a cubic B-spline (Çiçek et al. 2016).

    The voxel `fixed` stays where it is, so that a thin label a patch was drawn for is not moved out of it.
    """
    finest = min(voxel_nm)
    bases = [_spline_basis(size, KNOT_VOXELS * finest / step) for size, step in zip(shape, voxel_nm, strict=True)]
    knots = rng.standard_normal((3, *(basis.shape[1] for basis in bases)), dtype=np.float32)
    sd = rng.uniform(0, SD_VOXELS) * finest / np.asarray(voxel_nm, np.float32)
    limit = REACH_VOXELS * finest / np.asarray(voxel_nm, np.float32)
    field: Grey = np.einsum("cijk,zi,yj,xk->czyx", knots, *bases, optimize=True)
    z, y, x = fixed
    field = (field - _column(field[:, z, y, x])) * _column(sd)
    return np.asarray(np.clip(field, -_column(limit), _column(limit)), np.float32)


def deform(patch: NDArray[V], field: Grey, order: int) -> NDArray[V]:
    """Return the centre of `patch`, the size of `field`, sampled where the field points to.

    Linear between voxels for order 1 (grey values), nearest for order 0 (labels). The margin around the centre
    must be at least `reach`.
    """
    size = np.asarray(field.shape[1:])
    margin = (np.asarray(patch.shape) - size) // 2
    grid = [np.arange(count, dtype=np.float32) + low for count, low in zip(size, margin, strict=True)]
    coordinates = field + np.stack(np.meshgrid(*grid, indexing="ij"))
    sampled = map_coordinates(patch, coordinates, order=order, prefilter=False, mode="nearest", output=patch.dtype)
    return cast("NDArray[V]", sampled)


def orient(patch: NDArray[V], order: Triple, flips: NDArray[np.bool_]) -> NDArray[V]:
    """Return the patch with its axes in another order, some of them reversed."""
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return patch.transpose(order)[steps]


def intensity(patch: Grey, rng: Generator) -> Grey:
    """Return the normalised grey values with a random gain, offset, gamma and noise.

    Structures may differ by half a standard deviation only, so changes stay well below that.
    """
    gain, offset, gamma = np.exp(rng.normal(0, 0.1)), rng.normal(0, 0.1), rng.normal(0, 0.03)
    noise = rng.standard_normal(patch.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.1))
    curved = patch + np.float32(gamma) * (patch * patch - 1)  # a gamma curve to second order, mean and sd kept
    return np.asarray(curved * np.float32(gain) + np.float32(offset) + noise, np.float32)


def _spline_basis(count: int, spacing: float) -> Grey:
    """Return the weight of each control point (columns) at each voxel (rows); scaled to unit variance."""
    position = np.arange(count) / spacing
    points = np.arange(-1, int(position[-1]) + 3)
    distance = np.abs(position[:, None] - points[None, :])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    basis = np.where(distance < 1, near, far)
    return np.asarray(basis / np.sqrt((basis**2).sum(1, keepdims=True)), np.float32)


def _column(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(3, 1, 1, 1)
