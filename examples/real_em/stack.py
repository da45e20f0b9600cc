# SPDX-License-Identifier: Apache-2.0
"""A stack with the labels of every slice, and how both are made coarser in y and x."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sidecrate
from sidecrate import Image, InputError
from sidecrate.science import images
from sidecrate.science.arrays import open_array

GREY, TRUTH = "raw", "mito"


@dataclass(frozen=True)
class Labelled:
    """What the data set knows of one class: 0 and 1, z, y, x."""

    mask: NDArray[np.bool_]

    @classmethod
    def read(cls, source: Path) -> Labelled:
        """Return the labels of an npz with the arrays ``raw`` and ``mito``.

        Raises
        ------
        InputError
            An array is missing, or the two differ in shape.
        """
        with np.load(source) as arrays:
            if missing := {GREY, TRUTH} - set(arrays.files):
                raise InputError(f"{source.name}: no array {sorted(missing)[0]!r}; this example needs raw and mito")
            grey, mask = arrays[GREY].shape, arrays[TRUTH] > 0
        if grey != mask.shape:
            raise InputError(f"{source.name}: raw is {grey} and mito {mask.shape} voxels; they must agree")
        return cls(mask)

    def coarser(self, factor: int) -> Labelled:
        """Return the labels with `factor` x `factor` pixels made one: the class of at least half of them."""
        return Labelled(_blocks(self.mask, factor).mean((2, 4)) >= 0.5)

    def painted(self) -> NDArray[np.uint8]:
        """Return the labels as a label set numbers them: 1 background, 2 the class."""
        return self.mask.astype(np.uint8) + np.uint8(1)


@sidecrate.recorded
def coarser(image: Image, into: Path, factor: int) -> Image:
    """Return an image with `factor` x `factor` pixels of each slice made one, their mean: a step of our own."""
    grey = open_array(image)[(slice(None),) * 3]
    z_nm, y_nm, x_nm = image.voxel_nm
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{image.name}.npy"
        np.save(file, np.rint(_blocks(grey, factor).mean((2, 4))).astype(np.uint8))
        return images.add(file, into, voxel_nm=(z_nm, y_nm * factor, x_nm * factor))


def _blocks(volume: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the volume as (z, y, factor, x, factor); pixels that fill no block are left out."""
    z, y, x = (size // step for size, step in zip(volume.shape, (1, factor, factor), strict=True))
    return volume[:, : y * factor, : x * factor].reshape(z, y, factor, x, factor)
