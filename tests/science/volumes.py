# SPDX-License-Identifier: Apache-2.0
"""Small real versions on disk, made from numpy arrays."""

from pathlib import Path

import numpy as np

from sidecrate.artifacts import Image, LabelSet, Prediction
from sidecrate.science import arrays
from sidecrate.store import draft

LINK = {"kind": "Image", "ref": "cell@v1", "digest": "sha256:" + "0" * 64}


def _save(noun, series: Path, array, voxel_nm, meta, **options):
    with draft(noun, series) as made:
        shape = array.shape[-3:]
        (stored,) = arrays.create(made, noun.array, shape=shape, dtype=array.dtype, voxel_nm=voxel_nm, **options)
        for region in arrays.shards(stored):
            stored[region] = array[region]
        return made.finish({"shape": list(shape), "voxel_nm": list(voxel_nm), **meta})


def save_image(root: Path, array, voxel_nm=(8, 8, 8), name="cell") -> Image:
    return _save(Image, root / "images" / name, array, voxel_nm, {})


def save_labels(root: Path, array, names, voxel_nm=(8, 8, 8), name="truth") -> LabelSet:
    """`names` are the classes 2, 3, …"""
    classes = dict(enumerate(["background", *names], start=1))
    meta = {"classes": {str(k): v for k, v in classes.items()}, "image": LINK, "sessions": []}
    return _save(LabelSet, root / "labels" / name, np.asarray(array, np.uint8), voxel_nm, meta, classes=classes)


def save_prediction(root: Path, probabilities, names, voxel_nm=(8, 8, 8), name="net") -> Prediction:
    """`probabilities` are those of `names`, uint8, c, z, y, x; background is what is left."""
    rest = 255 - np.minimum(np.asarray(probabilities, np.int64).sum(axis=0), 255)
    array = np.concatenate([rest[None], probabilities]).astype(np.uint8)
    channels = ["background", *names]
    meta = {"classes": channels, "image": LINK}
    return _save(Prediction, root / "predictions" / name, array, voxel_nm, meta, channels=channels)
