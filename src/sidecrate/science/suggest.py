# SPDX-License-Identifier: Apache-2.0
"""The step `suggest`: which slices to label next, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from sidecrate.artifacts import Image, LabelSet, Prediction, Suggestion
from sidecrate.errors import InputError
from sidecrate.science import plots
from sidecrate.science.arrays import open_array, same_grid
from sidecrate.science.blocks import Blocked, blocked
from sidecrate.science.classes import class_names
from sidecrate.science.slice_picture import Mark, slice_picture
from sidecrate.science.slices import AXES, Slice
from sidecrate.science.survey import WEIGHTS, Candidates, choose, doubt, survey
from sidecrate.science.tables import Column, Table
from sidecrate.store import draft

_STRETCHED = 2.0

COLUMNS = (
    Column("rank", "1", "order in which to label"),
    Column("axis", "1", "axis the slice is perpendicular to"),
    Column("index", "1", "slice index along the axis, from 0"),
    Column("score", "1", " + ".join(f"{weight} {part}" for part, weight in WEIGHTS.items())),
    Column("uncertainty", "1", "doubt of unlabelled voxels (1 - |2p - 1| where p is 0.2 to 0.8), of the largest mean"),
    Column("disagreement", "1", "smaller mean change of p to the slices before and after, of the largest"),
    Column(
        "novelty",
        "1",
        "1 on an axis without labelled slices, else half of label_distance_nm over a quarter axis, at most 0.5",
    ),
    Column(
        "label_distance_nm", "nm", "distance to the nearest labelled or suggested slice on the axis, if there is one"
    ),
    Column("reason", "1", "the same in words"),
)


def suggest(
    prediction: Prediction,
    labels: LabelSet,
    into: Path,
    *,
    count: int = 2,
    focus: str | None = None,
    axes: str | None = None,
    image: Image | None = None,
) -> Suggestion:
    """Return slices to label next: ``suggestion.csv``, ``suggestion.json`` and overlay pictures.

    Parameters
    ----------
    prediction : Prediction
    labels : LabelSet
        What is labelled already.
    into : Path
        Series folder of the result.
    count : int
        Number of slices.
    focus : str, optional
        The class that matters; else all but the background together.
    axes : str, optional
        Axes to offer slices on, such as ``"zy"``; else those whose slices have pixels of at most 2:1.
    image : Image, optional
        Background of the pictures; else the probability.

    Raises
    ------
    InputError
        Different grids, an unknown class or axis, no slice asked for, or none worth labelling.
    """
    if count < 1:
        raise InputError(f"count {count}: ask for at least one slice")
    same_grid(prediction, labels)
    if image is not None:
        same_grid(prediction, image)
    offered = _offered_axes(axes, prediction.voxel_nm)
    probability = _probability(prediction, focus)
    found = survey(probability, blocked(open_array(labels)))
    rows = list(choose(Candidates.of(found, prediction.shape, prediction.voxel_nm, offered), count))
    if not rows:
        raise InputError(f"{prediction.ref}: no unlabelled slice on {', '.join(offered)} shows anything; train longer")
    table = Table(COLUMNS, [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)])
    about = {
        "prediction": prediction.link(),
        "labels": labels.link(),
        "settings": {"count": count, "focus": focus, "axes": offered},
    }
    grey = blocked(open_array(image)) if image else probability
    with draft(Suggestion, into) as made:
        made.write("suggestion.csv", table.csv())
        made.write_json("suggestion.json", {**about, "slices": table.rows, "columns": table.describe()})
        for name, picture in _pictures(table, probability, grey, prediction.voxel_nm, focus or "any class"):
            made.write(f"pictures/{name}.png", picture)
        return made.finish({**about, "slices": table.rows})


def _offered_axes(axes: str | None, voxel_nm: tuple[float, float, float]) -> str:
    """Return the axes asked for, or those whose slices are not too stretched to paint on."""
    if axes is None:
        planes = [[nm for other, nm in enumerate(voxel_nm) if other != axis] for axis in range(3)]
        return "".join(letter for letter, nm in zip(AXES, planes, strict=True) if max(nm) <= _STRETCHED * min(nm))
    if not axes or set(axes) - set(AXES):
        raise InputError(f"axes {axes!r}: give some of z, y, x")
    return axes


def _probability(prediction: Prediction, focus: str | None) -> Blocked:
    """Return the stored probability (uint8) of a class, or of all but the background."""
    array = open_array(prediction)
    if focus is None:
        return blocked(array, channel=0).map(lambda background: 255 - background)
    if focus not in class_names(prediction):
        raise InputError(f"{prediction.ref}: no class {focus!r}; it has: {', '.join(class_names(prediction))}")
    return blocked(array, channel=prediction.classes.index(focus))


def _pictures(
    slices: Table, probability: Blocked, grey: Blocked, voxel_nm: tuple[float, float, float], what: str
) -> Iterator[tuple[str, bytes]]:
    """Yield each slice with what is predicted in blue and what is in doubt in orange."""
    for row in slices.rows:
        place = Slice(AXES.index(str(row["axis"])), cast(int, row["index"]))
        p = place.plane(probability).astype(np.int16)
        marks = (Mark(p >= 128, plots.BLUE, f"{what} predicted"), Mark(doubt(p) > 0, plots.ORANGE, "in doubt"))
        yield place.name, slice_picture(place.plane(grey), marks, place.pixel_nm(voxel_nm), place.title)
