# SPDX-License-Identifier: Apache-2.0
"""A small image with a few labelled slices, and quick trainings on it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import volumes
from scipy.ndimage import gaussian_filter

from sidecrate.artifacts import Image, LabelSet, Model
from sidecrate.science import arrays
from sidecrate.science.train import train
from sidecrate.store import draft

SHAPE = (28, 40, 44)
QUICK = {"iterations": 12, "widths": (2, 4), "patch_voxels": 12_000}


@dataclass
class Lesson:
    """Bright blobs in noise; the truth is 1 background, 2 blob."""

    root: Path
    truth: np.ndarray
    image: Image

    @classmethod
    def make(cls, root, shape=SHAPE, voxel_nm=(8, 8, 8)):
        rng = np.random.default_rng(0)
        field = gaussian_filter(rng.standard_normal(shape), 3)
        truth = np.where(field > np.quantile(field, 0.7), 2, 1).astype(np.uint8)
        grey = np.clip(100 + 60 * (truth == 2) + 20 * rng.standard_normal(shape), 0, 255).astype(np.uint8)
        return cls(root, truth, volumes.save_image(root, grey, voxel_nm))

    def some_slices(self, *numbers):
        array = np.zeros_like(self.truth)
        for number in numbers or (8, 20):
            array[number] = self.truth[number]
        return array

    def labels(self, array=None, names=("blob",), name="truth", image=None):
        array = self.some_slices() if array is None else array
        image = image or self.image
        classes = dict(enumerate(["background", *names], start=1))
        with draft(LabelSet, self.root / "labels" / name) as made:
            options = {"shape": array.shape, "voxel_nm": image.voxel_nm, "classes": classes}
            arrays.create(made, LabelSet.array, dtype=np.uint8, **options)[0][:] = array
            meta = {"classes": {str(k): v for k, v in classes.items()}, "image": image.link(), "sessions": []}
            return made.finish({"shape": list(array.shape), "voxel_nm": list(image.voxel_nm), **meta})

    def train(self, labels=None, name="net", image=None, **options) -> Model:
        into = self.root / "models" / name
        return train(image or self.image, labels or self.labels(), into, **{**QUICK, **options})
