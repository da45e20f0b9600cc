# SPDX-License-Identifier: Apache-2.0
"""What a training is given, checked: volumes with their labels, classes, voxel size, and what validates it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidecrate.artifacts import Image, LabelSet
from sidecrate.errors import InputError
from sidecrate.science.arrays import View, open_array, same_grid
from sidecrate.science.blocks import ArrayLike
from sidecrate.science.padding import Triple
from sidecrate.science.sources import Source
from sidecrate.science.splits import hold_out

_RESIDENT_BYTES = 1 << 28  # arrays up to this size are read once; patches of larger ones are read when drawn


@dataclass(frozen=True)
class Lesson:
    """Checked material of a training.

    Attributes
    ----------
    classes : tuple of str
        Names in the order of the label numbers 1, 2, …
    voxel_nm : tuple of float
    training, validation : list of Source
    """

    classes: tuple[str, ...]
    voxel_nm: tuple[float, float, float]
    training: list[Source]
    validation: list[Source]

    @classmethod
    def prepare(
        cls,
        images: Sequence[Image],
        labels: Sequence[LabelSet],
        validation: Sequence[LabelSet],
    ) -> Lesson:
        """Return the material, every label set with the image it was painted on.

        Raises
        ------
        InputError
            Labels without their image, of another shape or with other classes; voxel sizes that differ; a class
            nobody labelled; grey values that are not numbers.
        """
        classes = _classes([*labels, *validation])
        opened = {image.digest: _grey(image) for image in images}
        training = [_source(painted, images, opened) for painted in labels]
        kept = [_source(painted, images, opened) for painted in validation]
        _check_labels(training, classes, ", ".join(painted.ref for painted in labels))
        if kept:
            _check_labels(kept, classes, ", ".join(painted.ref for painted in validation))
        return cls(classes, _voxel_nm(images), training, kept)

    def holding_out(self, share: float, radius: Triple) -> Lesson:
        """Return the material with a share of each volume's labels moved to the validation."""
        if share == 0:
            return self
        if not 0 < share < 1 or self.validation:
            raise InputError("hold_out is a share between 0 and 1, and cannot be combined with validation labels")
        pairs = [hold_out(source, share, radius) for source in self.training]
        return Lesson(self.classes, self.voxel_nm, [pair[0] for pair in pairs], [pair[1] for pair in pairs])

    def counts(self) -> NDArray[np.int64]:
        """Return the labelled voxels of each class that is trained on, background first."""
        return _counts(self.training)[1 : len(self.classes) + 1]


def _source(labels: LabelSet, images: Sequence[Image], opened: dict[str, ArrayLike]) -> Source:
    image = next((image for image in images if image.digest == labels.image["digest"]), None)
    if image is None:
        raise InputError(f"{labels.ref} was painted on {labels.image['ref']}, which was not given; name that image")
    same_grid(labels, image)
    return Source.whole(opened[image.digest], _resident(open_array(labels)))


def _grey(image: Image) -> ArrayLike:
    view = open_array(image)
    if view.dtype.kind not in "uif":
        raise InputError(f"{image.ref}: grey values of type {view.dtype} cannot be trained on; add it as numbers")
    return _resident(view)


def _resident(view: View) -> ArrayLike:
    size = int(np.prod(view.shape)) * view.dtype.itemsize
    everything: NDArray[Any] | View = view[(slice(None),) * 3] if size <= _RESIDENT_BYTES else view
    return everything


def _classes(labels: Sequence[LabelSet]) -> tuple[str, ...]:
    """Return the class names; all label sets must agree."""
    first = {1: "background", **labels[0].classes}
    for other in labels[1:]:
        if {1: "background", **other.classes} != first:
            raise InputError(f"{other.ref} and {labels[0].ref} name their classes differently; label with one list")
    if sorted(first) != list(range(1, len(first) + 1)) or len(first) < 2:
        raise InputError(f"{labels[0].ref}: classes must be numbered 1 (background), 2, 3 …; it has {sorted(first)}")
    return tuple(first[number] for number in sorted(first))


def _voxel_nm(images: Sequence[Image]) -> tuple[float, float, float]:
    first = images[0].voxel_nm
    for other in images[1:]:
        if not np.allclose(other.voxel_nm, first, rtol=0.01):
            raise InputError(f"{other.ref} has voxels of {other.voxel_nm} nm, {images[0].ref} of {first} nm; resample")
    return first


def _check_labels(sources: Sequence[Source], classes: Sequence[str], what: str) -> None:
    counts = _counts(sources)
    if odd := np.flatnonzero(counts[len(classes) + 1 :]).tolist():
        raise InputError(f"{what}: label {odd[0] + len(classes) + 1} has no name; name the class or repaint")
    if missing := [name for name, count in zip(classes, counts[1:], strict=False) if count == 0]:
        raise InputError(f"{what}: no voxel is labelled {missing[0]!r}; label some, or leave the class out")


def _counts(sources: Sequence[Source]) -> NDArray[np.int64]:
    return np.asarray(np.sum([source.counts for source in sources], axis=0), np.int64)
