# SPDX-License-Identifier: Apache-2.0
"""Two rounds of label, train, predict; both scored on the slices that neither was shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from examples.real_em.stack import Labelled
from sidecrate import Evaluation, Image, LabelSet, Model, Person, Prediction, Project, Suggestion, pipeline
from sidecrate.science.masks import Mask

CLASS = "mitochondrion"
LABELLER = Person("Pretended labeller: slices copied from the data set")


@dataclass(frozen=True)
class Recipe:
    """What the rounds are run with.

    Attributes
    ----------
    first : tuple of int
        Slices labelled before there is a model, spread over the stack.
    more : int
        Slices labelled afterwards: those `suggest` names.
    training, further : dict
        Options of the first training, and of the second, which goes on from it.
    """

    first: tuple[int, ...]
    more: int
    training: dict[str, Any]
    further: dict[str, Any]


@dataclass(frozen=True)
class Round:
    """A model's prediction, the slices it was taught with, and its scores on those nobody labelled."""

    name: str
    slices: tuple[int, ...]
    prediction: Prediction
    scores: dict[str, Any] = field(default_factory=dict)


class Loop:
    """The steps of the loop on one image, each recorded in the project."""

    def __init__(self, project: Project, image: Image, known: Labelled, recipe: Recipe, seed: int) -> None:
        self.project, self.image, self.recipe, self.seed = project, image, recipe, seed
        self._painted = known.painted()

    def run(self, *, control: bool) -> list[Round]:
        """Return both rounds with their scores, and the control: as much training without the new labels."""
        recipe = self.recipe
        labels = self._label(recipe.first, None)
        model = self._train("mitochondria", labels, None)
        rounds = [self._predict("round 1", recipe.first, model)]
        suggested = self._suggest(rounds[0].prediction, labels)
        if control:
            model_without = self._train("control", labels, model)
            rounds.append(self._predict("control", recipe.first, model_without))
        more = self._label(suggested, labels)
        improved = self._train("mitochondria", more, model)
        rounds.append(self._predict("round 2", recipe.first + suggested, improved))
        return self._score(rounds, more)

    def _label(self, slices: Iterable[int], base: LabelSet | None) -> LabelSet:
        masks = [Mask.slice(self._painted[z], "z", z) for z in slices]
        into, classes = self.project.series(LabelSet, "mitochondria"), {2: CLASS}
        tool = "examples.real_em"
        return pipeline.label(self.image, masks, into, by=LABELLER, tool=tool, base=base, classes=classes)

    def _train(self, name: str, labels: LabelSet, start: Model | None) -> Model:
        options = self.recipe.further if start else self.recipe.training
        print(f"train {name} on {labels.ref}, {options['iterations']} iterations", flush=True)
        into = self.project.series(Model, name)
        return pipeline.train(self.image, labels, into, start=start, seed=self.seed, **options)

    def _predict(self, name: str, slices: tuple[int, ...], model: Model) -> Round:
        into = self.project.series(Prediction, model.name)
        return Round(name, slices, pipeline.predict(self.image, model, into))

    def _suggest(self, prediction: Prediction, labels: LabelSet) -> tuple[int, ...]:
        into = self.project.series(Suggestion, "next")
        suggestion = pipeline.suggest(prediction, labels, into, count=self.recipe.more, axes="z", image=self.image)
        return tuple(int(row["index"]) for row in suggestion.meta["slices"])

    def _score(self, rounds: list[Round], labelled: LabelSet) -> list[Round]:
        """Return the rounds with scores: all on the same slices, those never labelled in any round."""
        into = self.project.series(LabelSet, "truth")
        everything = Mask.box(self._painted, (0, 0, 0))
        maker = Person("Makers of the data set's labels")
        truth = pipeline.label(self.image, [everything], into, by=maker, tool="unknown", classes={2: CLASS})
        return [self._scored(done, truth, labelled) for done in rounds]

    def _scored(self, done: Round, truth: LabelSet, labelled: LabelSet) -> Round:
        into = self.project.series(Evaluation, done.name.replace(" ", "-"))
        evaluation = pipeline.evaluate(done.prediction, truth, into, exclude=[labelled], image=self.image)
        return Round(done.name, done.slices, done.prediction, evaluation.meta["scores"][0])
