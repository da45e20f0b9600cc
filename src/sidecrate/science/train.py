# SPDX-License-Identifier: Apache-2.0
"""The step `train`: labelled images in, a model out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sidecrate.artifacts import Artifact, Image, Json, LabelSet, Model
from sidecrate.digests import canonical_json
from sidecrate.errors import InputError
from sidecrate.science import model_card, models
from sidecrate.science.arrays import Progress
from sidecrate.science.checkpoints import DraftCheckpoints, State
from sidecrate.science.coverage import coverage
from sidecrate.science.devices import Engine
from sidecrate.science.fit import Schedule, fit
from sidecrate.science.lesson import Lesson
from sidecrate.science.models import Trained
from sidecrate.science.sampling import Batch, Sampler
from sidecrate.science.sources import Source
from sidecrate.science.splits import seen_share
from sidecrate.science.student import choose_weights, make_student
from sidecrate.store import Draft, draft

_FROZEN_FROM = 0.6  # of the iterations; BatchNorm keeps its statistics from there on
_CHECKS = 20  # points of the curve
_PATIENCE = 6  # checks without a lower validation loss
_VALIDATION_BATCHES = 8
_LARGEST_BATCH = 1 << 32  # voxels
_SEEDS = 1 << 63


@dataclass(frozen=True)
class Options:
    """What decides a model besides its inputs; the arguments of `train` of the same names."""

    seed: int
    iterations: int
    learning_rate: float
    batch: int
    patch_voxels: int
    hold_out: float


def train(
    image: Image | Sequence[Image],
    labels: LabelSet | Sequence[LabelSet],
    into: Path,
    *,
    start: Model | None = None,
    validation: LabelSet | Sequence[LabelSet] = (),
    hold_out: float = 0.0,
    seed: int = 0,
    iterations: int = 600,
    learning_rate: float = 3e-3,
    widths: Sequence[int] = (),
    batch: int = 2,
    patch_voxels: int = 400_000,
    class_weights: Mapping[str, float] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Model:
    """Return a 3D U-Net trained on sparse labels: ``weights.safetensors``, ``model.json`` and a model card.

    An interrupted training goes on where it was when it is called again with the same inputs and options. On
    one machine, with the same number of threads, the same call gives the same bytes.

    Parameters
    ----------
    image : Image or sequence of Image
        The images the labels were painted on, of one voxel size.
    labels : LabelSet or sequence of LabelSet
        What to learn; unlabelled voxels have no say.
    into : Path
        Series folder of the model.
    start : Model, optional
        Go on from this model: its widths and normalisation are kept, and classes may be added after its own.
    validation : LabelSet or sequence of LabelSet
        Labels that are not trained on. With them the weights of the lowest validation loss are kept and the
        training ends early when it stops falling.
    hold_out : float
        Instead of `validation`, the share of the labels to keep back, at one end of each volume and apart from
        the rest by the receptive field. 0 trains on everything: sensible with a few slices.
    seed : int
        Of first weights, patches and augmentation.
    iterations, learning_rate, batch, patch_voxels
        Length of the training, height of AdamW's cosine, patches an iteration, input voxels a patch.
    widths : sequence of int
        Channels of each level, finest first; by default those of `start`, or (16, 32, 64).
    class_weights : mapping of str to float, optional
        Weight of each class in the loss; by default the inverse square root of its share, 10 at most.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    progress : callable, optional
        Called with iterations done, iterations in all, and the loss.

    Raises
    ------
    InputError
        Labels, images, model and options do not fit each other; the message says which and what to do.
    """
    options = Options(seed, iterations, learning_rate, batch, patch_voxels, hold_out)
    _check(options)
    images, painted, kept = _sequence(image), _sequence(labels), _sequence(validation)
    lesson = Lesson.prepare(images, painted, kept)
    student = make_student(lesson, start, widths, seed)
    lesson = lesson.holding_out(hold_out, student.net.plan.radius)
    weights = choose_weights(lesson, class_weights)
    engine = Engine.pick(device)
    inputs: Json = {"images": _links(images), "labels": _links(painted), "validation_labels": _links(kept)}
    inputs["start"] = start.link() if start else None
    settings = {**asdict(options), "class_weights": dict(zip(lesson.classes, weights.tolist(), strict=True))}
    settings |= engine.description
    key = {**inputs, **settings, **student.description()}
    with draft(Model, into, hashlib.sha256(canonical_json(key)).hexdigest()[:16]) as made:
        state = fit(
            student.net,
            _sampler(student, lesson.training, options, augmented=True).batch,
            weights,
            _schedule(options, warm=start is not None),
            engine,
            validation=_held_back(student, lesson, options),
            checkpoints=DraftCheckpoints(made),
            progress=progress,
        )
        training = {"inputs": inputs, "settings": settings, **_summary(lesson, student, state)}
        training["coverage"] = [
            {"image": item.image, **coverage(source, lesson.voxel_nm)}
            for item, source in zip(painted, lesson.training, strict=True)
        ]
        return _write(made, student, training)


def _held_back(student: Trained, lesson: Lesson, options: Options) -> list[Batch]:
    """Return the batches that validate the training: the same ones at each check."""
    if not lesson.validation:
        return []
    sampler = _sampler(student, lesson.validation, options, augmented=False)
    return [sampler.batch(i) for i in range(_VALIDATION_BATCHES)]


def _schedule(options: Options, warm: bool) -> Schedule:
    """Return the course of the training; a net that was trained before keeps its statistics from the start."""
    return Schedule(
        iterations=options.iterations,
        learning_rate=options.learning_rate,
        frozen_from=0 if warm else round(options.iterations * _FROZEN_FROM),
        check_every=max(1, options.iterations // _CHECKS),
        patience=_PATIENCE,
    )


def _sampler(student: Trained, sources: Sequence[Source], options: Options, *, augmented: bool) -> Sampler:
    return Sampler(
        sources,
        student.net.plan,
        student.voxel_nm,
        student.normalisation,
        patch_voxels=options.patch_voxels,
        size=options.batch,
        seed=options.seed,
        augmented=augmented,
    )


def _summary(lesson: Lesson, student: Trained, state: State) -> Json:
    """Return what happened: labelled voxels, the curve, and how far validation was from what was trained on."""
    counts = dict(zip(lesson.classes, lesson.counts().tolist(), strict=True))
    summary: Json = {"labelled_voxels": counts, "iterations_done": state.iteration, "curve": state.curve}
    if lesson.validation:
        radius = student.net.plan.radius
        summary["validation"] = {
            "lowest_loss": round(state.best_loss, 6),
            "receptive_field_radius_voxels": radius,
            "share_seeing_trained_labels": round(seen_share(lesson.training, lesson.validation, radius), 6),
        }
    return summary


def _write(made: Draft[Model], student: Trained, training: Json) -> Model:
    description = {**student.description(), "training": training}
    made.write(models.WEIGHTS, student.weights())
    made.write_json(models.DESCRIPTION, description)
    made.write("curve.svg", model_card.curve(training["curve"]))
    made.write("README.md", model_card.text(description).encode())
    DraftCheckpoints(made).clear()
    meta = {key: description[key] for key in ("classes", "voxel_nm")}
    return made.finish({**meta, "trained_on": training["inputs"], "coverage": training["coverage"]})


def _links(artifacts: Sequence[Artifact]) -> list[dict[str, str]]:
    return [artifact.link() for artifact in artifacts]


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) else [value]


def _check(options: Options) -> None:
    if min(options.iterations, options.batch, options.patch_voxels) < 1 or not 0 < options.learning_rate < np.inf:
        raise InputError("iterations, batch, patch_voxels and learning_rate must be more than 0")
    if options.batch * options.patch_voxels > _LARGEST_BATCH:
        raise InputError(
            f"batch {options.batch}: patches of {options.patch_voxels} voxels; no memory holds it, give less"
        )
    if not 0 <= options.seed < _SEEDS:
        raise InputError(f"seed {options.seed}: give 0 or more, less than 2^63")
