# SPDX-License-Identifier: Apache-2.0
"""A synthetic cell with known truth: two nuclei, their pores, and what makes finding them hard.

The raw volume imitates electron microscopy at 16 nm: dark membranes, blur, uneven contrast, shot noise.
Each nucleus is an ellipsoid with an envelope of two dark sheets around a bright lumen. A pore is a gap
through both sheets with a faint plug: it is marked by *missing* membrane, and no grey level tells it from
what is around it. Vesicles, membrane sheets along the envelope, buds (a gap in the outer sheet alone) and
chromatin look alike.

The nucleus includes its envelope: the outer surface of the outer sheet is the ellipsoid whose area is the
truth. A pore's label is the part of the envelope inside a cylinder along the local normal. It takes the
place of the nucleus label there, so the true area is to be compared with the surface of nucleus and pores
together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from sidecrate.testing.ellipsoid import Ellipsoid, Floats

VOXEL_NM = 16.0
BACKGROUND, PORE, NUCLEUS = 1, 2, 3

ENVELOPE_NM = 80.0
OUTER_SHEET_NM, INNER_SHEET_NM, SHEET_SIGMA_NM = -12.0, -68.0, 10.0
PORE_RADIUS_NM = (52.0, 64.0)
BUD_RADIUS_NM = (46.0, 60.0)
PORE_SPACING_NM = 180.0
EDGE_NM = 96.0  # least distance of a nucleus from the volume's faces, and half the gap between nuclei

CYTOPLASM, NUCLEOPLASM, CHROMATIN, MEMBRANE, LUMEN = 154.0, 182.0, 128.0, 50.0, 196.0
VESICLES_PER_UM2 = 14.0


@dataclass(frozen=True)
class _Look:
    """How the pores of one nucleus look: grey level of their plugs, and buds that are taken for pores."""

    plug: float
    buds_per_um2: float


# Whoever has seen the first nucleus only misses the dark plugs of the second and takes its buds for pores.
LOOKS = (_Look(plug=150.0, buds_per_um2=0.0), _Look(plug=96.0, buds_per_um2=4.0))


@dataclass(frozen=True)
class NucleusTruth:
    """What is true of one nucleus.

    Attributes
    ----------
    nucleus_id : int
        Value in ``SyntheticCell.nuclei``.
    semi_axes_nm : array of float, shape (3,)
        Of the ellipsoid that is the outer surface of the envelope.
    area_um2 : float
        Area of that ellipsoid, analytic.
    pore_diameters_nm : array of float
        Diameter of the sphere with the volume of each pore's labelled voxels, in order of pore id.
    """

    nucleus_id: int
    semi_axes_nm: Floats
    area_um2: float
    pore_diameters_nm: npt.NDArray[np.float64]

    @property
    def pore_count(self) -> int:
        """Number of pores."""
        return len(self.pore_diameters_nm)

    @property
    def pores_per_um2(self) -> float:
        """Pores per square micrometre of outer envelope surface."""
        return self.pore_count / self.area_um2

    @property
    def median_pore_diameter_nm(self) -> float:
        """Median of ``pore_diameters_nm``."""
        return float(np.median(self.pore_diameters_nm))


@dataclass(frozen=True)
class SyntheticCell:
    """A volume and its truth; all arrays have the same shape, axes z, y, x.

    Attributes
    ----------
    raw : array of uint8
        The image.
    classes : array of uint8
        1 background, 2 pore, 3 nucleus; never 0, which means unlabelled in a label set.
    pores, nuclei : array of int32
        Instance ids from 1, 0 elsewhere. A nucleus includes the voxels of its pores.
    voxel_nm : tuple of float
        Voxel size.
    truth : tuple of NucleusTruth
        One entry a nucleus.
    """

    raw: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.uint8]
    pores: npt.NDArray[np.int32]
    nuclei: npt.NDArray[np.int32]
    voxel_nm: tuple[float, float, float]
    truth: tuple[NucleusTruth, ...]


@dataclass(frozen=True)
class _Spot:
    """A place on an envelope, or a sphere when it has no use for a normal."""

    centre_nm: Floats
    normal: Floats
    radius_nm: float


def cell(
    seed: int,
    shape: tuple[int, int, int] = (96, 128, 208),
    pores_per_um2: tuple[float, float] = (15.0, 9.0),
) -> SyntheticCell:
    """Return a synthetic cell with two nuclei side by side along x; the same seed gives the same bytes.

    Parameters
    ----------
    seed : int
        Seed of everything random.
    shape : tuple of int
        Voxels along z, y, x.
    pores_per_um2 : tuple of float
        Pore density of each nucleus, rounded to a whole number of pores.
    """
    rng = np.random.default_rng(seed)
    bodies = _place_nuclei(rng, shape)
    pores = [_place_pores(rng, body, density) for body, density in zip(bodies, pores_per_um2, strict=True)]
    points = np.moveaxis(np.indices(shape, dtype=np.float32), 0, -1) * np.float32(VOXEL_NM)
    distances = [body.distance_nm(points) for body in bodies]

    nuclei, pore_ids = _label(distances, pores)
    classes = np.where(nuclei > 0, NUCLEUS, BACKGROUND).astype(np.uint8)
    classes[pore_ids > 0] = PORE

    grey = _draw(rng, bodies, pores, np.minimum(*distances))
    truth = tuple(_truth(i, body, pore_ids[nuclei == i]) for i, body in enumerate(bodies, start=1))
    return SyntheticCell(_photograph(rng, grey), classes, pore_ids, nuclei, (VOXEL_NM,) * 3, truth)


def _place_nuclei(rng: np.random.Generator, shape: tuple[int, int, int]) -> list[Ellipsoid]:
    size = (np.array(shape) - 1) * VOXEL_NM
    middle = size[2] * 0.54
    boxes = [(np.zeros(3), np.array([size[0], size[1], middle])), (np.array([0, 0, middle]), size)]
    nuclei = []
    for low, high in boxes:
        ratios = (high - low - 2 * EDGE_NM) * rng.uniform(0.88, 1.0, size=3)
        tilt = Rotation.from_rotvec(rng.uniform(-0.35, 0.35, size=3))
        nuclei.append(Ellipsoid.in_box(low + EDGE_NM, high - EDGE_NM, ratios, tilt))
    return nuclei


def _place_pores(rng: np.random.Generator, body: Ellipsoid, per_um2: float) -> list[_Spot]:
    count = round(per_um2 * body.area_um2)
    places = body.spaced_surface_points(rng, count, PORE_SPACING_NM)
    return [_Spot(point, normal, rng.uniform(*PORE_RADIUS_NM)) for point, normal in places]


def _label(distances: list[Floats], pores: list[list[_Spot]]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    nuclei = np.zeros(distances[0].shape, np.int32)
    pore_ids = np.zeros_like(nuclei)
    next_id = 1
    for nucleus_id, (distance, spots) in enumerate(zip(distances, pores, strict=True), start=1):
        nuclei[distance <= 0] = nucleus_id
        for spot in spots:
            box, radial = _around_axis(spot, distance.shape)
            depth = distance[box]
            pore_ids[box][(radial <= spot.radius_nm) & (depth <= 0) & (depth >= -ENVELOPE_NM)] = next_id
            next_id += 1
    return nuclei, pore_ids


def _truth(nucleus_id: int, body: Ellipsoid, pore_ids: npt.NDArray[np.int32]) -> NucleusTruth:
    _, voxels = np.unique(pore_ids[pore_ids > 0], return_counts=True)
    return NucleusTruth(nucleus_id, body.semi_axes_nm, body.area_um2, np.cbrt(6 * voxels / np.pi) * VOXEL_NM)


def _draw(rng: np.random.Generator, bodies: list[Ellipsoid], pores: list[list[_Spot]], distance: Floats) -> Floats:
    """Return the specimen in grey levels, before the microscope."""
    shape = distance.shape
    grey = np.where(distance > 0, _cytoplasm(rng, shape), _nucleoplasm(rng, distance))
    _draw_membrane_sheets(rng, grey, distance)
    for body in bodies:
        for vesicle in _vesicles(rng, body):
            _draw_vesicle(grey, vesicle)
    buds = [spot for body, look in zip(bodies, LOOKS, strict=True) for spot in _buds(rng, body, look)]
    _draw_envelope(rng, grey, distance, pores, buds)
    return grey


def _cytoplasm(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    ribosomes = ndimage.gaussian_filter((rng.random(shape) < 0.05).astype(np.float32), 0.8)
    return np.asarray(CYTOPLASM + 5 * _noise(rng, shape, 6) - 350 * ribosomes)


def _nucleoplasm(rng: np.random.Generator, distance: Floats) -> Floats:
    """Return pale, fine-grained grey with dark chromatin, most of it lining the envelope."""
    lining = np.exp((distance + ENVELOPE_NM) / 60.0).clip(0, 1)
    chromatin = 1 / (1 + np.exp(-6 * (_noise(rng, distance.shape, 4) + 0.9 * lining - 1.2)))
    return np.asarray(NUCLEOPLASM + 4 * _noise(rng, distance.shape, 3) - (NUCLEOPLASM - CHROMATIN) * chromatin)


def _draw_membrane_sheets(rng: np.random.Generator, grey: Floats, distance: Floats) -> None:
    """Draw double membranes with ragged ends: some run along the envelope, some wander through the cell."""
    field = _noise(rng, grey.shape, 22)
    slope = np.sqrt(sum(g**2 for g in np.gradient(field, VOXEL_NM)))
    wandering = (field - 0.3) / np.maximum(slope, 1e-6)
    along = distance - 125.0 + 12 * _noise(rng, grey.shape, 10)
    for offset, least_nm in ((wandering, 180.0), (along, 70.0)):
        present = (_noise(rng, grey.shape, 14) > 0.2) & (distance > least_nm)
        _blend(grey, present * _peak(offset, 0.0, 14), LUMEN - 15)
        _blend(grey, present * _peak(np.abs(offset), 21.0, SHEET_SIGMA_NM), MEMBRANE)


def _vesicles(rng: np.random.Generator, body: Ellipsoid) -> Iterator[_Spot]:
    """Yield dark-rimmed spheres, most of them touching the envelope from outside."""
    for _ in range(round(VESICLES_PER_UM2 * body.area_um2)):
        point, normal = body.random_surface_point(rng)
        radius = rng.uniform(36, 76)
        gap = 0.0 if rng.random() < 0.7 else rng.uniform(30, 250)
        yield _Spot(point + normal * (radius + gap), normal, radius)


def _draw_vesicle(grey: Floats, vesicle: _Spot) -> None:
    box, offsets = _window(vesicle.centre_nm, vesicle.radius_nm + 2 * VOXEL_NM, grey.shape)
    depth = np.linalg.norm(offsets, axis=-1) - vesicle.radius_nm
    _blend(grey[box], _ramp(-depth), LUMEN - 8)
    _blend(grey[box], _peak(depth, -8.0, SHEET_SIGMA_NM), MEMBRANE + 8)


def _buds(rng: np.random.Generator, body: Ellipsoid, look: _Look) -> Iterator[_Spot]:
    for _ in range(round(look.buds_per_um2 * body.area_um2)):
        yield _Spot(*body.random_surface_point(rng), rng.uniform(*BUD_RADIUS_NM))


def _draw_envelope(
    rng: np.random.Generator, grey: Floats, distance: Floats, pores: list[list[_Spot]], buds: list[_Spot]
) -> None:
    gaps = [_gaps(spots, grey.shape) for spots in pores]
    through = np.maximum(*gaps)
    outer_only = _gaps(buds, grey.shape)
    whole = 1 - through
    _blend(grey, whole * _peak(distance, (OUTER_SHEET_NM + INNER_SHEET_NM) / 2, 18), LUMEN)
    _blend(grey, whole * (1 - outer_only) * _peak(distance, OUTER_SHEET_NM, SHEET_SIGMA_NM), MEMBRANE)
    _blend(grey, whole * _peak(distance, INNER_SHEET_NM, SHEET_SIGMA_NM), MEMBRANE)
    filled = (0.7 + 0.15 * _noise(rng, grey.shape, 8)).clip(0, 1) * _peak(distance, -ENVELOPE_NM / 2, 24)
    for gap, look in zip(gaps, LOOKS, strict=True):
        _blend(grey, filled * gap, look.plug)


def _gaps(spots: list[_Spot], shape: tuple[int, ...]) -> Floats:
    """Return how far each voxel belongs to a gap, from 0 to 1."""
    gaps = np.zeros(shape, np.float32)
    for spot in spots:
        box, radial = _around_axis(spot, shape)
        np.maximum(gaps[box], _ramp(spot.radius_nm - radial), out=gaps[box])
    return gaps


def _photograph(rng: np.random.Generator, grey: Floats) -> npt.NDArray[np.uint8]:
    """Return the image: blur, uneven contrast and brightness, jitter of slices and lines, shot noise."""
    shape = grey.shape
    image = ndimage.gaussian_filter(grey, 0.6)
    fading = np.linspace(1.15, 0.8, shape[2])  # along x, so that one nucleus is paler than the other
    image = 145 + (image - 145) * (fading + 0.08 * _noise(rng, shape, 40)).clip(0.5)
    image += 6 * _noise(rng, shape, 48)
    image += 3.0 * rng.normal(size=(shape[0], 1, 1)) + 1.5 * rng.normal(size=(*shape[:2], 1))
    image += rng.normal(size=shape) * np.sqrt(image.clip(1)) * 0.5
    return np.asarray(np.rint(image).clip(0, 255), np.uint8)


def _around_axis(spot: _Spot, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], Floats]:
    """Return a window that holds the spot's stretch of envelope, and distances from the spot's axis in nm."""
    box, offsets = _window(spot.centre_nm, np.hypot(spot.radius_nm, ENVELOPE_NM) + VOXEL_NM, shape)
    along = offsets @ spot.normal
    return box, np.sqrt(((offsets - along[..., None] * spot.normal) ** 2).sum(axis=-1))


def _window(centre_nm: Floats, reach_nm: float, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], Floats]:
    """Return slices of the voxels within ``reach_nm`` along each axis, and offsets from the centre in nm."""
    low = np.floor((centre_nm - reach_nm) / VOXEL_NM).astype(int).clip(0, shape)
    high = np.ceil((centre_nm + reach_nm) / VOXEL_NM).astype(int).clip(0, np.array(shape) - 1) + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = [np.arange(a, b) * VOXEL_NM - c for a, b, c in zip(low, high, centre_nm, strict=True)]
    return box, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Floats:
    """Return smooth noise of mean 0 and deviation 1: Gaussian bumps on a lattice ``scale`` voxels wide."""
    field: Floats = rng.normal(size=[int(n / scale) + 3 for n in shape]).astype(np.float32)
    for n in shape:
        knots = np.arange(field.shape[0]) - 1.0
        bumps = _peak(np.arange(n)[:, None] / scale, knots, 0.6).astype(np.float32)
        field = np.tensordot(field, bumps, axes=(0, 1))
    return np.asarray((field - field.mean()) / field.std())


def _peak(value: Floats, at: float | Floats, sigma: float) -> Floats:
    return np.asarray(np.exp(-0.5 * ((value - at) / sigma) ** 2))


def _ramp(inside_nm: Floats) -> Floats:
    """Return 0 outside, 1 inside, and a linear edge one voxel wide."""
    return np.asarray((inside_nm / VOXEL_NM + 0.5).clip(0, 1))


def _blend(grey: Floats, weight: Floats, value: float) -> None:
    grey += weight * (value - grey)
