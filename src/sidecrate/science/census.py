# SPDX-License-Identifier: Apache-2.0
"""The tables of a measurement: one row an object, one row a host, from integers counted in the volume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sidecrate.science.blocks import Blocked
from sidecrate.science.hosts import HostMasks, LeftOut, find_hosts, nearest_host
from sidecrate.science.objects import Ints, Objects
from sidecrate.science.surface import area_weights, count_configurations
from sidecrate.science.tables import Column, Table, table

Floats = NDArray[np.float64]
Voxel = tuple[float, float, float]

NM3_PER_UM3, NM2_PER_UM2 = 1e9, 1e6

OBJECT_COLUMNS = (
    Column("object", "1", "rank of the object's smallest raster index among all components, before any filter"),
    Column("host", "1", "id of the nearest host of the centroid; 0 if hosts were not asked for; empty: orphan"),
    Column("host_distance_nm", "nm", "distance from the centroid to the host; 0 inside"),
    Column("voxels", "1", "number of voxels"),
    Column("volume_um3", "um3", "voxels times voxel volume"),
    Column("diameter_nm", "nm", "diameter of the sphere of equal volume, (6 V / pi)^(1/3)"),
    Column("disc_diameter_nm", "nm", "diameter of the disc of equal volume and the height given, 2 sqrt(V / (pi h))"),
    Column("surface_um2", "um2", "surface area of the closed object by the estimator named"),
    Column("z_nm", "nm", "centroid, the centre of the first voxel at 0"),
    Column("y_nm", "nm", "centroid"),
    Column("x_nm", "nm", "centroid"),
    Column("touches_border", "1", "has a voxel in an outermost layer of the volume, so it may be cut"),
    Column("nearest_nm", "nm", "straight line from the centroid to the nearest other one on the same host"),
)

HOST_COLUMNS = (
    Column("host", "1", "rank of the host's smallest raster index among all bodies; 0: the whole volume"),
    Column("touches_border", "1", "has a voxel in an outermost layer of the volume, so it may be cut"),
    Column("voxels", "1", "voxels of host and object class together, cavities filled"),
    Column("volume_um3", "um3", "voxels times voxel volume"),
    Column("surface_um2", "um2", "area of the outer surface seen inside the volume, by the estimator named"),
    Column("z_nm", "nm", "centroid, the centre of the first voxel at 0"),
    Column("y_nm", "nm", "centroid"),
    Column("x_nm", "nm", "centroid"),
    Column("objects", "1", "objects assigned to the host"),
    Column("objects_sd", "1", "Poisson standard deviation of that count, its square root; no segmentation error"),
    Column("objects_inside", "1", "objects that do not touch the border of the volume"),
    Column("density_per_um2", "um-2", "objects / surface_um2"),
    Column("density_sd_per_um2", "um-2", "objects_sd / surface_um2"),
    Column("density_inside_per_um2", "um-2", "objects_inside / surface_um2"),
    Column("density_per_um3", "um-3", "objects / volume_um3"),
    Column("density_inside_per_um3", "um-3", "objects_inside / volume_um3"),
    Column("median_diameter_nm", "nm", "median diameter_nm of objects that do not touch the border"),
    Column("mean_diameter_nm", "nm", "mean diameter_nm of objects that do not touch the border"),
    Column("median_volume_um3", "um3", "median volume of objects that do not touch the border"),
    Column("nearest_n", "1", "objects that have a nearest neighbour on the host"),
    Column("nearest_mean_nm", "nm", "mean of nearest_nm"),
    Column("nearest_median_nm", "nm", "median of nearest_nm"),
    Column("clark_evans", "1", "nearest_mean_nm over that of a random pattern, 1 / (2 sqrt(density)); > 1 is regular"),
)


@dataclass(frozen=True)
class Assignment:
    """The host of each object (0: the whole volume, -1: none near enough) and its distance in nm."""

    host: Ints
    distance_nm: Floats


@dataclass(frozen=True)
class Census:
    """What was measured: both tables, surface configurations of each host, the estimator's name, what is no host."""

    objects: Table
    hosts: Table
    configurations: Ints
    estimator: str
    left_out: LeftOut


def take_census(
    ids: Blocked,
    objects: Objects,
    host: HostMasks | None,
    voxel_nm: Voxel,
    *,
    search_nm: float,
    host_min_fraction: float,
    height_nm: float | None = None,
) -> Census:
    """Return the tables of the objects of a volume and of their hosts.

    Parameters
    ----------
    ids : Blocked of int
        Object ids, 0 elsewhere.
    objects : Objects
        The table of these ids.
    host : HostMasks, optional
        Without it the whole volume is the only host.
    """
    estimator, weights = area_weights(voxel_nm)
    left_out = LeftOut()
    if host is None:
        bodies, configurations = _whole_volume(ids.shape), np.zeros((1, 256), np.int64)
        area = np.array([np.nan])
        assigned = Assignment(np.zeros(len(objects), np.int64), np.zeros(len(objects)))
    else:
        host_ids, bodies, left_out = find_hosts(host, host_min_fraction)
        configurations = count_configurations(host_ids, bodies.ids, closed=False)
        area = configurations @ weights
        nearest, distance = nearest_host(objects.centroids, host_ids, voxel_nm, search_nm)
        assigned = Assignment(np.where(nearest > 0, nearest, -1), distance)
    object_area = count_configurations(ids, objects.ids, closed=True) @ weights
    rows = object_table(objects, object_area, assigned, ids.shape, voxel_nm, height_nm)
    return Census(rows, host_table(bodies, area, rows, ids.shape, voxel_nm), configurations, estimator, left_out)


def object_table(
    objects: Objects,
    surface_nm2: Floats,
    assigned: Assignment,
    shape: tuple[int, int, int],
    voxel_nm: Voxel,
    height_nm: float | None,
) -> Table:
    """Return one row an object; `height_nm` is the known height of flat objects, for their disc diameter."""
    volume = objects.voxels * np.prod(voxel_nm)
    position = objects.centroids * np.array(voxel_nm)
    disc = 2 * np.sqrt(volume / (np.pi * height_nm)) if height_nm else np.full(len(objects), np.nan)
    orphan = assigned.host < 0
    return table(
        OBJECT_COLUMNS,
        {
            "object": objects.ids,
            "host": [None if none else int(host) for host, none in zip(assigned.host, orphan, strict=True)],
            "host_distance_nm": assigned.distance_nm,
            "voxels": objects.voxels,
            "volume_um3": volume / NM3_PER_UM3,
            "diameter_nm": np.cbrt(6 * volume / np.pi),
            "disc_diameter_nm": disc,
            "surface_um2": surface_nm2 / NM2_PER_UM2,
            "z_nm": position[:, 0],
            "y_nm": position[:, 1],
            "x_nm": position[:, 2],
            "touches_border": objects.touches_border(shape),
            "nearest_nm": nearest_neighbours(position, assigned.host),
        },
    )


def host_table(
    hosts: Objects, surface_nm2: Floats, objects: Table, shape: tuple[int, int, int], voxel_nm: Voxel
) -> Table:
    """Return one row a host, from the table of objects; `surface_nm2` NaN where a host has no surface."""
    volume_um3 = hosts.voxels * np.prod(voxel_nm) / NM3_PER_UM3
    surface_um2 = surface_nm2 / NM2_PER_UM2
    statistics = [
        _statistics(_Members.of(objects, int(host)), float(area), float(volume))
        for host, area, volume in zip(hosts.ids, surface_um2, volume_um3, strict=True)
    ]
    columns: dict[str, Iterable[object]] = {
        "host": hosts.ids,
        "touches_border": hosts.touches_border(shape),
        "voxels": hosts.voxels,
        "volume_um3": volume_um3,
        "surface_um2": surface_um2,
        **dict(zip(("z_nm", "y_nm", "x_nm"), (hosts.centroids * np.array(voxel_nm)).T, strict=True)),
    }
    counted = [column.name for column in HOST_COLUMNS if column.name not in columns]
    columns |= {name: [row[name] for row in statistics] for name in counted}
    return table(HOST_COLUMNS, columns)


def nearest_neighbours(position_nm: Floats, host: Ints) -> Floats:
    """Return the distance of each point to the nearest one with the same host; NaN for orphans and loners.

    A straight line: on a nucleus of 3 µm radius the arc is 0.07 % longer at 400 nm.
    """
    nearest = np.full(len(host), np.nan)
    for one in np.unique(host[host >= 0]):
        members = np.flatnonzero(host == one)
        if len(members) > 1:
            points = position_nm[members]
            nearest[members] = cKDTree(points).query(points, k=2)[0][:, 1]
    return nearest


@dataclass(frozen=True)
class _Members:
    """The objects of one host: how many, how many off the border, the sizes of these, the spacing of all."""

    count: int
    inside: int
    diameter_nm: Floats
    volume_um3: Floats
    nearest_nm: Floats

    @classmethod
    def of(cls, objects: Table, host: int) -> _Members:
        members = objects.where(lambda row: row["host"] == host)
        inside = members.where(lambda row: not row["touches_border"])
        return cls(
            len(members.rows),
            len(inside.rows),
            inside.numbers("diameter_nm"),
            inside.numbers("volume_um3"),
            members.numbers("nearest_nm"),
        )


def _statistics(members: _Members, area_um2: float, volume_um3: float) -> dict[str, float]:
    count, inside = members.count, members.inside
    area_um2 = area_um2 or np.nan  # a host that fills the volume shows no surface in it
    density = count / area_um2
    spacing = _mean(members.nearest_nm)
    return {
        "objects": count,
        "objects_sd": count**0.5,
        "objects_inside": inside,
        "density_per_um2": density,
        "density_sd_per_um2": count**0.5 / area_um2,
        "density_inside_per_um2": inside / area_um2,
        "density_per_um3": count / volume_um3,
        "density_inside_per_um3": inside / volume_um3,
        "median_diameter_nm": _median(members.diameter_nm),
        "mean_diameter_nm": _mean(members.diameter_nm),
        "median_volume_um3": _median(members.volume_um3),
        "nearest_n": len(members.nearest_nm),
        "nearest_mean_nm": spacing,
        "nearest_median_nm": _median(members.nearest_nm),
        "clark_evans": spacing * 2 * np.sqrt(density / NM2_PER_UM2),
    }


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else np.nan


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else np.nan


def _whole_volume(shape: tuple[int, int, int]) -> Objects:
    one = np.zeros(1, np.int64)
    corner, size = np.zeros((1, 3), np.int64), np.array([shape], np.int64)
    voxels = size.prod(axis=1)
    return Objects(one, one, voxels, voxels[:, None] * (size - 1) // 2, corner, size)
