# SPDX-License-Identifier: Apache-2.0
"""Labels kept for validation, apart from those trained on by at least the receptive field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from sidecrate.errors import InputError
from sidecrate.science.padding import Bounds, Triple
from sidecrate.science.sources import SCAN, Source, blocks


def hold_out(source: Source, share: float, radius: Triple) -> tuple[Source, Source]:
    """Return a source split by a plane into a part to train on and one to validate with.

    The validation part holds about `share` of the labelled voxels, at one end of one axis; labels nearer to it
    than `radius` belong to neither. Of the six ends the one is taken that leaves most of the rarest class.

    Raises
    ------
    InputError
        At every end some class would be missing on one side.
    """
    splits = [split for axis in range(3) for split in _ends(source, share, radius[axis], axis)]
    scores = [_score(source, *split, share) for split in splits]
    if max(scores) == 0:
        raise InputError(f"hold_out {share}: too few labels to hold out a part with every class; use 0 or label more")
    return splits[int(np.argmax(scores))]


def seen_share(training: Sequence[Source], validation: Sequence[Source], radius: Triple) -> float:
    """Return the share of validation voxels that have a label trained on inside their receptive field."""
    seen = total = 0
    for kept in validation:
        near = [source for source in training if source.image is kept.image]
        for start, shape in blocks(kept.within):
            mask = kept.read_labels(start, shape) > 0
            if mask.any():
                total += int(mask.sum())
                seen += int((mask & _near(near, start, shape, radius)).sum())
    return seen / total


def _near(sources: Sequence[Source], start: Triple, shape: Triple, radius: Triple) -> NDArray[np.bool_]:
    """Return the voxels of a block that have a label of one of the sources within the radius."""
    found = np.zeros(shape, bool)
    inner = tuple(slice(reach, reach + size) for reach, size in zip(radius, shape, strict=True))
    for source in sources:
        labelled = source.read_labels(np.subtract(start, radius), np.add(shape, 2 * np.asarray(radius))) > 0
        if labelled.any():
            found |= maximum_filter(labelled, [2 * reach + 1 for reach in radius], mode="constant")[inner]
    return found


def _ends(source: Source, share: float, gap: int, axis: int) -> Iterator[tuple[Source, Source]]:
    """Yield the splits that keep the high and the low end of an axis for validation."""
    profile = _profile(source, axis)
    first = source.within[0][axis]
    below = np.cumsum(profile) / profile.sum()
    high = first + int(np.searchsorted(below, 1 - share)) + 1
    low = first + int(np.searchsorted(below, share)) + 1
    yield _part(source, axis, 0, high - gap), _part(source, axis, high, None)
    yield _part(source, axis, low + gap, None), _part(source, axis, 0, low)


def _profile(source: Source, axis: int) -> NDArray[np.int64]:
    """Return the labelled voxels of each plane across an axis."""
    first, last = source.within[0][axis], source.within[1][axis]
    profile = np.zeros(last + SCAN, np.int64)
    others = tuple(other for other in range(3) if other != axis)
    for start, shape in blocks(source.within):
        labelled = source.read_labels(start, shape) > 0
        profile[start[axis] : start[axis] + SCAN] += labelled.sum(axis=others)
    return profile[first:last]


def _part(source: Source, axis: int, low: int, high: int | None) -> Source:
    """Return a source whose labels may be used between two planes only."""
    start, stop = list(source.within[0]), list(source.within[1])
    start[axis] = min(max(start[axis], low), stop[axis])
    stop[axis] = max(start[axis], stop[axis] if high is None else min(stop[axis], high))
    bounds: Bounds = ((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    return replace(source, within=bounds)


def _score(source: Source, training: Source, validation: Source, share: float) -> float:
    """Return how much is left of the class that suffers most, 0 if one is lost on either side."""
    present = source.counts > 0
    left = training.counts[present] / source.counts[present]
    kept = validation.counts[present] / (source.counts[present] * share)
    return float(min(left.min(), kept.min()))
