# SPDX-License-Identifier: Apache-2.0
"""Other people's Zarr volumes, OME-Zarr 0.4 and 0.5 or plain: which array is meant, and how large its voxels are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from sidecrate.errors import InputError, NetworkError
from sidecrate.science.foreign import Voxel, nanometres

DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


@dataclass(frozen=True)
class Found:
    """An array in a store: its path there, the array, and its voxel size where the metadata tells it."""

    path: str
    array: zarr.Array[Any]
    voxel_nm: Voxel | None


def locate(store: Store, what: str, dataset: str | None = None) -> Found:
    """Return the volume in a Zarr store: the array or group `dataset`, of a multiscale the finest level.

    Raises
    ------
    InputError
        Nothing readable is there, several arrays are, or the axes are not z, y, x behind axes of length 1.
    NetworkError
        A remote store does not answer.
    """
    path = (dataset or "").strip("/")
    try:
        node = zarr.open(store, path=path, mode="r")
    except Exception as error:  # zarr raises many kinds for missing or broken metadata
        if isinstance(error, OSError) and not isinstance(store, LocalStore):
            advice = "check the address and the network, then repeat the command"
            raise NetworkError(f"{what}: no answer ({type(error).__name__}); {advice}") from error
        where = repr(path) if path else "its root"
        advice = "give the folder that holds zarr.json, .zgroup or .zarray, or name the array with --dataset"
        raise InputError(f"{what}: no readable Zarr at {where} ({type(error).__name__}); {advice}") from error
    if isinstance(node, zarr.Array):
        return Found(path, node, _voxel_of_level(store, path, node.ndim, what) if path else None)
    multiscale = _multiscale(node)
    level = multiscale["datasets"][0]["path"] if multiscale else _only_array(node, what)
    found = f"{path}/{level}".strip("/")
    array = zarr.open_array(store, path=found, mode="r")
    return Found(found, array, _voxel_nm(multiscale, level, array.ndim, what) if multiscale else None)


def _multiscale(group: zarr.Group) -> Mapping[str, Any] | None:
    attributes: Mapping[str, Any] = dict(group.attrs)
    listed: Any = attributes.get("ome", attributes).get("multiscales") if attributes else None
    return listed[0] if listed else None


def _voxel_of_level(store: Store, path: str, ndim: int, what: str) -> Voxel | None:
    parent, _, name = path.rpartition("/")
    try:
        group = zarr.open_group(store, path=parent, mode="r")
    except Exception:  # an array that stands alone has no group above it
        return None
    multiscale = _multiscale(group)
    known = [level["path"] for level in multiscale["datasets"]] if multiscale else []
    return _voxel_nm(multiscale, name, ndim, what) if multiscale and name in known else None


def _voxel_nm(multiscale: Mapping[str, Any], level: str, ndim: int, what: str) -> Voxel | None:
    """Return the voxel size of one level: its own scale times the scale of all levels (OME-Zarr 0.4 §3.4)."""
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in multiscale.get("axes", "tczyx"[-ndim:])]
    names = [axis["name"].lower() for axis in axes]
    if names[-3:] != ["z", "y", "x"]:
        raise InputError(f"{what}: its axes are {', '.join(names)}; a volume ends in z, y, x: transpose it first")
    (dataset,) = (found for found in multiscale["datasets"] if found["path"] == level)
    scale = np.ones(len(names))
    for transform in (*dataset.get("coordinateTransformations", ()), *multiscale.get("coordinateTransformations", ())):
        scale *= transform.get("scale", 1.0)
    return nanometres(list(scale[-3:]), [axis.get("unit") for axis in axes[-3:]])


def _only_array(group: zarr.Group, what: str) -> str:
    names = [name for name, _ in group.arrays()]
    if len(names) == 1:
        return names[0]
    inside = names or [f"{name}/" for name, _ in group.groups()]
    raise InputError(f"{what}: {_listing(inside)}; say which with --dataset")


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "")
    return f"holds {len(names)} arrays or groups ({shown})" if names else "holds no array"


def metadata_keys(path: str) -> Iterator[str]:
    """Yield the keys of the metadata documents that decide how the array at `path` is read, root first."""
    parts = path.split("/") if path else []
    for depth in range(len(parts) + 1):
        folder = "".join(f"{part}/" for part in parts[:depth])
        yield from (f"{folder}{name}" for name in DOCUMENTS)
