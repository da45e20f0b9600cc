# SPDX-License-Identifier: Apache-2.0
"""The step `predict`: an image and a model in, probabilities of the whole volume out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from sidecrate.artifacts import Image, Json, Model, Prediction
from sidecrate.digests import canonical_json
from sidecrate.errors import InputError
from sidecrate.science import arrays, models
from sidecrate.science.arrays import Progress, Region
from sidecrate.science.devices import Engine
from sidecrate.science.inference import Predictor
from sidecrate.science.models import Trained
from sidecrate.store import Draft, draft


def predict(
    image: Image,
    model: Model,
    into: Path,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Prediction:
    """Return the probability of each class at every voxel of an image, 0…255 for 0…1.

    The volume is done shard by shard; an interrupted prediction goes on after the last finished shard when it is
    called again. Memory does not grow with the volume.

    Parameters
    ----------
    image : Image
    model : Model
    into : Path
        Series folder of the prediction.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    progress : callable, optional
        Called with voxels done, voxels in all, ``"voxels"``.

    Raises
    ------
    InputError
        The model is broken, or was trained at another voxel size.
    """
    trained = models.load(model)
    _check_voxels(image, model, trained)
    engine = Engine.pick(device)
    meta = {
        "image": image.link(),
        "model": model.link(),
        "classes": list(trained.classes),
        "shape": list(image.shape),
        "voxel_nm": list(image.voxel_nm),
        "computed": engine.description,
        "coverage": _coverage(image, model),
    }
    with draft(Prediction, into, hashlib.sha256(canonical_json(meta)).hexdigest()[:16]) as made:
        _fill(made, image, trained, engine, progress)
        return made.finish(meta)


def _fill(made: Draft[Prediction], image: Image, trained: Trained, engine: Engine, progress: Progress | None) -> None:
    """Write every shard that is not there yet."""
    array = arrays.create(
        made,
        Prediction.array,
        shape=image.shape,
        dtype=np.uint8,
        voxel_nm=image.voxel_nm,
        channels=trained.classes,
    )[0]
    predictor = Predictor(trained.net, trained.normalisation, arrays.open_array(image), engine)
    done, total = 0, int(np.prod(image.shape))
    for regions in _units(array):
        z, y, x = regions[0][1:]
        if f"{Prediction.array}/{arrays.shard_file(array, regions[0])}" not in made.digests:
            box = predictor.box(((z.start, y.start, x.start), (z.stop, y.stop, x.stop)))
            for region in reversed(regions):  # background, which tells that a unit is finished, comes last
                array[region] = box[region[0]]
        done += int(np.prod([part.stop - part.start for part in (z, y, x)]))
        if progress is not None:
            progress(done, total, "voxels")


def _units(array: zarr.Array[Any]) -> Iterator[list[Region]]:
    """Yield the shards of all classes over one box of the volume: what is computed together."""
    by_place: dict[str, list[Region]] = {}
    for region in arrays.shards(array):
        by_place.setdefault(repr(region[1:]), []).append(region)
    yield from by_place.values()


def _check_voxels(image: Image, model: Model, trained: Trained) -> None:
    if not np.allclose(image.voxel_nm, trained.voxel_nm, rtol=0.1):
        raise InputError(
            f"{model.ref} was trained at {list(trained.voxel_nm)} nm, {image.ref} has {list(image.voxel_nm)} nm; "
            "resample the image or train a model for it"
        )


def _coverage(image: Image, model: Model) -> Json:
    """Return how much of this image the model was taught with."""
    known: list[Json] = model.meta["coverage"]
    for entry in known:
        if entry["image"]["digest"] == image.digest:
            return entry
    return {"image": image.link(), "labelled_share": 0.0}
