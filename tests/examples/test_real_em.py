# SPDX-License-Identifier: Apache-2.0
"""The real-data example, run on a stand-in small enough for seconds."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from examples.real_em import __main__ as command
from examples.real_em import instances
from examples.real_em.loop import Recipe
from examples.real_em.stack import Labelled
from sidecrate import Model, Project

QUICK = Recipe(
    first=(1, 5, 9),
    more=2,
    training={"widths": (4, 8), "patch_voxels": 12_000, "iterations": 80, "learning_rate": 1e-2},
    further={"patch_voxels": 12_000, "iterations": 30, "learning_rate": 3e-3},
)


def blobs(shape=(12, 80, 88)):
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.standard_normal(shape), (1, 5, 5))
    mask = field > np.quantile(field, 0.8)
    grey = np.clip(150 - 60 * mask + 25 * rng.standard_normal(shape), 0, 255)
    return grey.astype(np.uint8), mask


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    grey, mask = blobs()
    file = tmp_path_factory.mktemp("data") / "blobs.npz"
    np.savez(file, raw=grey, mito=mask.astype(np.uint8), neurons=label(mask)[0].astype(np.uint16))
    return file


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "project"
    rounds = command.run(source, out, (40.0, 6.0, 6.0), seed=0, recipe=QUICK, control=True)
    return Project(out), {done.name: done for done in rounds}


def test_the_second_round_adds_slices_that_were_suggested_and_not_labelled_yet(finished):
    _, rounds = finished
    assert rounds["round 1"].slices == rounds["control"].slices == QUICK.first
    assert rounds["round 2"].slices[:3] == QUICK.first
    assert len(set(rounds["round 2"].slices)) == 5


def test_every_round_is_scored_on_the_slices_that_no_round_was_shown(finished, source):
    _, rounds = finished
    mask = Labelled.read(source).coarser(command.FACTOR).mask
    never = np.delete(np.arange(len(mask)), rounds["round 2"].slices)
    for done in rounds.values():
        assert done.scores["voxels_tp"] + done.scores["voxels_fn"] == mask[never].sum()
        assert done.scores["dice"] > 0.6


def test_the_last_model_traces_to_the_volume_as_it_was_added(finished):
    project, _ = finished
    records = project.records()
    assert {record["status"] for record in records} == {"completed"}
    makers = {made["digest"]: record for record in records for made in record["outputs"]}
    digest = project.get("mitochondria", Model).digest
    steps = []
    while digest is not None:
        record = makers[digest]
        steps.append(record["step"])
        digest = next((used["digest"] for used in record["inputs"] if used["role"] == "image"), None)
    assert steps == ["train", "coarser", "add"]


def test_coarser_labels_go_with_the_majority():
    fine = np.zeros((1, 5, 4), bool)
    fine[0, :2, :2] = [[1, 1], [0, 0]]
    fine[0, 2:4, 2:] = [[0, 0], [0, 1]]
    assert Labelled(fine).coarser(2).mask.tolist() == [[[True, False], [False, False]]]


def test_the_command_says_what_is_missing(tmp_path, capsys):
    file = tmp_path / "no-labels.npz"
    np.savez(file, raw=np.zeros((2, 4, 4), np.uint8))
    assert command.main([str(file), "--out", str(tmp_path / "out")]) == 3
    assert "no array 'mito'" in capsys.readouterr().err


def test_instances_are_counted_like_the_whole_array_and_a_difference_is_told(source, tmp_path, capsys):
    assert instances.main([str(source), "--out", str(tmp_path / "one")]) == 0
    assert "counts and volumes are equal" in capsys.readouterr().out
    found = instances.measured(source, tmp_path / "two", instances.STATED_NM)
    want = instances.expected(source)
    want[1] += 1
    assert [line.split(":")[0] for line in instances.differences(found, want, instances.STATED_NM)] == ["id 1"]
