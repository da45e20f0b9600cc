# SPDX-License-Identifier: Apache-2.0
"""Geometry of a rotated ellipsoid: distances, area, and points spread evenly on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation
from scipy.special import elliprg

Floats: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid in nanometres, axes z, y, x.

    Attributes
    ----------
    centre_nm, semi_axes_nm : array of float, shape (3,)
    rotation : array of float, shape (3, 3)
        Column ``i`` is the direction of semi-axis ``i``.
    """

    centre_nm: Floats
    semi_axes_nm: Floats
    rotation: Floats

    @classmethod
    def in_box(cls, low_nm: Floats, high_nm: Floats, ratios: Floats, tilt: Rotation) -> Ellipsoid:
        """Return the largest ellipsoid of these axis ratios and this tilt inside a box."""
        rotation = tilt.as_matrix()
        extent = np.sqrt(((rotation * ratios) ** 2).sum(axis=1))
        scale = np.min((high_nm - low_nm) / 2 / extent)
        return cls((low_nm + high_nm) / 2, ratios * scale, rotation)

    def distance_nm(self, points_nm: Floats) -> Floats:
        """Return the signed distance to the surface, negative inside, for points of shape (..., 3).

        First order (implicit function over its gradient): good near the surface, exact on it.
        """
        local = (points_nm - self.centre_nm.astype(points_nm.dtype)) @ self.rotation.astype(points_nm.dtype)
        scaled = local / self.semi_axes_nm.astype(points_nm.dtype)
        level = np.sqrt((scaled**2).sum(axis=-1))
        slope = np.sqrt(((scaled / self.semi_axes_nm.astype(points_nm.dtype)) ** 2).sum(axis=-1))
        at_centre = np.full_like(level, self.semi_axes_nm.min())
        ratio = np.divide(level, slope, out=at_centre, where=slope > 0)
        return np.asarray((level - 1) * ratio)

    @property
    def area_um2(self) -> float:
        """Surface area in square micrometres: 4 pi R_G(a2b2, a2c2, b2c2), DLMF 19.33.1."""
        a2, b2, c2 = (self.semi_axes_nm / 1000) ** 2
        return float(4 * np.pi * elliprg(a2 * b2, a2 * c2, b2 * c2))

    def random_surface_point(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return a point drawn uniformly by area and the outward unit normal there."""
        while True:
            sphere = rng.normal(size=3)
            sphere /= np.linalg.norm(sphere)
            gradient = sphere / self.semi_axes_nm
            # The area element of the map from the sphere is proportional to |gradient|.
            stretch = np.linalg.norm(gradient) * self.semi_axes_nm.min()
            if rng.random() < stretch:
                normal = self.rotation @ (gradient / np.linalg.norm(gradient))
                return self.centre_nm + self.rotation @ (sphere * self.semi_axes_nm), normal

    def spaced_surface_points(
        self, rng: np.random.Generator, count: int, spacing_nm: float
    ) -> list[tuple[Floats, Floats]]:
        """Return ``count`` points with normals, no two closer than ``spacing_nm`` (dart throwing).

        Raises
        ------
        ValueError
            When the surface has no room for that many points.
        """
        found: list[tuple[Floats, Floats]] = []
        for _ in range(200 * count):
            point, normal = self.random_surface_point(rng)
            others = np.array([other for other, _ in found]).reshape(-1, 3)
            if (np.linalg.norm(others - point, axis=1) >= spacing_nm).all():
                found.append((point, normal))
            if len(found) == count:
                return found
        raise ValueError(f"no room for {count} points {spacing_nm:g} nm apart; lower the density")
