# SPDX-License-Identifier: Apache-2.0
"""Scores of one predicted class against the truth, on the voxels that may be scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sidecrate.science.blocks import Blocked
from sidecrate.science.matching import (
    Overlaps,
    count_overlaps,
    hausdorff,
    match_one_to_one,
    surface_voxels,
)
from sidecrate.science.objects import Ints, Objects, label_components
from sidecrate.science.slices import SliceSums
from sidecrate.science.tables import Column, Row, plain

SCORE_COLUMNS = (
    Column("class", "1", "class scored"),
    Column("voxels_tp", "1", "voxels of the class in prediction and truth"),
    Column("voxels_fp", "1", "voxels in the prediction only"),
    Column("voxels_fn", "1", "voxels in the truth only"),
    Column("dice", "1", "2 TP / (2 TP + FP + FN) of voxels"),
    Column("iou", "1", "TP / (TP + FP + FN) of voxels"),
    Column("truth_objects", "1", "objects in the truth; they need not have been found"),
    Column("predicted_objects", "1", "objects in the prediction; they need not be right"),
    Column("objects_tp", "1", "objects matched one to one"),
    Column("objects_fp", "1", "predicted objects without a match"),
    Column("objects_fn", "1", "true objects without a match"),
    Column("precision", "1", "objects_tp / predicted_objects"),
    Column("recall", "1", "objects_tp / truth_objects"),
    Column("f1", "1", "2 objects_tp / (predicted_objects + truth_objects)"),
    Column("matched_iou", "1", "mean IoU of the matched objects"),
    Column("hausdorff_nm", "nm", "largest distance from a surface voxel of one to the surface of the other"),
    Column("hausdorff95_nm", "nm", "the same with the 95th percentile of each direction in place of the largest"),
)

OBJECT_COLUMNS = (
    Column("class", "1", "class of the object"),
    Column("outcome", "1", "TP matched, FP predicted only, FN in the truth only"),
    Column("truth_object", "1", "rank of its smallest raster index among the components of the truth"),
    Column("predicted_object", "1", "the same in the prediction"),
    Column("iou", "1", "intersection over union of a matched pair, on the voxels scored"),
    Column("voxels", "1", "voxels scored; of the predicted object for TP and FP"),
    Column("z", "1", "centroid, voxel index"),
    Column("y", "1", "centroid, voxel index"),
    Column("x", "1", "centroid, voxel index"),
)


@dataclass(frozen=True)
class Scored:
    """What was found for one class: its row of scores, its objects, and errors per slice along each axis."""

    scores: Row
    objects: list[Row]
    errors: tuple[Ints, ...]


@dataclass(frozen=True)
class Rules:
    """How objects are made and matched."""

    min_voxels: int = 12
    min_iou: float = 0.2
    connectivity: int = 26


def score_class(
    name: str,
    predicted: Blocked,
    truth: Blocked,
    labelled: Blocked,
    region: Blocked,
    voxel_nm: tuple[float, float, float],
    rules: Rules,
) -> Scored:
    """Return the scores of one class.

    Parameters
    ----------
    predicted, truth : Blocked of bool
    labelled : Blocked of bool
        Where the truth is known; objects are the connected parts in it, so that an object that runs through
        excluded voxels stays one object.
    region : Blocked of bool
        The labelled voxels that are scored: counts, overlaps and surfaces come from them alone.
    """
    counts, errors = _compare_voxels(predicted, truth, region)
    both = [mask.map(np.logical_and, labelled) for mask in (truth, predicted)]
    (truth_ids, truth_objects), (found_ids, found) = (label_components(m, rules.connectivity) for m in both)
    overlaps = count_overlaps(truth_ids, truth_objects, found_ids, found, region)
    matched = _Matched.of(overlaps, rules)
    surfaces = [surface_voxels(mask, region) for mask in both]
    distance, distance95 = hausdorff(surfaces[0], surfaces[1], voxel_nm)
    scores = {
        "class": name,
        **_voxel_scores(*counts),
        **matched.scores(),
        "hausdorff_nm": distance,
        "hausdorff95_nm": distance95,
    }
    rows = list(matched.rows(name, truth_objects, found, overlaps))
    return Scored({key: plain(value) for key, value in scores.items()}, rows, errors)


@dataclass(frozen=True)
class _Matched:
    """Rows of the objects that are scored, and which of them match."""

    truth: Ints
    found: Ints
    pairs: Ints
    iou: NDArray[np.float64]

    @classmethod
    def of(cls, overlaps: Overlaps, rules: Rules) -> _Matched:
        truth = np.flatnonzero(overlaps.first >= rules.min_voxels)
        found = np.flatnonzero(overlaps.second >= rules.min_voxels)
        large = np.isin(overlaps.rows[:, 0], truth) & np.isin(overlaps.rows[:, 1], found)
        scored = Overlaps(overlaps.first, overlaps.second, overlaps.rows[large], overlaps.shared[large])
        pairs, iou = match_one_to_one(scored, rules.min_iou)
        return cls(truth, found, pairs, iou)

    def scores(self) -> dict[str, float]:
        hits, truth, found = len(self.pairs), len(self.truth), len(self.found)
        return {
            "truth_objects": truth,
            "predicted_objects": found,
            "objects_tp": hits,
            "objects_fp": found - hits,
            "objects_fn": truth - hits,
            "precision": _ratio(hits, found),
            "recall": _ratio(hits, truth),
            "f1": _ratio(2 * hits, found + truth),
            "matched_iou": float(self.iou.mean()) if hits else np.nan,
        }

    def rows(self, name: str, truth: Objects, found: Objects, overlaps: Overlaps) -> Iterator[Row]:
        """Yield a row for each object: the matched pairs, then what is too much, then what is missing."""
        for (a, b), iou in zip(self.pairs, self.iou, strict=True):
            yield _object_row(name, "TP", found, b, overlaps.second[b], (truth.ids[a], found.ids[b]), iou)
        for b in np.setdiff1d(self.found, self.pairs[:, 1]):
            yield _object_row(name, "FP", found, b, overlaps.second[b], (None, found.ids[b]))
        for a in np.setdiff1d(self.truth, self.pairs[:, 0]):
            yield _object_row(name, "FN", truth, a, overlaps.first[a], (truth.ids[a], None))


def _compare_voxels(
    predicted: Blocked, truth: Blocked, region: Blocked
) -> tuple[tuple[int, int, int], tuple[Ints, ...]]:
    """Return the numbers of true positive, false positive and false negative voxels, and errors per slice."""
    errors = SliceSums(region.shape)
    hits = too_much = missing = 0
    for box in region.boxes():
        known = region.read(box)
        found, there = predicted.read(box) & known, truth.read(box) & known
        hits += int((found & there).sum())
        too_much += int((found & ~there).sum())
        missing += int((there & ~found).sum())
        errors.add(box, found ^ there)
    return (hits, too_much, missing), errors.along


def _voxel_scores(hits: int, too_much: int, missing: int) -> Row:
    return {
        "voxels_tp": hits,
        "voxels_fp": too_much,
        "voxels_fn": missing,
        "dice": _ratio(2 * hits, 2 * hits + too_much + missing),
        "iou": _ratio(hits, hits + too_much + missing),
    }


def _object_row(
    name: str,
    outcome: str,
    objects: Objects,
    row: int,
    voxels: int,
    ids: tuple[int | None, int | None],
    iou: float | None = None,
) -> Row:
    z, y, x = objects.centroids[row]
    values = (name, outcome, *ids, iou, voxels, z, y, x)
    return {column.name: plain(value) for column, value in zip(OBJECT_COLUMNS, values, strict=True)}


def _ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN (missing in the table) when there is nothing to divide by."""
    return part / whole if whole else np.nan
