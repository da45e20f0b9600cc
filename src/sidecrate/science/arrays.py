# SPDX-License-Identifier: Apache-2.0
"""OME-Zarr 0.5 volumes: created with their digests taken on the way, opened with clear errors.

Arrays are Zarr v3, sharded (few files), with a crc32c behind each compressed chunk so that a damaged chunk is
noticed when it is read, not when the science looks odd.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable, Container, Iterator, Sequence
from functools import reduce
from itertools import pairwise, product
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import zarr
from zarr.abc.store import Store
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore, WrapperStore

from sidecrate.artifacts import MANIFEST, Image, LabelSet, Prediction
from sidecrate.digests import read_manifest
from sidecrate.errors import InputError, MissingExtra
from sidecrate.store import Draft, location

CHUNK = 64
SHARD = 256

Region: TypeAlias = tuple[slice, ...]
Progress: TypeAlias = Callable[[int, int, str], None]
"""What a long step calls: units done, units in all, what they are."""


class HashingStore(WrapperStore[LocalStore]):
    """A local Zarr store that tells a draft the sha256 of everything written through it.

    Every write of zarr replaces a whole file, so the last digest noted is that of the file on disk.
    """

    def __init__(self, draft: Draft[Any], prefix: str) -> None:
        super().__init__(LocalStore(draft.path / prefix))
        self._draft, self._prefix = draft, prefix

    async def set(self, key: str, value: Buffer) -> None:
        """Write one value and note its digest; until it is written the file counts as unknown."""
        view = value.as_buffer_like()
        self._draft.forget(f"{self._prefix}/{key}")
        digest, _ = await asyncio.gather(
            asyncio.to_thread(lambda: hashlib.sha256(view).hexdigest()), super().set(key, value)
        )
        self._draft.note(f"{self._prefix}/{key}", digest)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write one value unless the key is there."""
        if not await self.exists(key):
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """Delete one value and drop its digest."""
        await super().delete(key)
        self._draft.forget(f"{self._prefix}/{key}")

    async def delete_dir(self, prefix: str) -> None:
        """Delete a folder and drop the digests below it."""
        await super().delete_dir(prefix)
        below = f"{self._prefix}/{prefix}".rstrip("/") + "/"
        for name in [name for name in self._draft.digests if name.startswith(below)]:
            self._draft.forget(name)


class View:
    """A read-only 3D or 4D array: slicing gives numpy, a damaged chunk gives an InputError that names it."""

    def __init__(self, array: zarr.Array[Any], what: str, leading: int = 0) -> None:
        self._array, self._what, self._lead = array, what, (0,) * leading
        self.shape: tuple[int, ...] = tuple(array.shape[leading:])
        self.dtype = np.dtype(cast(Any, array.dtype))

    def __getitem__(self, region: Any) -> npt.NDArray[Any]:
        index = region if isinstance(region, tuple) else (region,)
        try:
            return np.asarray(self._array[(*self._lead, *index)])
        except Exception as error:  # zarr and its codecs raise many kinds for damaged bytes
            raise InputError(
                f"{self._what}: cannot read {_text(index)} ({type(error).__name__}: {error}); "
                "run `sidecrate audit` to find the damaged file"
            ) from error

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return len(self.shape)


def _text(index: tuple[Any, ...]) -> str:
    return ",".join(f"{i.start}:{i.stop}" if isinstance(i, slice) else str(i) for i in index)


def create(
    draft: Draft[Any],
    name: str,
    *,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    voxel_nm: Sequence[float],
    channels: Sequence[str] = (),
    levels: int = 1,
    classes: dict[int, str] | None = None,
) -> list[zarr.Array[Any]]:
    """Create (or, in a resumed draft, open again) an OME-Zarr 0.5 group and return its arrays, finest first.

    Parameters
    ----------
    draft : Draft
        The version being written; digests of all bytes go there.
    name : str
        Folder inside the version, ``Noun.array``.
    shape : sequence of int
        Voxels z, y, x of the finest level.
    dtype : dtype
        Integer or float type of the voxels.
    voxel_nm : sequence of float
        Voxel size z, y, x in nanometres.
    channels : sequence of str
        Names along a leading channel axis; empty for none.
    levels : int
        Number of pyramid levels.
    classes : dict of int to str, optional
        Makes it an OME label image with these class names.

    Returns
    -------
    list of zarr.Array
        One a level. Write whole shards (see `shards`) so that each file is written once.
    """
    store = HashingStore(draft, name)
    if f"{name}/{levels - 1}/zarr.json" in draft.digests:
        return [zarr.open_array(cast(Store, store), path=str(level), mode="r+") for level in range(levels)]
    sizes = pyramid(shape, voxel_nm, levels)
    scales = [[1.0] * bool(channels) + [nm * f for nm, f in zip(voxel_nm, factor, strict=True)] for _, factor in sizes]
    attributes = ome_attributes(name.split(".")[0], scales, channels, classes)
    zarr.create_group(cast(Store, store), attributes={"ome": attributes}, overwrite=True)
    lead = (len(channels),) if channels else ()
    return [
        _create_array(cast(Store, store), str(level), (*lead, *size), np.dtype(dtype))
        for level, (size, _) in enumerate(sizes)
    ]


def _create_array(store: Store, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> zarr.Array[Any]:
    spatial = shape[-3:]
    chunk = tuple(min(CHUNK, size) for size in spatial)
    shard = tuple(min(SHARD // c * c, math.ceil(size / c) * c) for size, c in zip(spatial, chunk, strict=True))
    lead = (1,) * (len(shape) - 3)
    return zarr.create_array(
        store,
        name=path,
        shape=shape,
        dtype=dtype,
        chunks=(*lead, *chunk),
        shards=(*lead, *shard),
        compressors=[ZstdCodec(level=1), Crc32cCodec()],
        fill_value=0,
        dimension_names=["c", "z", "y", "x"][-len(shape) :],
    )


def pyramid(
    shape: Sequence[int], voxel_nm: Sequence[float], levels: int
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return (shape, factor to the finest level) of each level.

    An axis is halved only while its voxels are less than twice as long as the shortest, so anisotropic volumes
    become isotropic as they shrink.
    """
    found = [(tuple(shape), (1, 1, 1))]
    while len(found) < levels:
        size, factor = found[-1]
        nm = [v * f for v, f in zip(voxel_nm, factor, strict=True)]
        shortest = min((n for n, s in zip(nm, size, strict=True) if s > 1), default=min(nm))
        step = [2 if n < 2 * shortest and s > 1 else 1 for n, s in zip(nm, size, strict=True)]
        found.append(
            (
                tuple(math.ceil(s / k) for s, k in zip(size, step, strict=True)),
                cast("tuple[int, int, int]", tuple(f * k for f, k in zip(factor, step, strict=True))),
            )
        )
    return cast("list[tuple[tuple[int, ...], tuple[int, ...]]]", found)


def ome_attributes(
    name: str,
    scales: Sequence[Sequence[float]],
    channels: Sequence[str],
    classes: dict[int, str] | None,
) -> dict[str, Any]:
    """Return the ``ome`` attributes (OME-Zarr 0.5), built by ome-zarr-models so that they are valid."""
    from ome_zarr_models.v05.axes import Axis
    from ome_zarr_models.v05.multiscales import Dataset, Multiscale

    axes = [Axis(name=a, type="space", unit="nanometer") for a in "zyx"]
    if channels:
        axes.insert(0, Axis(name="c", type="channel"))
    datasets = tuple(Dataset.build(path=str(i), scale=list(s), translation=None) for i, s in enumerate(scales))
    multiscale = Multiscale(axes=tuple(axes), datasets=datasets, name=name)
    ome: dict[str, Any] = {"version": "0.5", "multiscales": [multiscale.model_dump(exclude_none=True)]}
    if channels:
        ome["omero"] = {"channels": [_channel(label) for label in channels]}
    if classes is not None:
        ome["image-label"] = {
            "properties": [{"label-value": k, "class": v} for k, v in sorted(classes.items())],
        }
    return ome


def _channel(label: str) -> dict[str, Any]:
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    return {"label": label, "color": "FFFFFF", "window": window, "active": True}


def shards(array: zarr.Array[Any]) -> Iterator[Region]:
    """Yield the region of each shard, in raster order: the unit to write, so that no file is written twice."""
    size = array.shards or array.chunks
    counts = [range(0, n, s) for n, s in zip(array.shape, size, strict=True)]
    for origin in product(*counts):
        yield tuple(slice(o, min(o + s, n)) for o, s, n in zip(origin, size, array.shape, strict=True))


def shard_file(array: zarr.Array[Any], region: Region) -> str:
    """Return the path of a shard's file inside the group, ``0/c/1/0/2``, to look it up in `Draft.digests`."""
    size = array.shards or array.chunks
    index = "/".join(str(part.start // s) for part, s in zip(region, size, strict=True))
    return f"{array.path}/c/{index}"


def build_pyramid(arrays: Sequence[zarr.Array[Any]], nearest: bool = False, done: Container[str] = ()) -> None:
    """Fill the coarser levels from the finest, shard by shard: mean of each cell, or its first voxel.

    Parameters
    ----------
    arrays : sequence of zarr.Array
        The levels, finest first, of unsigned integers.
    nearest : bool
        Take the first voxel of each cell, for numbers that stand for classes.
    done : container of str
        Shard files (see `shard_file`) that an interrupted run has written already.
    """
    for fine, coarse in pairwise(arrays):
        step = [math.ceil(f / c) for f, c in zip(fine.shape, coarse.shape, strict=True)]
        for region in shards(coarse):
            if shard_file(coarse, region) not in done:
                coarse[region] = _coarser(fine, region, step, nearest)


def _coarser(fine: zarr.Array[Any], region: Region, step: Sequence[int], nearest: bool) -> npt.NDArray[Any]:
    """Return a region of the next level, computed in slabs one chunk thick: a shard's source is 8 shards."""
    slabs = []
    *lead, depth, height, width = region
    for z in range(depth.start, depth.stop, CHUNK):
        slab = (*lead, slice(z, min(z + CHUNK, depth.stop)), height, width)
        source = (slice(r.start * k, min(r.stop * k, n)) for r, k, n in zip(slab, step, fine.shape, strict=True))
        block = np.asarray(fine[tuple(source)])
        slabs.append(block[tuple(slice(None, None, k) for k in step)] if nearest else _mean(block, step))
    return np.concatenate(slabs, axis=-3)


def _mean(block: npt.NDArray[Any], step: Sequence[int]) -> npt.NDArray[Any]:
    """Return the mean of each cell, half rounded up; whole numbers all the way, so the same on every machine."""
    pad = [(0, -size % k) for size, k in zip(block.shape, step, strict=True)]
    total = np.pad(block, pad, mode="edge").astype(np.uint16 if block.itemsize == 1 else np.uint32)
    for axis, k in enumerate(step):
        parts = (total[(*(slice(None),) * axis, slice(first, None, k))] for first in range(k))
        total = reduce(np.add, parts)
    cell = math.prod(step)
    return ((total + cell // 2) // cell).astype(block.dtype)


def open_array(volume: Image | LabelSet | Prediction, level: int = 0) -> View:
    """Return the voxels of a volume: z, y, x (Image, LabelSet) or c, z, y, x (Prediction).

    Raises
    ------
    InputError
        The array is missing or broken, or a referenced one is not where it was.
    MissingExtra
        A remote reference needs fsspec.
    """
    reference = volume.meta.get("reference")
    what = f"{volume.ref} ({volume.kind})"
    if reference is None:
        return open_zarr(volume.array_path, str(level), what)
    return open_zarr(reference.get("uri") or location(volume), reference["array"], what)


def stored_shards(volume: Image | LabelSet | Prediction) -> Iterator[tuple[str, Region]]:
    """Yield file and region of each shard that the version holds, in raster order; all other voxels are 0."""
    array = open_array(volume)._array
    stored = read_manifest(volume.path / MANIFEST)
    for region in shards(array):
        if (name := f"{volume.array}/{shard_file(array, region)}") in stored:
            yield name, region


def open_zarr(root: Path | str, path: str, what: str) -> View:
    """Return the array at `path` inside a Zarr group or folder; leading axes of length 1 are dropped.

    Raises
    ------
    InputError
        Nothing readable is there.
    """
    try:
        store = remote_store(root) if isinstance(root, str) else LocalStore(root, read_only=True)
        array = zarr.open_array(store, path=path, mode="r")
    except MissingExtra:
        raise
    except Exception as error:  # zarr raises many kinds for missing or broken metadata
        raise InputError(f"{what}: no readable Zarr array there ({type(error).__name__}: {error})") from error
    if np.dtype(cast(Any, array.dtype)).kind not in "uif":
        raise InputError(f"{what}: holds {array.dtype}, not numbers")  # objects could be pickles
    leading = 0
    while array.ndim - leading > 3 and array.shape[leading] == 1:
        leading += 1
    return View(array, what, leading)


def remote_store(uri: str) -> Store:
    """Return a read-only Zarr store at a ``https``, ``http`` or ``s3`` address.

    Raises
    ------
    MissingExtra
        fsspec, or what it needs for the address, is not installed.
    """
    try:
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(uri, read_only=True)
    except ImportError as error:
        raise MissingExtra("fsspec", "s3", f"reading {uri}") from error


def same_grid(volume: Image | LabelSet | Prediction, other: Image | LabelSet | Prediction) -> None:
    """Check that two volumes have equal shape.

    Raises
    ------
    InputError
        They differ.
    """
    if volume.shape != other.shape:
        raise InputError(
            f"{volume.ref} has {volume.shape} voxels and {other.ref} {other.shape}; they must be of one image"
        )


def check_painted_on(labels: LabelSet, image: Image) -> None:
    """Check that labels belong to an image.

    Raises
    ------
    InputError
        The labels name another image.
    """
    if labels.image["digest"] != image.digest:
        raise InputError(f"{labels.ref} was painted on {labels.image['ref']}, not on {image.ref}; name that image")
