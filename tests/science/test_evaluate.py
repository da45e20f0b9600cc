# SPDX-License-Identifier: Apache-2.0
"""Scores count only what may be scored, match one to one, and are the same for every block size."""

import csv
import io
import json

import numpy as np
import pytest
from scipy.spatial.distance import directed_hausdorff
from volumes import save_image, save_labels, save_prediction

from sidecrate.errors import InputError
from sidecrate.science.blocks import blocked
from sidecrate.science.evaluate import evaluate
from sidecrate.science.matching import Overlaps, hausdorff, match_one_to_one, surface_voxels
from sidecrate.science.scores import Rules, score_class

SHAPE = (20, 40, 40)


def block_of(*boxes, shape=SHAPE):
    mask = np.zeros(shape, bool)
    for z, y, x, size in boxes:
        mask[z : z + size, y : y + size, x : x + size] = True
    return mask


def scored(predicted, truth, region=None, block=64, labelled=None, **rules):
    whole = np.ones(truth.shape, bool)
    region = whole if region is None else region
    labelled = whole if labelled is None else labelled
    volumes = (blocked(array, (block,) * 3) for array in (predicted, truth, labelled, region))
    return score_class("pore", *volumes, (10.0, 5.0, 5.0), Rules(**rules))


def save(tmp_path, predicted, truth):
    """A prediction and dense labels of one class."""
    labels = save_labels(tmp_path, np.where(truth, 2, 1), ["pore"])
    return save_prediction(tmp_path, np.where(predicted, 230, 20)[None].astype(np.uint8), ["pore"]), labels


def read_json(version):
    return json.loads((version.path / "evaluation.json").read_text())


def test_a_shifted_a_missing_and_an_invented_object_are_told_apart():
    truth = block_of((4, 4, 4, 5), (4, 20, 20, 5))
    predicted = block_of((4, 4, 5, 5), (4, 30, 4, 4))
    row = scored(predicted, truth).scores
    assert (row["voxels_tp"], row["voxels_fp"], row["voxels_fn"]) == (100, 25 + 64, 25 + 125)
    assert row["dice"] == pytest.approx(200 / (200 + 89 + 150))
    assert (row["objects_tp"], row["objects_fp"], row["objects_fn"]) == (1, 1, 1)
    assert row["precision"] == row["recall"] == row["f1"] == 0.5
    assert row["matched_iou"] == pytest.approx(100 / 150)


def test_a_perfect_prediction_scores_one_and_is_0_nm_away():
    truth = block_of((4, 4, 4, 5), (4, 20, 20, 5))
    row = scored(truth, truth).scores
    assert row["dice"] == row["iou"] == row["f1"] == row["matched_iou"] == 1
    assert row["hausdorff_nm"] == row["hausdorff95_nm"] == 0


def test_scores_do_not_depend_on_the_block_size():
    rng = np.random.default_rng(0)
    truth, noise, region = (rng.random((13, 17, 19)) < f for f in (0.06, 0.02, 0.8))
    predicted = truth ^ noise
    reference = scored(predicted, truth, region, min_voxels=1, min_iou=0.1)
    for block in (4, 9):
        other = scored(predicted, truth, region, block, min_voxels=1, min_iou=0.1)
        assert other.scores == reference.scores
        assert other.objects == reference.objects
        assert all(map(np.array_equal, other.errors, reference.errors))
    assert reference.scores["objects_tp"] > 3


def test_one_prediction_over_two_true_objects_matches_only_one():
    truth = block_of((4, 4, 4, 5), (4, 4, 11, 5))
    predicted = truth.copy()
    predicted[4:9, 4:9, 9:11] = True
    row = scored(predicted, truth).scores
    assert (row["objects_tp"], row["objects_fp"], row["objects_fn"]) == (1, 0, 1)


def test_the_assignment_is_the_best_in_sum_not_the_greedy_one():
    # greedy takes 0-0 (0.54) and leaves 1 and 1 without a match; the best sum is 0-1 + 1-0
    overlaps = Overlaps(np.array([10, 9]), np.array([10, 9]), np.array([[0, 0], [0, 1], [1, 0]]), np.array([7, 6, 6]))
    pairs, iou = match_one_to_one(overlaps, 0.2)
    assert pairs.tolist() == [[0, 1], [1, 0]]
    np.testing.assert_allclose(iou, 6 / 13)
    assert match_one_to_one(overlaps, 0.5)[0].tolist() == [[0, 0]]


def test_an_object_through_excluded_voxels_stays_one_object():
    truth = block_of((4, 4, 4, 10))
    region = np.ones(SHAPE, bool)
    region[8] = False
    row = scored(truth, truth, region).scores
    assert (row["truth_objects"], row["objects_tp"], row["voxels_tp"]) == (1, 1, 900)


def test_an_object_with_too_few_scored_voxels_is_left_out_on_both_sides():
    truth = block_of((4, 4, 4, 3), (12, 20, 20, 5))
    region = np.ones(SHAPE, bool)
    region[4:6] = False  # 9 voxels of the first object are left
    row = scored(truth, truth, region, min_voxels=10).scores
    assert (row["truth_objects"], row["predicted_objects"], row["objects_tp"]) == (1, 1, 1)


def test_single_labelled_slices_give_2d_objects():
    truth = block_of((4, 4, 4, 10))
    labelled = np.zeros(SHAPE, bool)
    labelled[[5, 10]] = True
    row = scored(truth, truth, labelled, labelled=labelled).scores
    assert (row["truth_objects"], row["voxels_tp"]) == (2, 200)


def test_hausdorff_equals_a_plain_reference_in_nm():
    rng = np.random.default_rng(1)
    first, second = (np.unique(rng.integers(0, 30, (200, 3)), axis=0) for _ in range(2))
    nm = np.array([10.0, 5.0, 5.0])
    expected = max(directed_hausdorff(a * nm, b * nm)[0] for a, b in ((first, second), (second, first)))
    largest, most = hausdorff(first, second, (10.0, 5.0, 5.0))
    assert largest == pytest.approx(expected)
    assert 0 < most < largest


def test_surface_ends_where_nothing_is_known():
    mask = block_of((0, 0, 0, 6), shape=(8, 8, 8))
    region = np.ones(mask.shape, bool)
    region[:, :, 6:] = False
    surface = surface_voxels(blocked(mask, (3, 5, 4)), blocked(region, (3, 5, 4)))
    expected = [p for p in np.argwhere(mask).tolist() if p[0] == 5 or p[1] == 5]
    assert surface.tolist() == expected


def test_training_labels_are_not_scored(tmp_path):
    truth = block_of((4, 4, 4, 6), (12, 20, 20, 6))
    predicted = truth.copy()
    predicted[0] = True  # wrong only where it was trained
    prediction, labels = save(tmp_path, predicted, truth)
    painted = np.zeros(SHAPE, np.uint8)
    painted[0] = 1
    used = save_labels(tmp_path, painted, ["pore"], name="training")
    made = evaluate(prediction, labels, tmp_path / "evaluations" / "e", exclude=[used])
    result = read_json(made)
    assert result["scores"][0]["voxels_fp"] == 0
    assert result["voxels"] == {"labelled": truth.size, "scored": truth.size - 1600, "volume": truth.size}
    assert result["excluded"] == [used.link()]
    whole = evaluate(prediction, labels, tmp_path / "evaluations" / "e")
    assert read_json(whole)["scores"][0]["voxels_fp"] == 1600


def test_evaluate_writes_tables_rules_and_pictures_of_the_worst_slices(tmp_path):
    truth, predicted = block_of((4, 4, 4, 6)), block_of((4, 4, 4, 6), (15, 20, 20, 4))
    prediction, labels = save(tmp_path, predicted, truth)
    grey = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    image = save_image(tmp_path, grey)
    made, again = (evaluate(prediction, labels, tmp_path / "e", image=image, pictures=2) for _ in range(2))
    assert made.digest == again.digest
    pictures = sorted(path.name for path in (made.path / "pictures").iterdir())
    assert len(pictures) == 2 and all(name.startswith("pore-") for name in pictures)
    rows = list(csv.DictReader(io.StringIO((made.path / "objects.csv").read_text())))
    assert [row["outcome"] for row in rows] == ["TP", "FP"]
    assert (rows[1]["truth_object"], rows[1]["predicted_object"], rows[1]["z"]) == ("", "2", "16.5")
    result = read_json(made)
    assert result["settings"]["min_iou"] == 0.2
    assert any("one to one" in rule for rule in result["rules"])
    assert made.meta["scores"] == result["scores"]


def test_a_class_that_is_nowhere_has_no_ratios(tmp_path):
    nothing = np.zeros(SHAPE, bool)
    made = evaluate(*save(tmp_path, nothing, nothing), tmp_path / "e")
    (row,) = read_json(made)["scores"]
    assert row["dice"] is row["f1"] is row["precision"] is row["hausdorff_nm"] is None
    assert row["objects_fp"] == 0


def test_classes_are_matched_by_name_and_missing_ones_are_named(tmp_path):
    truth = block_of((4, 4, 4, 6))
    labels = save_labels(tmp_path, np.where(truth, 3, 1), ["vesicle", "pore"])
    prediction = save_prediction(tmp_path, np.where(truth, 230, 20)[None].astype(np.uint8), ["pore"])
    result = read_json(evaluate(prediction, labels, tmp_path / "e"))
    assert [row["class"] for row in result["scores"]] == ["pore"]
    assert result["scores"][0]["dice"] == 1
    assert result["classes_not_predicted"] == ["vesicle"]


def test_what_cannot_be_scored_is_refused(tmp_path):
    truth = block_of((4, 4, 4, 6))
    prediction, labels = save(tmp_path, truth, truth)
    with pytest.raises(InputError, match="not used in training"):
        evaluate(prediction, labels, tmp_path / "e", exclude=[labels])
    with pytest.raises(InputError, match="no class in common"):
        evaluate(prediction, save_labels(tmp_path, np.ones(SHAPE), ["lysosome"]), tmp_path / "e")
    with pytest.raises(InputError, match="voxels"):
        evaluate(prediction, save_labels(tmp_path, np.ones((4, 4, 4)), ["pore"]), tmp_path / "e")
    with pytest.raises(InputError, match="min_iou"):
        evaluate(prediction, labels, tmp_path / "e", min_iou=0)
    with pytest.raises(InputError, match="give 6, 18 or 26"):
        evaluate(prediction, labels, tmp_path / "e", connectivity=8)
    assert not (tmp_path / "e" / "v1").exists()
