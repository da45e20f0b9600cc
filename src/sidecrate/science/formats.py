# SPDX-License-Identifier: Apache-2.0
"""Other people's files read as volumes: a few lines a format, all with the same result, a `Source`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.storage import LocalStore

from sidecrate.errors import InputError, MissingExtra
from sidecrate.science import ome_zarr, tiff
from sidecrate.science.foreign import ArrayLike, Voxel, nanometres, readable


@dataclass(frozen=True)
class Source:
    """A file, folder or array in it, seen as voxels z, y, x; a single slice has depth 1.

    Attributes
    ----------
    what : str
        Name of the file, for messages and metadata.
    format : str
        ``TIFF``, ``TIFF slices``, ``Zarr``, ``NumPy``, ``HDF5`` or ``MRC``.
    array : array-like
        Two axes, or three, or more of which the leading ones have length 1.
    voxel_nm : tuple of float, optional
        Voxel size z, y, x as the file states it.
    dataset : str, optional
        Which array of the file this is.

    Raises
    ------
    InputError
        The array is empty, has other axes, or holds neither integers nor floats.
    """

    what: str
    format: str
    array: ArrayLike
    voxel_nm: Voxel | None = None
    dataset: str | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.array.shape)
        if len(shape) < 2 or any(n != 1 for n in shape[:-3]):
            raise InputError(f"{self.what}: has the shape {shape}; a volume has three axes z, y, x: extract one")
        if 0 in shape:
            raise InputError(f"{self.what}: is empty, shape {shape}")
        if self.dtype.kind not in "uifb":
            raise InputError(f"{self.what}: holds {self.dtype}; sidecrate reads grey values and class numbers")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of voxels, z, y, x."""
        z, y, x = (1, *self.array.shape)[-3:]
        return int(z), int(y), int(x)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of a voxel."""
        found: np.dtype[Any] = np.dtype(self.array.dtype)
        return found

    def read(self, region: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Return the voxels of a box inside the volume.

        Raises
        ------
        InputError
            The bytes cannot be read: damaged, or fewer than the file promises.
        """
        lead = (0,) * (len(self.array.shape) - 3)
        index = (*lead, *region) if len(self.array.shape) > 2 else region[1:]
        shape = tuple(part.stop - part.start for part in region)
        with readable(f"{self.what}, slices {region[0].start}:{region[0].stop}"):
            voxels: NDArray[Any] = np.asarray(self.array[index]).reshape(shape)
        return voxels


@contextmanager
def opened(path: Path, dataset: str | None = None) -> Iterator[Source]:
    """Open a TIFF, NumPy, HDF5 or MRC file, a folder of TIFF slices or a Zarr folder while the block lasts.

    Parameters
    ----------
    path : Path
    dataset : str, optional
        Which array of an npz, HDF5 or Zarr; needed where there are several.

    Raises
    ------
    InputError
        Missing, of no known format, damaged, in colour, or not a volume.
    MissingExtra
        The format needs a library that is not installed.
    """
    with ExitStack() as stack:
        with readable(path.name):
            source = _open(path, dataset, stack)
        yield source


def _open(path: Path, dataset: str | None, stack: ExitStack) -> Source:
    kind = _kind(path)
    if dataset is not None and kind not in ("Zarr", "npz", "HDF5"):
        raise InputError(f"{path.name}: holds one array only; leave out --dataset")
    match kind:
        case "Zarr":
            found = ome_zarr.locate(cast(Store, LocalStore(path, read_only=True)), path.name, dataset)
            return Source(path.name, "Zarr", cast(ArrayLike, found.array), found.voxel_nm, found.path or None)
        case "TIFF slices":
            return Source(path.name, kind, tiff.Slices(path))
        case "TIFF":
            return Source(path.name, kind, *tiff.open_stack(path, stack))
        case "npy":
            return Source(path.name, "NumPy", np.load(path, mmap_mode="r", allow_pickle=False))
        case "npz":
            return _npz(path, dataset, stack)
        case "HDF5":
            return _hdf5(path, dataset, stack)
        case _:
            return _mrc(path, stack)


_SUFFIXES = {
    "TIFF": (".tif", ".tiff"),
    "npy": (".npy",),
    "npz": (".npz",),
    "HDF5": (".h5", ".hdf5", ".hdf"),
    "MRC": (".mrc", ".rec", ".st", ".map"),
}


def _kind(path: Path) -> str:
    if path.is_dir():
        return "Zarr" if any((path / name).exists() for name in ome_zarr.DOCUMENTS) else "TIFF slices"
    if not path.exists():
        raise InputError(f"{path.name}: no such file or folder")
    for kind, suffixes in _SUFFIXES.items():
        if path.suffix.lower() in suffixes:
            return kind
    known = " ".join(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
    raise InputError(f"{path.name}: unknown format; known are folders of TIFF slices, Zarr folders, and {known}")


# ------------------------------------------------------------------------------------------------- npz


def _npz(path: Path, dataset: str | None, stack: ExitStack) -> Source:
    archive = stack.enter_context(zipfile.ZipFile(path))
    key = _choose(path.name, [name[:-4] for name in archive.namelist() if name.endswith(".npy")], dataset)
    stream = stack.enter_context(archive.open(f"{key}.npy"))
    return Source(path.name, "NumPy", _npy_stream(stream), dataset=key)


def _npy_stream(stream: IO[bytes]) -> ArrayLike:
    first = np.lib.format.read_magic(stream) == (1, 0)
    header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = header(stream)
    if len(shape) == 3 and not fortran_order and not dtype.hasobject:
        return _Stream(stream, shape, dtype)
    stream.seek(0)
    return cast(ArrayLike, np.lib.format.read_array(stream, allow_pickle=False))


class _Stream:
    """An array in a compressed archive, decompressed slice by slice as it is read from front to back."""

    def __init__(self, stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._stream, self._start = stream, stream.tell()
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, region: Any) -> NDArray[Any]:
        planes, *plane = region
        return np.stack([self._slice(z)[tuple(plane)] for z in range(planes.start, planes.stop)])

    def _slice(self, z: int) -> NDArray[Any]:
        size = self.shape[1] * self.shape[2] * self.dtype.itemsize
        self._stream.seek(self._start + z * size)
        return np.frombuffer(self._stream.read(size), self.dtype).reshape(self.shape[1:])


# ----------------------------------------------------------------------------------------- HDF5 and MRC


def _hdf5(path: Path, dataset: str | None, stack: ExitStack) -> Source:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("h5py", "formats", f"reading {path.name}") from error
    file = stack.enter_context(h5py.File(path, "r"))
    names: list[str] = []
    file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
    key = _choose(path.name, names, dataset)
    return Source(path.name, "HDF5", file[key], _hdf5_voxel_nm(file[key].attrs), key)


def _hdf5_voxel_nm(attributes: Mapping[str, Any]) -> Voxel | None:
    """Return the voxel size from ``element_size_um`` (Fiji, ilastik) or ``resolution`` in nm (CREMI), z, y, x."""
    for name, unit in (("element_size_um", "um"), ("resolution", "nm")):
        if len(sizes := np.ravel(attributes.get(name, ()))) == 3:
            return nanometres(list(sizes), [unit] * 3)
    return None


def _mrc(path: Path, stack: ExitStack) -> Source:
    try:
        import mrcfile
    except ImportError as error:
        raise MissingExtra("mrcfile", "formats", f"reading {path.name}") from error
    file = stack.enter_context(mrcfile.mmap(path, mode="r"))
    size = file.voxel_size
    return Source(path.name, "MRC", file.data, nanometres([size.z, size.y, size.x], ["angstrom"] * 3))


def _choose(what: str, names: Sequence[str], wanted: str | None) -> str:
    """Return the array meant: the one asked for, or the only one."""
    if wanted is not None and wanted.strip("/") in names:
        return wanted.strip("/")
    if wanted is None and len(names) == 1:
        return names[0]
    listed = ", ".join(sorted(names)[:8]) or "none"
    missing = f"has no array {wanted!r}" if wanted is not None else f"holds {len(names)} arrays"
    raise InputError(f"{what}: {missing}; arrays there: {listed}; say which with --dataset")
