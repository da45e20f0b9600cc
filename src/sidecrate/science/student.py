# SPDX-License-Identifier: Apache-2.0
"""The net a training begins with, and how much each class weighs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sidecrate.artifacts import Model
from sidecrate.errors import InputError
from sidecrate.science import models
from sidecrate.science.lesson import Lesson
from sidecrate.science.models import Trained
from sidecrate.science.sampling import Normalisation
from sidecrate.science.sources import grey_statistics
from sidecrate.science.unet import Plan, UNet

WIDTHS = (16, 32, 64)

_HEAVIEST = 10.0  # weight of the rarest class, at most


def make_student(lesson: Lesson, start: Model | None, widths: Sequence[int], seed: int) -> Trained:
    """Return an untrained net for the lesson, or that of an earlier model with the lesson's classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if start is None:
            shortest = np.min([source.image.shape for source in lesson.training], axis=0)
            plan = Plan.for_voxels(lesson.voxel_nm, models.check_widths(widths or WIDTHS), shortest)
            net = UNet(plan, len(lesson.classes))
            return Trained(net, lesson.classes, lesson.voxel_nm, _normalisation(lesson))
        known = models.load(start)
        _check_start(lesson, start, known, widths)
        return Trained(known.net.with_classes(len(lesson.classes)), lesson.classes, known.voxel_nm, known.normalisation)


def _check_start(lesson: Lesson, start: Model, known: Trained, widths: Sequence[int]) -> None:
    if lesson.classes[: len(known.classes)] != known.classes:
        raise InputError(f"{start.ref} knows {list(known.classes)}; the labels must begin with these classes")
    if widths and tuple(widths) != known.net.plan.widths:
        raise InputError(f"{start.ref} has widths {known.net.plan.widths}; leave `widths` out or start anew")
    if not np.allclose(lesson.voxel_nm, known.voxel_nm, rtol=0.1):
        raise InputError(f"{start.ref} was trained at {known.voxel_nm} nm, the image has {lesson.voxel_nm}; start anew")


def _normalisation(lesson: Lesson) -> Normalisation:
    mean, sd = grey_statistics([source.image for source in lesson.training])
    if not math.isfinite(mean) or not math.isfinite(sd) or sd == 0:
        raise InputError("the image is constant or holds values that are not finite; check what was added")
    return Normalisation(mean, sd)


def choose_weights(lesson: Lesson, chosen: Mapping[str, float] | None) -> NDArray[np.float32]:
    """Return the weight of each class: those chosen, or the inverse root of its share of the labels."""
    if chosen is not None:
        if set(chosen) != set(lesson.classes) or min(chosen.values()) <= 0:
            known = ", ".join(lesson.classes)
            raise InputError(f"class weights: give every class a weight above 0, background too ({known})")
        return np.array([chosen[name] for name in lesson.classes], np.float32)
    counts = lesson.counts()
    return np.asarray(np.minimum(np.sqrt(counts.max() / counts), _HEAVIEST), np.float32)
