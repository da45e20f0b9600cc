# SPDX-License-Identifier: Apache-2.0
"""Images whose voxels stay where they are: a version holds what they are and the digests of their parts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore

from sidecrate.artifacts import PARTS, Image, Json
from sidecrate.digests import files_below, manifest_bytes, sha256_file
from sidecrate.errors import InputError
from sidecrate.science import arrays, ome_zarr
from sidecrate.science.foreign import ArrayLike, Voxel, readable
from sidecrate.science.formats import Source
from sidecrate.science.images import stored_type, voxel_size
from sidecrate.store import draft, set_location, versions


def refer(
    source: Path | str,
    into: Path,
    *,
    voxel_nm: Voxel | None = None,
    dataset: str | None = None,
    description: str | None = None,
    progress: arrays.Progress | None = None,
) -> Image:
    """Return an image version that refers to a Zarr volume elsewhere, with the digests of its parts.

    Of a local volume every file that is read is hashed, once. Of a remote one only the metadata documents are:
    hashing its voxels would mean to fetch them all. The path of a local volume is kept beside the version, not
    in it, so data that has moved is referred to again and stays the same version.

    Parameters
    ----------
    source : Path or str
        A Zarr folder, or a ``https://``, ``http://`` or ``s3://`` address of one, without credentials in it.
    into, voxel_nm, dataset, description
        As for `add`.
    progress : callable, optional
        Called with files hashed, files in all, ``"files"``.

    Raises
    ------
    InputError
        Not a Zarr volume of uint8 or uint16, no voxel size, or an address with credentials.
    MissingExtra
        A remote volume needs the extra ``s3``.
    """
    if isinstance(source, str) and "://" in source:
        what = _address_name(source)
        with readable(what):
            store = arrays.remote_store(source)
            found = ome_zarr.locate(store, what, dataset)
        reference = {"array": found.path, "covers": "metadata documents", "uri": source}
        return _version(into, _meta(found, what, voxel_nm, description, reference), _remote_parts(store, found.path))
    with readable(Path(source).name):  # links that lead in a circle, metadata that makes no sense
        folder = Path(source).resolve()
        found = ome_zarr.locate(cast(Store, LocalStore(folder, read_only=True)), folder.name, dataset)
    reference = {"array": found.path, "covers": "every file of the array"}
    meta = _meta(found, folder.name, voxel_nm, description, reference)
    image = _version(into, meta, _local_parts(folder, found.path, progress))
    set_location(image, folder)
    return image


def _meta(
    found: ome_zarr.Found, what: str, voxel_nm: Voxel | None, description: str | None, reference: dict[str, str]
) -> Json:
    volume = Source(what, "Zarr", cast(ArrayLike, found.array))
    return {
        "shape": list(volume.shape),
        "voxel_nm": list(voxel_size(voxel_nm, found.voxel_nm, what)),
        "dtype": str(stored_type(volume)),
        "description": description,
        "reference": reference,
    }


def _address_name(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.username or parts.password or parts.query:
        raise InputError(f"{parts.hostname}: the address holds credentials or a query; they must not be stored")
    return parts.path.rstrip("/").rpartition("/")[2] or str(parts.hostname)


def _local_parts(root: Path, array: str, progress: arrays.Progress | None) -> dict[str, str]:
    documents = set(ome_zarr.metadata_keys(array))
    below = f"{array}/" if array else ""
    names = [name for name in files_below(root) if name in documents or name.startswith(below)]
    digests = {}
    for number, name in enumerate(names, 1):
        digests[name] = sha256_file(root / name)
        if progress is not None:
            progress(number, len(names), "files")
    return digests


def _remote_parts(store: Store, array: str) -> dict[str, str]:
    digests = {}
    for key in ome_zarr.metadata_keys(array):
        with readable(key):
            value = sync(store.get(key, default_buffer_prototype()))
        if value is not None:
            digests[key] = hashlib.sha256(value.to_bytes()).hexdigest()
    return digests


def _version(into: Path, meta: Json, parts: dict[str, str]) -> Image:
    """Return the version that says exactly this, a new one only if there is none: moved data is the same data."""
    listed = manifest_bytes(parts)
    for known in versions(into):
        if known.meta == {**meta, "kind": Image.kind} and (known.path / PARTS).read_bytes() == listed:
            return cast(Image, known)
    with draft(Image, into) as new:
        new.write(PARTS, listed)
        return new.finish(meta)
