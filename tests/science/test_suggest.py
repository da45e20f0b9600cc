# SPDX-License-Identifier: Apache-2.0
"""Suggestions lie where the prediction is in doubt, keep apart, avoid empty rims, and say why."""

import csv
import io
import json

import numpy as np
import pytest
from volumes import save_image, save_labels, save_prediction

from sidecrate.errors import InputError
from sidecrate.science.blocks import blocked
from sidecrate.science.suggest import suggest
from sidecrate.science.survey import Candidates, choose, survey

SHAPE = (40, 50, 60)
NM = (8.0, 8.0, 8.0)


def probabilities():
    """A certain body through the middle, in doubt at z 12-13 and more so at z 28-29."""
    p = np.zeros(SHAPE, np.uint8)
    p[4:36, 10:40, 10:50] = 250
    p[12:14, 10:40, 10:50] = 90
    p[28:30, 10:40, 10:50] = 128
    return p


def painted(axis=0, *indices):
    labels = np.zeros(SHAPE, np.uint8)
    for index in indices:
        labels[(slice(None),) * axis + (index,)] = 1
    return labels


def chosen(p, labels, count=2, axes="zyx", nm=NM, block=64):
    found = survey(blocked(p, (block,) * 3), blocked(labels, (block,) * 3))
    return list(choose(Candidates.of(found, p.shape, nm, axes), count))


def test_the_most_doubtful_slices_come_first_and_keep_apart():
    rows = chosen(probabilities(), painted(0, 20), axes="z")
    assert [row["index"] // 2 for row in rows] == [14, 6]
    assert rows[0]["score"] > rows[1]["score"]


def test_sums_do_not_depend_on_the_block_size():
    rng = np.random.default_rng(0)
    p, labels = rng.integers(0, 256, SHAPE).astype(np.uint8), painted(1, 3, 30)
    whole = survey(blocked(p), blocked(labels))
    parts = survey(blocked(p, (7, 16, 23)), blocked(labels, (7, 16, 23)))
    for kind in ("doubt", "change", "content", "labelled"):
        for one, other in zip(getattr(whole, kind), getattr(parts, kind), strict=True):
            np.testing.assert_array_equal(one, other)


def test_changes_are_those_between_neighbouring_slices():
    p = np.random.default_rng(1).integers(0, 256, (5, 6, 7))
    change = survey(blocked(p.astype(np.uint8), (2, 3, 4)), blocked(np.zeros(p.shape, np.uint8))).change
    for axis, sums in enumerate(change):
        expected = np.abs(np.diff(p, axis=axis)).sum(axis=tuple({0, 1, 2} - {axis}))
        np.testing.assert_array_equal(sums, [0, *expected])


def test_a_slice_that_differs_from_both_neighbours_beats_one_where_a_body_begins():
    p = np.zeros(SHAPE, np.uint8)
    p[10:30, 5:45, 5:55] = 250
    p[20, 5:45, 5:55] = 150
    slices = Candidates.of(survey(blocked(p), blocked(painted())), SHAPE, NM, "z")
    z = slices.disagreement[: SHAPE[0]]
    assert z.argmax() == 20
    assert z[9:12].max() == 0


def test_doubt_in_voxels_already_labelled_does_not_count():
    labels = np.zeros(SHAPE, np.uint8)
    labels[28:30, 10:40, 10:50] = 1
    labels[28:30, 0, 0] = 0
    (row,) = chosen(probabilities(), labels, count=1, axes="z")
    assert row["index"] in (12, 13)


def test_an_axis_never_labelled_is_preferred_once():
    p = np.zeros(SHAPE, np.uint8)
    p[5:35, 5:45, 5:55] = np.random.default_rng(0).integers(100, 156, (30, 40, 50))
    rows = chosen(p, painted(0, 10, 20, 30), count=3)
    assert {row["axis"] for row in rows[:2]} == {"y", "x"}
    assert "never seen face-on" in rows[0]["reason"]


def test_edge_slices_and_empty_slices_are_never_offered():
    p = probabilities()
    p[0] = 128  # false alarm of a whole slice at the rim
    p[38, 0, 0] = 128  # and of one voxel in an empty slice
    rows = chosen(p, painted(0, 20), count=20, axes="z")
    assert len(rows) > 5
    assert all(4 <= row["index"] < 36 for row in rows)


def test_labelled_slices_are_not_offered_again():
    rows = chosen(probabilities(), painted(0, 12, 13, 28, 29), count=30, axes="z")
    assert not {12, 13, 28, 29} & {row["index"] for row in rows}
    assert all(row["label_distance_nm"] >= 8 for row in rows)


def test_fewer_slices_come_when_fewer_are_worth_it():
    assert len(chosen(probabilities(), painted(), count=500, axes="z")) < 20


def test_nothing_is_offered_where_everything_is_labelled_or_empty():
    assert chosen(probabilities(), np.ones(SHAPE, np.uint8)) == []
    assert chosen(np.zeros(SHAPE, np.uint8), painted()) == []


def test_suggest_writes_a_table_with_reasons_and_pictures(tmp_path):
    prediction = save_prediction(tmp_path, probabilities()[None], ["pore"], NM)
    labels = save_labels(tmp_path, painted(0, 20), ["pore"], NM)
    image = save_image(tmp_path, np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8), NM)
    made, again = (suggest(prediction, labels, tmp_path / "s", image=image) for _ in range(2))
    assert made.digest == again.digest
    rows = list(csv.DictReader(io.StringIO((made.path / "suggestion.csv").read_text())))
    assert [row["rank"] for row in rows] == ["1", "2"]
    for row in rows:
        parts = [float(row[part]) for part in ("uncertainty", "disagreement", "novelty")]
        assert float(row["score"]) == pytest.approx(np.dot(parts, [0.5, 0.25, 0.25]))
        assert "%" in row["reason"]
        assert (made.path / "pictures" / f"{row['axis']}{int(row['index']):03d}.png").stat().st_size > 100
    summary = json.loads((made.path / "suggestion.json").read_text())
    assert summary["labels"] == labels.link()
    assert made.meta["slices"] == summary["slices"]


def test_the_class_in_focus_decides(tmp_path):
    pore, nucleus = probabilities(), np.zeros(SHAPE, np.uint8)
    nucleus[20:22, 10:40, 10:50] = 5
    pore[20:22, 10:40, 10:50] = 125
    pore[28:30, 10:40, 10:50] = 250
    prediction = save_prediction(tmp_path, np.stack([nucleus, pore]), ["nucleus", "pore"], NM)
    labels = save_labels(tmp_path, painted(0, 8), ["nucleus", "pore"], NM)
    made = suggest(prediction, labels, tmp_path / "s", focus="pore", axes="z", count=1)
    assert made.meta["slices"][0]["index"] in (20, 21)
    with pytest.raises(InputError, match="no class 'golgi'; it has: nucleus, pore"):
        suggest(prediction, labels, tmp_path / "s", focus="golgi")


def test_stretched_slices_are_offered_only_when_asked_for(tmp_path):
    nm = (40.0, 8.0, 8.0)
    prediction = save_prediction(tmp_path, probabilities()[None], ["pore"], nm)
    labels = save_labels(tmp_path, painted(0, 20), ["pore"], nm)
    made = suggest(prediction, labels, tmp_path / "s", count=6)
    assert {row["axis"] for row in made.meta["slices"]} == {"z"}
    made = suggest(prediction, labels, tmp_path / "s", count=1, axes="yx")
    assert made.meta["slices"][0]["axis"] in "yx"


def test_unusable_input_is_refused(tmp_path):
    prediction = save_prediction(tmp_path, np.zeros((1, *SHAPE), np.uint8), ["pore"])
    labels = save_labels(tmp_path, painted(0, 20), ["pore"])
    with pytest.raises(InputError, match="shows anything"):
        suggest(prediction, labels, tmp_path / "s")
    with pytest.raises(InputError, match="at least one"):
        suggest(prediction, labels, tmp_path / "s", count=0)
    with pytest.raises(InputError, match="give some of z, y, x"):
        suggest(prediction, labels, tmp_path / "s", axes="w")
    with pytest.raises(InputError, match="voxels"):
        suggest(prediction, save_labels(tmp_path, np.ones((4, 4, 4)), ["pore"]), tmp_path / "s")
