# SPDX-License-Identifier: Apache-2.0
"""Painted masks: an integer array and the place in the image where it was painted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sidecrate.errors import InputError
from sidecrate.science.formats import Source, opened

Axis: TypeAlias = Literal["z", "y", "x"]
Position: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[slice, slice, slice]

AXES: tuple[Axis, ...] = ("z", "y", "x")
HIGHEST = 255  # labels are stored as uint8


@dataclass(frozen=True)
class Mask:
    """Numbers painted on a slice or in a box: 0 leaves a voxel as it is, 1 is background, 2… are classes.

    Make one with `slice` or `box`.

    Attributes
    ----------
    source : Path or array
        TIFF, npy, npz, Zarr or any other file that `formats.opened` reads; or the numbers themselves.
    axis, index : str and int, optional
        The slice that was painted: the axis it is a cut across, and its number.
    offset : tuple of int, optional
        The first voxel z, y, x of the box that was painted.
    dataset : str, optional
        Which array of an npz, HDF5 or Zarr.
    """

    source: Path | NDArray[Any]
    axis: Axis | None = None
    index: int | None = None
    offset: Position | None = None
    dataset: str | None = None

    @classmethod
    def slice(cls, source: Path | NDArray[Any], axis: Axis, index: int, dataset: str | None = None) -> Mask:
        """Return a mask painted on slice `index` across `axis`."""
        return cls(source, axis=axis, index=index, dataset=dataset)

    @classmethod
    def box(cls, source: Path | NDArray[Any], offset: Position, dataset: str | None = None) -> Mask:
        """Return a mask painted in a box that begins at voxel `offset`."""
        return cls(source, offset=offset, dataset=dataset)

    def __str__(self) -> str:
        name = self.source.name if isinstance(self.source, Path) else "array"
        place = f"box at {self.offset}" if self.axis is None else f"slice {self.axis} {self.index}"
        return f"{name} ({place})"


class Painted:
    """An opened mask: a box of the image and the numbers in it."""

    def __init__(self, what: str, offset: Sequence[int], source: Source) -> None:
        self.what = what
        z, y, x = (slice(low, low + n) for low, n in zip(offset, source.shape, strict=True))
        self.box: Box = (z, y, x)
        self._source = source

    def overlap(self, region: Sequence[slice]) -> Box | None:
        """Return the part of a region that the mask covers, or None."""
        z, y, x = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(self.box, region, strict=True))
        return (z, y, x) if all(part.start < part.stop for part in (z, y, x)) else None

    def read(self, region: Box) -> NDArray[np.uint8]:
        """Return the numbers in a region inside the box.

        Raises
        ------
        InputError
            A number is below 0 or above 255, or the file is damaged.
        """
        z, y, x = shifted(region, self.box)
        numbers = self._source.read((z, y, x))
        if numbers.min() < 0 or numbers.max() > HIGHEST:
            wrong = int(numbers.min() if numbers.min() < 0 else numbers.max())
            raise InputError(f"{self.what}: holds {wrong}; a mask has 0 (leave as it is), 1 (background), 2-255")
        return numbers.astype(np.uint8)


def shifted(region: Sequence[slice], frame: Sequence[slice]) -> Box:
    """Return a region counted from the first voxel of `frame`."""
    z, y, x = (slice(r.start - f.start, r.stop - f.start) for r, f in zip(region, frame, strict=True))
    return z, y, x


@contextmanager
def opened_mask(mask: Mask, shape: Position) -> Iterator[Painted]:
    """Open a mask painted on an image of `shape` while the block lasts: a slice is read at once, a box when needed.

    Raises
    ------
    InputError
        It is no integer array, does not fit, or lies outside the image.
    """
    what = str(mask)
    if isinstance(mask.source, Path):
        with opened(mask.source, mask.dataset) as source:
            if mask.axis is None:
                yield _box(mask, what, source, shape)
                return
            painted = _slice(mask, what, source, shape)
        yield painted
    else:
        place = _box if mask.axis is None else _slice
        yield place(mask, what, Source(what, "NumPy", np.asarray(mask.source)), shape)


def _slice(mask: Mask, what: str, source: Source, shape: Position) -> Painted:
    if mask.axis not in AXES or mask.index is None:
        raise InputError(f"{what}: a slice is across z, y or x and has a number")
    axis = AXES.index(mask.axis)
    if not 0 <= mask.index < shape[axis]:
        raise InputError(f"{what}: outside the image, whose {mask.axis} goes from 0 to {shape[axis] - 1}")
    depth, *plane = source.shape
    expected = [n for along, n in enumerate(shape) if along != axis]
    if depth != 1 or plane != expected:
        found = plane if depth == 1 else source.shape
        raise InputError(f"{what}: is {_by(found)} voxels, but a slice across {mask.axis} is {_by(expected)}")
    _check_integers(what, source)
    numbers = source.read((slice(0, 1), slice(0, plane[0]), slice(0, plane[1])))[0]
    offset = [mask.index if along == axis else 0 for along in range(3)]
    return Painted(what, offset, Source(what, source.format, np.expand_dims(numbers, axis)))


def _box(mask: Mask, what: str, source: Source, shape: Position) -> Painted:
    if mask.offset is None or len(mask.offset) != 3:
        raise InputError(f"{what}: a box needs the offset of its first voxel, z y x")
    _check_integers(what, source)
    last = [low + n for low, n in zip(mask.offset, source.shape, strict=True)]
    if min(mask.offset) < 0 or any(high > n for high, n in zip(last, shape, strict=True)):
        raise InputError(f"{what}: {_by(source.shape)} voxels reach outside the image, which has {_by(shape)}")
    return Painted(what, mask.offset, source)


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(str(size) for size in sizes)


def _check_integers(what: str, source: Source) -> None:
    if source.dtype.kind not in "ui":
        raise InputError(
            f"{what}: holds {source.dtype}, not class numbers; save it as uint8 with 0 unlabelled, "
            "1 background, 2 and up for classes"
        )
