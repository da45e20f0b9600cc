# SPDX-License-Identifier: Apache-2.0
"""The rounds of the loop, each step through the pipeline, so that every one leaves a record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidecrate import (
    Evaluation,
    Image,
    LabelSet,
    Measurements,
    Model,
    Person,
    Prediction,
    Project,
    Suggestion,
    pipeline,
)
from sidecrate.science.masks import Axis, Mask
from sidecrate.surfaces.cli.common import Progress

Slice = tuple[Axis, int]

CLASSES = {2: "pore", 3: "nucleus"}
TRUTH_MAKER = Person("Phantom generator (no person)")
LIBRARIANS = (Person("Josiah Carberry", "0000-0002-1825-0097"), Person("A second librarian (demo)"))


@dataclass(frozen=True)
class Recipe:
    """What the demo is run with; everything else is sidecrate's default.

    Attributes
    ----------
    first : tuple of Slice
        What the first librarian labels before there is any model: three cuts through one nucleus, as people do who
        have not looked around yet. The other nucleus and every pole are unseen.
    more : int
        Slices labelled in each later round, those that `suggest` names.
    rounds : int
    net : dict
        Options of every `train`.
    start, go_on : dict
        Options of the first training, and of those that go on from the model before.
    threshold : int
        Least probability of a predicted voxel, of 255. Pores weigh more than the rest in the training, so that an even
        chance is told as more than one half.
    min_voxels : int
        Smaller objects are no pores: 80 voxels are half of the smallest one, 104 nm wide in an envelope of 80 nm.
    """

    first: tuple[Slice, ...] = (("x", 40), ("x", 54), ("x", 68))
    more: int = 2
    rounds: int = 3
    net: dict[str, Any] = field(
        default_factory=lambda: {
            "widths": (16, 32),
            "batch": 2,
            "patch_voxels": 64_800,
            "class_weights": {"background": 1.0, "pore": 3.0, "nucleus": 1.0},
        }
    )
    start: dict[str, Any] = field(default_factory=lambda: {"iterations": 600, "learning_rate": 3e-3})
    go_on: dict[str, Any] = field(default_factory=lambda: {"iterations": 350, "learning_rate": 2e-3})
    threshold: int = 160
    min_voxels: int = 80


@dataclass(frozen=True)
class Round:
    """One round, or the control beside it: the same further training without the new labels."""

    name: str
    labels: LabelSet
    new: tuple[Slice, ...]
    prediction: Prediction
    scores: dict[str, dict[str, Any]]


class Loop:
    """Label, train, predict, evaluate, suggest: round after round.

    Parameters
    ----------
    project : Project
    image : Image
    classes : array of uint8, z, y, x
        The truth a librarian would see; only the slices asked for are shown to the training.
    truth : LabelSet
        The same, for the scores.
    recipe : Recipe
    seed : int
    tell : callable
        Called with a line for each step.
    """

    def __init__(
        self,
        project: Project,
        image: Image,
        classes: NDArray[np.uint8],
        truth: LabelSet,
        recipe: Recipe,
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self.project, self.image, self.truth, self.recipe = project, image, truth, recipe
        self._classes, self._seed, self._tell = classes, seed, tell

    def rounds(self, control: bool) -> Iterable[Round]:
        """Yield each round, and after each but the first its control."""
        labels, model = None, None
        new = self.recipe.first
        for number in range(1, self.recipe.rounds + 1):
            before = labels
            labels = self.label(new, before, LIBRARIANS[(number - 1) % 2])
            start = model
            model = self.train(labels, start, "pores")
            this = self.score(str(number), labels, new, model)
            yield this
            if control and before is not None and start is not None:
                yield self.score(f"{number} control", before, (), self.train(before, start, "control"))
            if number < self.recipe.rounds:
                new = self.suggest(this.prediction, labels)

    def label(self, slices: Sequence[Slice], base: LabelSet | None, who: Person) -> LabelSet:
        """Return a new label version with some slices copied from the truth, as if painted."""
        masks = [Mask.slice(self._cut(axis, index), axis, index) for axis, index in slices]
        self._tell(f"{who.name} labels {', '.join(f'{axis}:{index}' for axis, index in slices)}")
        into = self.project.series(LabelSet, "pores")
        return pipeline.label(self.image, masks, into, by=who, tool="demo", base=base, classes=CLASSES, replace=True)

    def _cut(self, axis: Axis, index: int) -> NDArray[np.uint8]:
        cut: NDArray[np.uint8] = self._classes.take(index, axis="zyx".index(axis))
        return cut

    def train(self, labels: LabelSet, start: Model | None, name: str) -> Model:
        """Return a model of these labels, gone on from an earlier one."""
        self._tell(f"train {name} on {labels.ref}" + (f", from {start.ref}" if start else ""))
        options = self.recipe.net | (self.recipe.go_on if start else self.recipe.start)
        into = self.project.series(Model, name)
        with Progress("train") as progress:
            return pipeline.train(self.image, labels, into, start=start, seed=self._seed, progress=progress, **options)

    def score(self, name: str, labels: LabelSet, new: tuple[Slice, ...], model: Model) -> Round:
        """Return the round that a model makes: its prediction and its scores where nothing was labelled."""
        prediction = pipeline.predict(self.image, model, self.project.series(Prediction, model.name))
        into = self.project.series(Evaluation, model.name)
        result = pipeline.evaluate(prediction, self.truth, into, exclude=[labels], image=self.image, **self._cut_at())
        scores = {row["class"]: row for row in result.meta["scores"]}
        pore = scores["pore"]
        self._tell(f"  pores: FP {pore['objects_fp']}  FN {pore['objects_fn']}  F1 {pore['f1'] or 0:.3f}")
        return Round(name, labels, new, prediction, scores)

    def _cut_at(self) -> dict[str, int]:
        return {"threshold": self.recipe.threshold, "min_voxels": self.recipe.min_voxels}

    def suggest(self, prediction: Prediction, labels: LabelSet) -> tuple[Slice, ...]:
        """Return the slices worth labelling next."""
        into = self.project.series(Suggestion, prediction.name)
        made = pipeline.suggest(prediction, labels, into, count=self.recipe.more, focus="pore", image=self.image)
        found = read_json(made.path / "suggestion.json")["slices"]
        for one in found:
            self._tell(f"  suggested {one['axis']}:{one['index']}  {one['reason']}")
        return tuple((one["axis"], one["index"]) for one in found)

    def measure(self, prediction: Prediction) -> Measurements:
        """Return counts, densities and sizes of the pores on each nucleus."""
        into = self.project.series(Measurements, "pores")
        return pipeline.measure(prediction, into, objects="pore", hosts="nucleus", **self._cut_at())


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
