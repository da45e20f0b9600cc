# SPDX-License-Identifier: Apache-2.0
"""Hosts: the bodies that objects sit on or in, such as nuclei for pores or cells for mitochondria."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from sidecrate.science.blocks import Blocked, Box
from sidecrate.science.objects import Ints, Objects, keep_objects, label_components, rows_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HostMasks:
    """Where the host class is, and where host or objects are."""

    host: Blocked
    body: Blocked


@dataclass(frozen=True)
class LeftOut:
    """Bodies of the host class that are too small to be hosts: how many, and the largest as a part of the largest."""

    bodies: int = 0
    largest_fraction: float = 0.0


def find_hosts(masks: HostMasks, min_fraction: float) -> tuple[Blocked, Objects, LeftOut]:
    """Return the ids and the table of hosts, and what was left out.

    A host is a component (connectivity 6) of host class and objects together, holes filled, so that an object
    that pierces its host leaves no dimple in the surface. Components with fewer host voxels than `min_fraction`
    of the largest are no hosts; ids are those of all components, so they do not depend on it.
    """
    ids, bodies = label_components(fill_holes(masks.body), connectivity=6)
    own = count_inside(ids, bodies.ids, masks.host)
    largest = max(1, own.max(initial=0))
    is_host = own >= max(1.0, min_fraction * largest)
    small, hosts = own[(own > 0) & ~is_host], bodies.select(is_host)
    return keep_objects(ids, hosts.ids), hosts, LeftOut(len(small), float(small.max(initial=0) / largest))


def fill_holes(mask: Blocked) -> Blocked:
    """Return a mask with every cavity filled: background (connectivity 26) that never reaches the rim."""
    ids, background = label_components(mask.map(np.logical_not), connectivity=26)
    cavities = background.select(~background.touches_border(mask.shape))
    return mask.map(lambda inside, hole: inside | (rows_of(cavities.ids, hole) >= 0), ids)


def count_inside(ids: Blocked, kept: Ints, mask: Blocked) -> Ints:
    """Return how many voxels of each of the sorted ids `kept` lie inside a mask."""
    counts = np.zeros(len(kept), np.int64)
    for box in ids.boxes():
        rows = rows_of(kept, ids.read(box)[mask.read(box)])
        counts += np.bincount(rows[rows >= 0], minlength=len(kept))
    return counts


def nearest_host(
    points: Floats, hosts: Blocked, voxel_nm: tuple[float, float, float], search_nm: float
) -> tuple[Ints, Floats]:
    """Return the id of the nearest host of each point and the distance in nm; 0 and inf beyond `search_nm`.

    The distance is 0 for a point in a host voxel, else that to the nearest voxel centre; of two hosts equally
    near, the smaller id. Each point is decided from all blocks, so the blocks do not matter.

    Parameters
    ----------
    points : (n, 3) float
        Voxel coordinates z, y, x.
    """
    host, distance = np.zeros(len(points), np.int64), np.full(len(points), np.inf)
    nm = np.array(voxel_nm)
    for box in hosts.boxes():
        near = np.flatnonzero(_within(points, box, search_nm / nm))
        block = hosts.read(box) if len(near) else np.zeros(0, np.int64)
        for candidate in np.unique(block[block > 0]):
            found = _distances(points[near], block == candidate, box, nm, search_nm)
            closer = (found < distance[near]) | (
                (found == distance[near]) & (candidate < host[near]) & (found < np.inf)
            )
            host[near[closer]], distance[near[closer]] = candidate, found[closer]
    return host, distance


def _within(points: Floats, box: Box, margin: Floats) -> NDArray[np.bool_]:
    low = np.array([side.start for side in box]) - 0.5 - margin
    high = np.array([side.stop for side in box]) - 0.5 + margin
    inside: NDArray[np.bool_] = np.all((points >= low) & (points <= high), axis=1)
    return inside


def _distances(points: Floats, mask: NDArray[np.bool_], box: Box, nm: Floats, search_nm: float) -> Floats:
    """Return the distance in nm of each point to a mask given in one block, inf beyond `search_nm`."""
    origin = np.array([side.start for side in box])
    shell = np.argwhere(mask & ~ndimage.binary_erosion(mask)) + origin
    distances: Floats = cKDTree(shell * nm).query(points * nm, distance_upper_bound=search_nm)[0]
    voxel = np.floor(points + 0.5).astype(np.int64) - origin
    here = np.flatnonzero(((voxel >= 0) & (voxel < mask.shape)).all(axis=1))
    distances[here[mask[tuple(voxel[here].T)]]] = 0.0
    return distances
