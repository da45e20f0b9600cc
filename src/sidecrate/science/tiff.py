# SPDX-License-Identifier: Apache-2.0
"""TIFF stacks and folders of TIFF slices as arrays, read lazily, with the voxel size where they know it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from sidecrate.errors import InputError
from sidecrate.science.foreign import ArrayLike, Voxel, nanometres, readable


def open_stack(path: Path, stack: ExitStack) -> tuple[ArrayLike, Voxel | None]:
    """Return the pages of one file as an array, open as long as `stack`, and the voxel size if it is stated.

    Raises
    ------
    InputError
        Cut short, in colour, or pages of different sizes.
    """
    with _strict(path.name):
        file = stack.enter_context(tifffile.TiffFile(path))
        series = file.series
    if len(series) != 1:
        raise InputError(f"{path.name}: holds {len(series)} images of different sizes; save one volume alone")
    if "S" in series[0].axes:  # samples: red, green, blue
        raise InputError(f"{path.name}: is a colour image; convert it to grey first")
    store = stack.enter_context(series[0].aszarr())
    return cast(ArrayLike, zarr.open_array(store, mode="r")), _voxel_nm(file)


@contextmanager
def _strict(what: str) -> Iterator[None]:
    """Make an error of what tifffile only logs: a file cut short would silently lose slices."""
    logged: list[str] = []
    listener = logging.Handler(logging.ERROR)
    listener.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("tifffile")
    propagate, log.propagate = log.propagate, False
    log.addHandler(listener)
    try:
        yield
    finally:
        log.removeHandler(listener)
        log.propagate = propagate
    if logged:
        raise InputError(f"{what}: damaged or cut short ({logged[0][:200]}); get the file again")


def _voxel_nm(file: tifffile.TiffFile) -> Voxel | None:
    """Return the voxel size from OME-XML or from ImageJ's own tags; plain TIFF knows no slice distance."""
    if file.ome_metadata:
        first = file.ome_metadata.split("</Image>")[0]
        sizes = dict(re.findall(r'(PhysicalSize[XYZ](?:Unit)?)="([^"]*)"', first))
        units = [sizes.get(f"PhysicalSize{axis}Unit", "µm") for axis in "ZYX"]  # µm is the schema's default
        return nanometres([sizes.get(f"PhysicalSize{axis}", 0) for axis in "ZYX"], units)
    if file.imagej_metadata:
        x, y = file.series[0].keyframe.resolution  # voxels per unit
        unit = file.imagej_metadata.get("unit")
        return nanometres([file.imagej_metadata.get("spacing", 0), 1 / y, 1 / x], [unit] * 3)
    return None


class Slices:
    """A folder of TIFF slices in natural order as one array; each file is opened when it is read, and closed.

    Raises
    ------
    InputError
        No TIFF in the folder; on reading, a slice unlike the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = (entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        self._names = sorted((name for name in names if name.lower().endswith((".tif", ".tiff"))), key=_natural)
        if not self._names:
            raise InputError(f"{folder.name}: a folder without TIFF slices and without Zarr metadata")
        first = self._slice(0)
        self.shape: tuple[int, ...] = (len(self._names), *first.shape)
        self.dtype: np.dtype[Any] = first.dtype

    def __getitem__(self, region: Any) -> NDArray[Any]:
        planes, *plane = region
        return np.stack([self._like_first(z)[tuple(plane)] for z in range(planes.start, planes.stop)])

    def _like_first(self, z: int) -> NDArray[Any]:
        found = self._slice(z)
        if found.shape != self.shape[1:] or found.dtype != self.dtype:
            raise InputError(
                f"{self._names[z]}: is {found.shape} of {found.dtype}, but {self._names[0]} is "
                f"{self.shape[1:]} of {self.dtype}; all slices must be alike"
            )
        return found

    def _slice(self, z: int) -> NDArray[Any]:
        name = self._names[z]
        with ExitStack() as stack, readable(name):
            array, _ = open_stack(self._folder / name, stack)
            if any(n != 1 for n in array.shape[:-2]):
                raise InputError(f"{name}: is a stack {array.shape}, not one slice; add it by itself")
            return np.asarray(array[(*(0,) * (len(array.shape) - 2), ...)])


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts slice9 before slice10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
