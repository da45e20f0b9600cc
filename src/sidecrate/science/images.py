# SPDX-License-Identifier: Apache-2.0
"""Grey volumes come in: copied to OME-Zarr 0.5 shard by shard. `references` leaves them where they are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from sidecrate.artifacts import Image, Json
from sidecrate.digests import canonical_json, files_below
from sidecrate.errors import InputError
from sidecrate.science import arrays
from sidecrate.science.fingerprint import fingerprint
from sidecrate.science.foreign import Voxel
from sidecrate.science.formats import Source, opened
from sidecrate.store import draft

Box: TypeAlias = tuple[slice, slice, slice]

_COARSEST = 256  # voxels; a volume this small is drawn at once
_SMALLEST_VOXEL_NM, _LARGEST_VOXEL_NM = 1e-3, 1e6  # beyond, volumes and densities run out of numbers
_READ_BYTES = 1 << 29  # of the source at a time, unless one row of shards is more


def add(
    source: Path,
    into: Path,
    *,
    voxel_nm: Voxel | None = None,
    dataset: str | None = None,
    rescale: tuple[float, float] | None = None,
    description: str | None = None,
    progress: arrays.Progress | None = None,
) -> Image:
    """Return a new image version: the source as sharded, multiscale OME-Zarr 0.5.

    It is read and written in whole shards, half a gigabyte at a time, so memory does not grow with the number
    of slices; an interrupted call goes on where it was when it is repeated. The source is hashed meanwhile, so
    that the version can say what it was copied from.

    Parameters
    ----------
    source : Path
        TIFF file or folder of TIFF slices, Zarr or OME-Zarr folder, npy, npz, HDF5, MRC.
    into : Path
        Folder of the series, ``PROJECT/images/cell``.
    voxel_nm : tuple of float, optional
        Voxel size z, y, x in nm; needed where the source does not state it, and wins where it does.
    dataset : str, optional
        Which array of an npz, HDF5 or Zarr.
    rescale : tuple of float, optional
        (low, high): grey values that become 0 and 255. uint8 and uint16 are kept without it; other types need it.
    description : str, optional
        What the volume shows.
    progress : callable, optional
        Called with shards done, shards in all, ``"shards"``.

    Raises
    ------
    InputError
        Unreadable, not a volume, no voxel size, a type that needs `rescale`, or values that are no numbers.
    MissingExtra
        HDF5, MRC and some compressions of TIFF need the extra ``formats``.
    """
    with opened(source, dataset) as volume, fingerprint(source) as identified:
        nm = voxel_size(voxel_nm, volume.voxel_nm, volume.what)
        dtype = stored_type(volume, rescale)
        if volume.shape[0] < 2:
            raise InputError(f"{volume.what}: is a single slice; give the folder or the file with all slices")
        meta: Json = {
            "shape": list(volume.shape),
            "voxel_nm": list(nm),
            "dtype": str(dtype),
            "description": description,
            "source": {
                "name": volume.what,
                "format": volume.format,
                "dataset": volume.dataset,
                "voxel_nm": volume.voxel_nm and list(volume.voxel_nm),
                "rescale": rescale and list(rescale),
            },
        }
        with draft(Image, into, key=_identity(source, meta)) as new:
            shape, levels = volume.shape, _levels(volume.shape, nm)
            made = arrays.create(new, Image.array, shape=shape, dtype=dtype, voxel_nm=nm, levels=levels)
            done = {name.removeprefix(f"{Image.array}/") for name in new.digests}
            _copy(volume, made[0], rescale, done, progress)
            arrays.build_pyramid(made, done=done)
            meta["source"] |= identified()
            return new.finish(meta)


def voxel_size(given: Sequence[float] | None, stored: Voxel | None, what: str) -> Voxel:
    """Return the voxel size to use, in nm: the one given, else the one the source states.

    Raises
    ------
    InputError
        Neither is there, or it is not three lengths from a picometre to a millimetre.
    """
    if given is None and stored is None:
        raise InputError(f"{what}: does not state its voxel size; pass it in nm, z y x: --voxel-nm 30 4 4")
    z, y, x = (float(size) for size in cast("Sequence[float]", given or stored))
    if not all(_SMALLEST_VOXEL_NM <= size <= _LARGEST_VOXEL_NM for size in (z, y, x)):
        raise InputError(f"{what}: voxel size {z:g} {y:g} {x:g} is not three lengths in nm, from 0.001 nm to 1 mm")
    return z, y, x


def stored_type(volume: Source, rescale: tuple[float, float] | None = None) -> np.dtype[Any]:
    """Return the type the voxels of a source are kept in: uint8 or uint16.

    Raises
    ------
    InputError
        Another type and no `rescale`, or one that is no interval.
    """
    if rescale is not None:
        if not -math.inf < rescale[0] < rescale[1] < math.inf:
            raise InputError(f"{volume.what}: rescale needs low < high, not {rescale[0]} and {rescale[1]}")
        return np.dtype(np.uint8)
    if volume.dtype.kind == "u" and volume.dtype.itemsize <= 2:
        return volume.dtype.newbyteorder("=")
    raise InputError(
        f"{volume.what}: holds {volume.dtype}; uint8 and uint16 are kept as they are, others need the grey values "
        "that become 0 and 255: --rescale LOW HIGH"
    )


def _levels(shape: Sequence[int], voxel_nm: Voxel) -> int:
    """Return the number of pyramid levels after which the coarsest is at most 256 voxels along each axis."""
    levels = 1
    while max(arrays.pyramid(shape, voxel_nm, levels)[-1][0]) > _COARSEST:
        levels += 1
    return levels


def _identity(source: Path, meta: Json) -> str:
    """Return the key under which an interrupted call finds its draft again: same files, same options."""
    files = [source / name for name in files_below(source)] if source.is_dir() else [source]
    stamps = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return hashlib.sha256(canonical_json([stamps, meta])).hexdigest()[:32]


def _copy(
    volume: Source,
    target: zarr.Array[Any],
    rescale: tuple[float, float] | None,
    done: set[str],
    progress: arrays.Progress | None,
) -> None:
    """Write every shard of the finest level that is not there yet."""
    total = math.prod(-(-n // s) for n, s in zip(target.shape, target.shards or target.chunks, strict=True))
    copied = 0
    for region, members in _readings(target, volume.dtype.itemsize):
        missing = [member for member in members if arrays.shard_file(target, member) not in done]
        copied += len(members) - len(missing)
        for _ in _copy_band(volume, region, target, missing, rescale):
            copied += 1
            if progress is not None:
                progress(copied, total, "shards")


def _copy_band(
    volume: Source,
    region: Box,
    target: zarr.Array[Any],
    members: Sequence[arrays.Region],
    rescale: tuple[float, float] | None,
) -> Iterator[None]:
    """Read a region at once, if a shard of it is missing, and yield after each shard that is written."""
    band = volume.read(region) if members else np.empty(0)
    for member in members:
        inside = (slice(m.start - r.start, m.stop - r.start) for m, r in zip(member, region, strict=True))
        target[member] = _converted(band[tuple(inside)], target.dtype, rescale, volume.what, member[0])
        yield


def _readings(target: zarr.Array[Any], itemsize: int) -> Iterator[tuple[Box, list[arrays.Region]]]:
    """Yield what to read at a time and the shards in it: bands of one layer as wide as the volume.

    A band has as many rows of shards as fit in half a gigabyte: TIFF slices are decoded whole, so the fewer
    bands the better.
    """
    depth, height, _ = target.shards or target.chunks
    width = target.shape[2]
    band = max(1, _READ_BYTES // (depth * height * width * itemsize)) * height
    for _, group in groupby(arrays.shards(target), key=lambda part: (part[0].start, part[1].start // band)):
        members = list(group)
        rows = slice(members[0][1].start, members[-1][1].stop)
        yield (members[0][0], rows, slice(0, width)), members


def _converted(
    block: NDArray[Any], dtype: Any, rescale: tuple[float, float] | None, what: str, planes: slice
) -> NDArray[Any]:
    if rescale is None:
        return block.astype(dtype, copy=False)
    low, high = rescale
    grey = (block.astype(np.float32) - low) * (255 / (high - low))
    if not np.isfinite(grey).all():
        where = f"slices {planes.start}:{planes.stop}"
        raise InputError(f"{what}: {where} hold values that are no numbers (NaN or infinite); repair them first")
    rounded: NDArray[Any] = np.rint(np.clip(grey, 0, 255)).astype(dtype)
    return rounded
