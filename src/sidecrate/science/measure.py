# SPDX-License-Identifier: Apache-2.0
"""The step `measure`: objects on or in hosts, counted, sized and spaced, with units and definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidecrate.artifacts import Image, LabelSet, Measurements, Prediction
from sidecrate.errors import InputError
from sidecrate.science import plots
from sidecrate.science.arrays import open_array
from sidecrate.science.blocks import Blocked, blocked
from sidecrate.science.census import Census, take_census
from sidecrate.science.classes import class_mask
from sidecrate.science.hosts import HostMasks
from sidecrate.science.objects import Objects, keep_objects, label_components, tabulate_instances
from sidecrate.science.plausibility import structure_of, warnings
from sidecrate.store import draft

Floats = NDArray[np.float64]

BIN_NM = 10.0
# A body of a twentieth is 0.37 times as wide as the largest: crumbs of a prediction go, a cell cut by the border stays.
HOST_MIN_FRACTION = 0.05
_SPECK = 10  # what is this much smaller still is in the totals, but nobody need look at it
_NOTES = (
    "Sizes leave out objects that touch the border of the volume; counts and densities are given both ways.",
    "Two hosts that touch at a voxel face are one.",
    "A surface estimate is unbiased for closed curved bodies and can be 7 % off for a plane.",
)


def measure(
    prediction: Prediction | LabelSet | Image,
    into: Path,
    *,
    objects: str,
    hosts: str | None = None,
    threshold: int = 128,
    min_voxels: int = 12,
    search_nm: float = 200.0,
    host_min_fraction: float = HOST_MIN_FRACTION,
    height_nm: float | None = None,
    connectivity: int = 26,
) -> Measurements:
    """Return the measured objects: ``objects.csv``, ``hosts.csv``, ``measurements.json`` and plots.

    Parameters
    ----------
    prediction : Prediction, LabelSet or Image
        Where the classes are. An Image is taken as instance ids (0 background), and `objects` names them.
    into : Path
        Series folder of the result.
    objects, hosts : str
        Class names. Without hosts the whole volume is the only host.
    threshold : int
        Least probability (uint8) of a predicted voxel.
    min_voxels : int
        Smaller objects are dropped, by their count in the whole volume.
    search_nm : float
        An object farther from every host is an orphan.
    host_min_fraction : float
        Bodies of the host class smaller than this part of the largest are no hosts; they are counted and warned of.
    height_nm : float, optional
        Height of flat objects, if it is known: gives their disc diameter.
    connectivity : {6, 18, 26}
        Of the objects.

    Raises
    ------
    InputError
        No such class, an option out of range, or unreadable voxels.
    """
    settings = {
        "threshold": threshold if isinstance(prediction, Prediction) else None,
        "min_voxels": min_voxels,
        "search_nm": search_nm,
        "host_min_fraction": host_min_fraction,
        "height_nm": height_nm,
        "connectivity": connectivity if not isinstance(prediction, Image) else None,
    }
    lengths = (search_nm, search_nm if height_nm is None else height_nm)
    if min_voxels < 1 or not all(0 < length < np.inf for length in lengths):
        raise InputError("min_voxels must be at least 1, search_nm and height_nm more than 0 and finite")
    if hosts == objects:
        raise InputError(f"{objects!r} cannot be its own host; name another class or leave `hosts` out")
    if not 0 <= host_min_fraction <= 1:
        raise InputError(f"host_min_fraction is a part of the largest host, 0 to 1, not {host_min_fraction:g}")
    ids, found = _objects(prediction, objects, threshold, connectivity)
    kept = found.select(found.voxels >= min_voxels)
    host = _hosts(prediction, hosts, objects, threshold)
    census = take_census(
        keep_objects(ids, kept.ids),
        kept,
        host,
        prediction.voxel_nm,
        search_nm=search_nm,
        host_min_fraction=host_min_fraction,
        height_nm=height_nm,
    )
    about = {
        "object_class": objects,
        "host_class": hosts,
        "source": prediction.link(),
        "voxel_nm": list(prediction.voxel_nm),
        "shape": list(prediction.shape),
        "settings": settings,
    }
    return _write(census, about, into)


def _objects(
    volume: Prediction | LabelSet | Image, name: str, threshold: int, connectivity: int
) -> tuple[Blocked, Objects]:
    if not isinstance(volume, Image):
        return label_components(class_mask(volume, name, threshold=threshold), connectivity)
    array = open_array(volume)
    if array.dtype.kind not in "iu":
        raise InputError(f"{volume.ref}: instance ids must be integers, it holds {array.dtype}; add it again")
    ids = blocked(array)
    return ids, tabulate_instances(ids)


def _hosts(volume: Prediction | LabelSet | Image, name: str | None, objects: str, threshold: int) -> HostMasks | None:
    if name is None:
        return None
    if isinstance(volume, Image):
        raise InputError(f"{volume.ref}: an image of instance ids holds no host class; leave `hosts` out")
    return HostMasks(
        class_mask(volume, name, threshold=threshold), class_mask(volume, name, objects, threshold=threshold)
    )


def _write(census: Census, about: dict[str, Any], into: Path) -> Measurements:
    summary = summarise(census, about)
    with draft(Measurements, into) as made:
        made.write("objects.csv", census.objects.csv())
        made.write("hosts.csv", census.hosts.csv())
        made.write_json("measurements.json", summary)
        for name, svg in _plots(census, about["object_class"]):
            made.write(f"plots/{name}.svg", svg)
        keys = ("object_class", "host_class", "source", "voxel_nm", "shape", "settings", "totals", "warnings")
        return made.finish({key: summary[key] for key in keys})


def summarise(census: Census, about: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``measurements.json``: settings, definitions, hosts with their raw counts."""
    edges = _edges(census.objects.numbers("diameter_nm"))
    hosts = census.hosts.rows
    return {
        **about,
        "surface_estimator": census.estimator,
        "configuration_order": "bit 4z+2y+x of the index is the corner (z, y, x) of the 2x2x2 cell",
        "columns": {"objects": census.objects.describe(), "hosts": census.hosts.describe()},
        "size_bins_nm": edges.tolist(),
        "hosts": [
            {**row, "configurations": counts.tolist(), "size_histogram": _sizes(census, row["host"], edges)}
            for row, counts in zip(hosts, census.configurations, strict=True)
        ],
        "totals": {
            "hosts": len(hosts),
            "bodies_left_out": census.left_out.bodies,
            "objects": len(census.objects.rows),
            "objects_inside": sum(not row["touches_border"] for row in census.objects.rows),
            "orphans": sum(row["host"] is None for row in census.objects.rows),
        },
        "warnings": [*_left_out(census, about), *warnings(structure_of(about["object_class"]), hosts)],
        "notes": list(_NOTES),
    }


def _left_out(census: Census, about: dict[str, Any]) -> Iterator[dict[str, str | int | float]]:
    """Yield a warning when bodies of the host class were taken for crumbs: somebody should look at them."""
    found, least = census.left_out, about["settings"]["host_min_fraction"]
    if found.bodies and found.largest_fraction >= least / _SPECK:
        many = f"{found.bodies} bodies" if found.bodies > 1 else "1 body"
        yield {
            "code": "hosts.left_out",
            "value": found.bodies,
            "message": f"{many} of class {about['host_class']} smaller than {least:.3g} of the largest left out, "
            f"up to {found.largest_fraction:.2g} of it; objects that sit on these alone are orphans",
        }


def _edges(diameters: Floats) -> Floats:
    """Return bin edges at fixed multiples of 10 nm, from 0 to the largest value."""
    return np.arange(0, np.floor(diameters.max(initial=0) / BIN_NM) + 2) * BIN_NM


def _sizes(census: Census, host: object, edges: Floats) -> list[int]:
    """Return the histogram of the diameters of a host's objects that do not touch the border."""
    inside = census.objects.where(lambda row: row["host"] == host and not row["touches_border"])
    counts: list[int] = np.histogram(inside.numbers("diameter_nm"), edges)[0].tolist()
    return counts


def _plots(census: Census, name: str) -> Iterator[tuple[str, bytes]]:
    hosts = census.hosts
    labels = [str(row["host"]) for row in hosts.rows]
    yield (
        "count",
        plots.bars(hosts.numbers("objects"), hosts.numbers("objects_sd"), labels, f"{name}: count", "objects"),
    )
    density, sd = hosts.numbers("density_per_um2"), hosts.numbers("density_sd_per_um2")
    if len(density) == len(labels):
        yield "density", plots.bars(density, sd, labels, f"{name}: density", "objects / µm²")
    inside = census.objects.where(lambda row: not row["touches_border"])
    for values, title in (
        (inside.numbers("diameter_nm"), "equivalent diameter"),
        (census.objects.numbers("nearest_nm"), "nearest neighbour"),
    ):
        if len(values):
            edges = _edges(values)
            counts = np.histogram(values, edges)[0]
            median = float(np.median(values))
            yield title.replace(" ", "_"), plots.histogram(counts, edges, f"{name}: {title}", "nm", median)
