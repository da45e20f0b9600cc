# SPDX-License-Identifier: Apache-2.0
"""One class of a prediction or label set as a mask that is read block by block."""

from __future__ import annotations

import numpy as np

from sidecrate.artifacts import LabelSet, Prediction
from sidecrate.errors import InputError
from sidecrate.science.arrays import open_array
from sidecrate.science.blocks import Blocked, blocked


def class_names(volume: Prediction | LabelSet) -> list[str]:
    """Return the names of the classes, without the background."""
    names = volume.classes if isinstance(volume, Prediction) else list(volume.classes.values())
    return [name for name in names if name != "background"]


def class_mask(volume: Prediction | LabelSet, *names: str, threshold: int = 128) -> Blocked:
    """Return where any of some classes is.

    Parameters
    ----------
    volume : Prediction or LabelSet
    names : str
        One class, or several taken together.
    threshold : int
        A voxel of a prediction belongs to the classes when their stored probabilities (uint8, 255 = 1) sum to at
        least this. Together, because between two of them neither may reach it alone. From 128 on no voxel
        belongs to two classes.

    Raises
    ------
    InputError
        The volume has no such class, or the threshold is not in 1…255.
    """
    for name in names:
        if name not in class_names(volume):
            known = ", ".join(class_names(volume)) or "none"
            raise InputError(f"{volume.ref}: no class {name!r}; it has: {known}")
    if not 1 <= threshold <= 255:
        raise InputError(f"threshold {threshold}: give a uint8 probability, 1 to 255 (128 is one half)")
    array = open_array(volume)
    if isinstance(volume, Prediction):
        first, *others = (blocked(array, channel=volume.classes.index(name)) for name in names)
        return first.map(
            lambda *blocks: np.greater_equal(sum(block.astype(np.uint16) for block in blocks), threshold), *others
        )
    numbers = [number for number, name in volume.classes.items() if name in names]
    return blocked(array).map(lambda block: np.isin(block, numbers))
