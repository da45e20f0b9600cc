# SPDX-License-Identifier: Apache-2.0
"""One class of a prediction or label set as a mask that is read block by block."""

from __future__ import annotations

from sidecrate.artifacts import LabelSet, Prediction
from sidecrate.errors import InputError
from sidecrate.science.arrays import open_array
from sidecrate.science.blocks import Blocked, blocked


def class_names(volume: Prediction | LabelSet) -> list[str]:
    """Return the names of the classes, without the background."""
    names = volume.classes if isinstance(volume, Prediction) else list(volume.classes.values())
    return [name for name in names if name != "background"]


def class_mask(volume: Prediction | LabelSet, name: str, threshold: int = 128) -> Blocked:
    """Return where a class is.

    Parameters
    ----------
    volume : Prediction or LabelSet
    name : str
    threshold : int
        A voxel of a prediction belongs to the class when its stored probability (uint8, 255 = 1) is at least
        this. From 128 on no voxel belongs to two classes.

    Raises
    ------
    InputError
        The volume has no such class, or the threshold is not in 1…255.
    """
    if name not in class_names(volume):
        known = ", ".join(class_names(volume)) or "none"
        raise InputError(f"{volume.ref}: no class {name!r}; it has: {known}")
    if not 1 <= threshold <= 255:
        raise InputError(f"threshold {threshold}: give a uint8 probability, 1 to 255 (128 is one half)")
    array = open_array(volume)
    if isinstance(volume, Prediction):
        channel = volume.classes.index(name)
        return blocked(array, channel=channel).map(lambda block: block >= threshold)
    number = next(number for number, known in volume.classes.items() if known == name)
    return blocked(array).map(lambda block: block == number)
