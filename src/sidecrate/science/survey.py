# SPDX-License-Identifier: Apache-2.0
"""Which slices are worth labelling: sums over every slice along three axes, and a choice among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sidecrate.science.blocks import Blocked, Shape, with_low_halo
from sidecrate.science.slices import AXES, SliceSums, least_gap
from sidecrate.science.tables import Row, plain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEIGHTS = {"uncertainty": 0.5, "disagreement": 0.25, "novelty": 0.25}
_DOUBTFUL = 102  # uint8: a probability of 0.2 to 0.8; less doubt, over a whole volume, is only noise
_PLAUSIBLE = 51  # uint8: a probability of 0.2
_LABELLED = 0.2  # part of a slice's voxels that makes it a labelled slice
_RIM = 0.05  # part of an axis at each end that is not offered: little of anything, and padding seen by the net
_CONTENT = 0.05  # a slice needs this part of the plausible voxels of the fullest slice on its axis
_TELLING = 0.05  # a smaller part of a score is not worth a word
_FAR = 0.25  # part of an axis beyond which a slice is as new as can be on an axis already labelled


@dataclass(frozen=True)
class Survey:
    """Sums for each slice along z, y and x.

    Attributes
    ----------
    doubt : tuple of int64 arrays
        Of unlabelled doubtful voxels, in 1/255.
    change : tuple of int64 arrays
        Absolute change of the probability from the slice before, in 1/255; 0 for the first.
    content : tuple of int64 arrays
        Voxels where the class is plausible (p at least 0.2).
    labelled : tuple of int64 arrays
    """

    doubt: tuple[NDArray[np.int64], ...]
    change: tuple[NDArray[np.int64], ...]
    content: tuple[NDArray[np.int64], ...]
    labelled: tuple[NDArray[np.int64], ...]


def survey(probability: Blocked, labels: Blocked) -> Survey:
    """Return the sums of every slice along all three axes, from one pass over the volume."""
    doubtful, content, labelled = (SliceSums(probability.shape) for _ in range(3))
    changes = [SliceSums(probability.shape) for _ in range(3)]
    for box, padded in with_low_halo(probability.map(lambda p: p.astype(np.int16))):
        here = padded[1:, 1:-1, 1:-1]
        painted = labels.read(box) > 0
        doubtful.add(box, np.where(painted, 0, doubt(here)))
        content.add(box, here >= _PLAUSIBLE)
        labelled.add(box, painted)
        before = (padded[:-1, 1:-1, 1:-1], padded[1:, :-2, 1:-1], padded[1:, 1:-1, :-2])
        for sums, low in zip(changes, before, strict=True):
            sums.add(box, np.abs(here - low))
    change = tuple(sums.along[axis] for axis, sums in enumerate(changes))
    for along in change:
        along[0] = 0  # before the first slice there is nothing
    return Survey(doubtful.along, change, content.along, labelled.along)


@dataclass(frozen=True)
class Candidates:
    """All slices of a volume, flat: z, then y, then x.

    Attributes
    ----------
    axis, index : (n,) int64
    position_nm, extent_nm : (n,) float64
        Place along the axis, and the axis' length.
    uncertainty, disagreement : (n,) float64
        Mean over the slice, 1 for the largest that may be chosen.
    labelled, free : (n,) bool
        Labelled already; worth labelling.
    """

    axis: Ints
    index: Ints
    position_nm: Floats
    extent_nm: Floats
    uncertainty: Floats
    disagreement: Floats
    labelled: NDArray[np.bool_]
    free: NDArray[np.bool_]

    @classmethod
    def of(cls, found: Survey, shape: Shape, voxel_nm: tuple[float, float, float], axes: str) -> Candidates:
        """Return the slices of a volume; those on `axes` with something in them, off the rim, are free."""
        axis = np.repeat(np.arange(3), shape)
        index = np.concatenate([np.arange(n) for n in shape])
        length, nm = np.array(shape)[axis], np.array(voxel_nm)[axis]
        voxels = np.prod(shape) / length
        content = np.concatenate([along / max(along.max(), 1) for along in found.content])
        labelled = np.concatenate(found.labelled) >= _LABELLED * voxels
        rim = np.maximum(1, np.round(_RIM * length))
        free = (index >= rim) & (index < length - rim) & (content >= _CONTENT) & ~labelled
        free &= np.isin(axis, [AXES.index(letter) for letter in axes])
        uncertainty = np.concatenate(found.doubt) / voxels
        disagreement = np.concatenate([_both_sides(along) for along in found.change]) / voxels
        doubt_part, change_part = (
            values / max(values[free].max(initial=0), 1e-12) for values in (uncertainty, disagreement)
        )
        return cls(axis, index, index * nm, length * nm, doubt_part, change_part, labelled, free)

    def distances_nm(self, known: NDArray[np.bool_]) -> Floats:
        """Return the distance of each slice to the nearest known one on its axis, inf without one."""
        distance = np.full(len(self.axis), np.inf)
        for axis in range(3):
            here = self.axis == axis
            places = self.position_nm[here & known]
            if len(places):
                distance[here] = np.abs(self.position_nm[here, None] - places).min(axis=1)
        return distance


def choose(slices: Candidates, count: int) -> Iterator[Row]:
    """Yield the best slices, best first, each with the parts of its score and the reason in words.

    Each one taken counts as labelled for the next, so they keep away from each other, and an axis without any
    labelled slice (along which the same structures are seen from another side) is preferred once.
    """
    known, free = slices.labelled.copy(), slices.free.copy()
    for _ in range(min(count, int(free.sum()))):
        distance = slices.distances_nm(known)
        parts = {
            "uncertainty": slices.uncertainty,
            "disagreement": slices.disagreement,
            "novelty": np.where(np.isinf(distance), 1, np.minimum(0.5, 0.5 * distance / (_FAR * slices.extent_nm))),
        }
        score = sum((WEIGHTS[name] * part for name, part in parts.items()), np.zeros(len(free)))
        best = int(np.argmax(np.where(free, score, -1)))
        if not free[best]:
            return
        axis, index = AXES[slices.axis[best]], int(slices.index[best])
        here = {name: float(part[best]) for name, part in parts.items()}
        row = {"axis": axis, "index": index, "score": score[best], **here, "label_distance_nm": distance[best]}
        yield {name: plain(value) for name, value in row.items()} | {"reason": _reason(axis, here, distance[best])}
        known[best] = True
        same_axis = slices.axis == slices.axis[best]
        gap = least_gap(int(same_axis.sum()))
        free &= ~(same_axis & (np.abs(slices.index - index) < gap))


def doubt(probability: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return 255 at an even chance, less either side, and 0 where the answer is nearly certain."""
    height: NDArray[np.int16] = 255 - np.abs(2 * probability - 255)
    return np.where(height >= _DOUBTFUL, height, 0)


def _both_sides(change: Ints) -> Ints:
    """Return the smaller change of each slice to its two neighbours: where a body begins is no disagreement."""
    smaller: Ints = np.minimum(change, np.append(change[1:], 0))
    return smaller


def _reason(axis: str, parts: dict[str, float], distance_nm: float) -> str:
    words = {
        "uncertainty": f"the prediction is in doubt ({parts['uncertainty']:.0%} of the most doubtful slice)",
        "disagreement": f"it differs from its neighbours ({parts['disagreement']:.0%} of the largest difference)",
        "novelty": f"the nearest labelled or suggested {axis} slice is {distance_nm:.0f} nm away"
        if np.isfinite(distance_nm)
        else f"no {axis} slice is labelled yet, so structures facing {axis} were never seen face-on",
    }
    order = sorted(words, key=lambda name: -WEIGHTS[name] * parts[name])
    return "; ".join(words[name] for name in order if parts[name] >= _TELLING)
