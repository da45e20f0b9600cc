# SPDX-License-Identifier: Apache-2.0
"""The next command is one that can be typed as it stands, wherever a project is."""

from __future__ import annotations

from pathlib import Path

import pytest

import little_project
from sidecrate.artifacts import Image, LabelSet, Measurements, Model, Prediction
from sidecrate.project import Project, init
from sidecrate.provenance.status import next_command


@pytest.fixture
def begun(tmp_path: Path) -> Project:
    return init(tmp_path / "project", little_project.ABOUT, little_project.JOSIAH)


def step(project: Project, name: str, *args: object, **kwargs: object) -> object:
    with project.recording():
        return little_project.step(getattr(little_project, name))(*args, **kwargs)


def following(project: Project) -> str:
    return next_command(project.artifacts(), project.records())


def test_the_loop_is_named_step_by_step(begun: Project) -> None:
    assert following(begun).startswith("sidecrate add ")
    image = step(begun, "add", begun.series(Image, "cell"))
    assert following(begun).startswith("sidecrate label export ")
    labels = step(begun, "label", image, begun.series(LabelSet, "pores"), little_project.JOSIAH)
    assert following(begun) == "sidecrate train"
    model = step(begun, "train", image, labels, begun.series(Model, "pores"))
    assert following(begun) == "sidecrate predict"
    found = step(begun, "predict", model, image, begun.series(Prediction, "pores"))
    assert following(begun) == "sidecrate suggest"
    step(begun, "suggest", found, labels, begun.series(little_project.Suggestion, "pores"))
    assert following(begun) == "sidecrate measure --objects pore"  # the only class there is
    step(begun, "measure", found, begun.series(Measurements, "pores"))
    assert following(begun) == "sidecrate pack OUT.zip"  # no labels that it was not trained on: nothing to score


def test_of_several_label_sets_the_one_that_models_learn_from_is_named(begun: Project) -> None:
    image = step(begun, "add", begun.series(Image, "cell"))
    labels = step(begun, "label", image, begun.series(LabelSet, "pores"), little_project.JOSIAH)
    step(begun, "label", image, begun.series(LabelSet, "truth"), little_project.SECOND)
    assert following(begun) == "sidecrate train --labels pores or truth"
    step(begun, "train", image, labels, begun.series(Model, "pores"))
    step(begun, "label", image, begun.series(LabelSet, "pores"), little_project.JOSIAH, labels)
    assert following(begun) == "sidecrate train --labels pores"


def test_labels_no_model_has_seen_are_named_for_the_evaluation(begun: Project) -> None:
    image = step(begun, "add", begun.series(Image, "cell"))
    labels = step(begun, "label", image, begun.series(LabelSet, "pores"), little_project.JOSIAH)
    step(begun, "label", image, begun.series(LabelSet, "truth"), little_project.SECOND)
    model = step(begun, "train", image, labels, begun.series(Model, "pores"))
    found = step(begun, "predict", model, image, begun.series(Prediction, "pores"))
    step(begun, "suggest", found, labels, begun.series(little_project.Suggestion, "pores"))
    step(begun, "measure", found, begun.series(Measurements, "pores"))
    assert following(begun) == "sidecrate evaluate --truth truth"
