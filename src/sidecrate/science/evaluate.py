# SPDX-License-Identifier: Apache-2.0
"""The step `evaluate`: a prediction against labels that were not used to train it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sidecrate.artifacts import Evaluation, Image, LabelSet, Prediction
from sidecrate.errors import InputError
from sidecrate.science import plots
from sidecrate.science.arrays import open_array, same_grid
from sidecrate.science.blocks import Blocked, blocked
from sidecrate.science.classes import class_mask, class_names
from sidecrate.science.scores import OBJECT_COLUMNS, SCORE_COLUMNS, Rules, Scored, score_class
from sidecrate.science.slice_picture import Mark, slice_picture
from sidecrate.science.slices import ranked, spread
from sidecrate.science.tables import Table
from sidecrate.store import draft

_RULES = (
    "Voxels: only those labelled in the truth and in none of the excluded label sets are scored.",
    "Objects: connected parts inside the labelled voxels of the truth, of truth and prediction alike. Where the "
    "labels are single slices an object is therefore a 2D part.",
    "An object that runs through excluded voxels stays one object; its scored voxels alone decide its size and "
    "overlap, and it is left out when they are fewer than min_voxels.",
    "Matching: one to one, largest sum of IoU (assignment problem), pairs below min_iou not considered.",
    "Surfaces: voxels with a face neighbour of the other kind, both scored; where scored voxels end there is none.",
)


def evaluate(
    prediction: Prediction,
    truth: LabelSet,
    into: Path,
    *,
    exclude: Sequence[LabelSet] = (),
    image: Image | None = None,
    threshold: int = 128,
    min_voxels: int = 12,
    min_iou: float = 0.2,
    connectivity: int = 26,
    pictures: int = 3,
) -> Evaluation:
    """Return the scores: ``scores.csv``, ``objects.csv``, ``evaluation.json`` and pictures of the errors.

    Parameters
    ----------
    prediction : Prediction
    truth : LabelSet
        Dense or sparse; only its labelled voxels count.
    into : Path
        Series folder of the result.
    exclude : sequence of LabelSet
        Labels used in training; voxels labelled in any of them are not scored.
    image : Image, optional
        Background of the pictures; else the predicted probability of background.
    threshold : int
        Least probability (uint8) of a predicted voxel.
    min_voxels : int
        Objects with fewer scored voxels are left out, in truth and prediction alike.
    min_iou : float
        Least IoU of a matched pair of objects.
    connectivity : {6, 18, 26}
        Of the objects.
    pictures : int
        Number of slices drawn for each class, those with most wrong voxels.

    Raises
    ------
    InputError
        Different grids, no class in common, no voxel left to score, or an option out of range.
    """
    for labels in (truth, *exclude):
        same_grid(prediction, labels)
    if image is not None:
        same_grid(prediction, image)
    if min_voxels < 1 or not 0 < min_iou <= 1:
        raise InputError("min_voxels must be at least 1 and min_iou above 0, at most 1")
    names = [name for name in class_names(truth) if name in class_names(prediction)]
    if not names:
        raise InputError(f"{truth.ref} and {prediction.ref} have no class in common; check the class names")
    labelled = _labelled(truth)
    region = reduce(lambda left, used: left.map(lambda a, b: a & ~b, _labelled(used)), exclude, labelled)
    voxels = _count(labelled), _count(region)
    if voxels[1] == 0:
        raise InputError(f"{truth.ref}: no voxel is labelled that was not used in training; label others")
    rules = Rules(min_voxels, min_iou, connectivity)
    masks = {n: (class_mask(prediction, n, threshold=threshold), class_mask(truth, n)) for n in names}
    scored = {n: score_class(n, *masks[n], labelled, region, prediction.voxel_nm, rules) for n in names}
    grey = blocked(open_array(image)) if image else blocked(open_array(prediction), channel=0)
    about = {
        "prediction": prediction.link(),
        "truth": truth.link(),
        "excluded": [used.link() for used in exclude],
        "settings": {
            "threshold": threshold,
            "min_voxels": min_voxels,
            "min_iou": min_iou,
            "connectivity": connectivity,
        },
        "voxels": {"labelled": voxels[0], "scored": voxels[1], "volume": int(np.prod(truth.shape))},
        "classes_not_predicted": sorted(set(class_names(truth)) - set(names)),
    }
    return _write(scored, about, _pictures(scored, masks, region, grey, prediction.voxel_nm, pictures), into)


def _labelled(labels: LabelSet) -> Blocked:
    return blocked(open_array(labels)).map(lambda block: block > 0)


def _count(mask: Blocked) -> int:
    return sum(int(mask.read(box).sum()) for box in mask.boxes())


def _write(
    scored: dict[str, Scored], about: dict[str, Any], pictures: Iterator[tuple[str, bytes]], into: Path
) -> Evaluation:
    scores = Table(SCORE_COLUMNS, [one.scores for one in scored.values()])
    objects = Table(OBJECT_COLUMNS, [row for one in scored.values() for row in one.objects])
    with draft(Evaluation, into) as made:
        made.write("scores.csv", scores.csv())
        made.write("objects.csv", objects.csv())
        columns = {"scores": scores.describe(), "objects": objects.describe()}
        made.write_json("evaluation.json", {**about, "scores": scores.rows, "columns": columns, "rules": _RULES})
        for name, picture in pictures:
            made.write(f"pictures/{name}.png", picture)
        return made.finish({**about, "scores": scores.rows})


def _pictures(
    scored: dict[str, Scored],
    masks: dict[str, tuple[Blocked, Blocked]],
    region: Blocked,
    grey: Blocked,
    voxel_nm: tuple[float, float, float],
    count: int,
) -> Iterator[tuple[str, bytes]]:
    """Yield the worst slices of each class: false positives orange, false negatives blue, hits yellow."""
    for name, one in scored.items():
        worst = ranked(one.errors)
        for place in islice(spread(worst, region.shape), count):
            predicted, truth = (place.plane(mask) & place.plane(region) for mask in masks[name])
            marks = (
                Mark(predicted & truth, plots.YELLOW, "right"),
                Mark(predicted & ~truth, plots.ORANGE, "predicted, not there"),
                Mark(truth & ~predicted, plots.BLUE, "there, not predicted"),
            )
            title = f"{name}: {place.title}"
            picture = slice_picture(place.plane(grey), marks, place.pixel_nm(voxel_nm), title)
            yield f"{plots.file_name(name)}-{place.name}", picture
