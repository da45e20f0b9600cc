# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.random import default_rng

from sidecrate.errors import InputError
from sidecrate.science import sources
from sidecrate.science.coverage import coverage
from sidecrate.science.padding import read_mirrored, read_unlabelled
from sidecrate.science.sampling import Normalisation, Sampler, patch_shape
from sidecrate.science.sources import DENSE, Centres, Source, grey_statistics
from sidecrate.science.splits import hold_out, seen_share
from sidecrate.science.unet import Plan

SHAPE = (40, 50, 60)
ISOTROPIC, COARSE_Z = (16, 16, 16), (50, 10, 10)


def _truth():
    return default_rng(0).integers(1, 4, SHAPE).astype(np.uint8)


def _source(*planes):
    """A volume whose grey value is ten times its label; only some planes are labelled."""
    truth = _truth()
    labels = np.zeros(SHAPE, np.uint8)
    for axis, index in planes:
        where = tuple(index if a == axis else slice(None) for a in range(3))
        labels[where] = truth[where]
    return Source.whole(truth * 10, labels)


def _sampler(source, voxel_nm=ISOTROPIC, *, augmented=False, seed=0, patch_voxels=40_000, size=3):
    plan = Plan.for_voxels(voxel_nm, (4, 8))
    shift = Normalisation(0, 1)
    return Sampler(
        [source], plan, voxel_nm, shift, patch_voxels=patch_voxels, size=size, seed=seed, augmented=augmented
    )


@pytest.mark.parametrize("start", [(-7, -3, 0), (30, 45, 58), (-50, 0, 0), (10, 10, 10)])
def test_voxels_beyond_a_face_are_mirrored_at_it(start):
    volume = _truth()
    padded = np.pad(volume, 60, mode="symmetric")
    where = tuple(slice(s + 60, s + 60 + n) for s, n in zip(start, (12, 9, 11), strict=True))
    np.testing.assert_array_equal(read_mirrored(volume, start, (12, 9, 11)), padded[where])


def test_a_volume_of_one_slice_can_be_mirrored():
    np.testing.assert_array_equal(read_mirrored(np.full((1, 2, 2), 7), (-4, 0, 0), (9, 2, 2)), np.full((9, 2, 2), 7))


def test_labels_outside_the_bounds_are_unlabelled():
    read = read_unlabelled(np.ones(SHAPE, np.uint8), (-2, 8, 58), (6, 4, 4), ((1, 0, 0), (3, 10, 60)))
    expected = np.zeros((6, 4, 4), np.uint8)
    expected[3:5, :2, :2] = 1
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("voxel_nm", [ISOTROPIC, COARSE_Z])
@pytest.mark.parametrize("planes", [[(0, 20)], [(1, 3)], [(2, 59)], [(0, 5), (1, 44), (2, 30)]])
@pytest.mark.parametrize("augmented", [False, True])
def test_every_patch_holds_labels(voxel_nm, planes, augmented):
    sampler = _sampler(_source(*planes), voxel_nm, augmented=augmented)
    for iteration in range(8):
        batch = sampler.batch(iteration)
        assert all((labels > 0).any() for labels in batch.labels)
        assert len(batch.grey) == 3


@pytest.mark.parametrize("voxel_nm", [ISOTROPIC, COARSE_Z])
def test_grey_values_and_labels_stay_together(voxel_nm):
    sampler = _sampler(_source((0, 20), (1, 3)), voxel_nm)
    halo = Plan.for_voxels(voxel_nm, (4, 8)).halo
    inner = tuple(slice(h, -h or None) for h in halo)
    for iteration in range(8):
        batch = sampler.batch(iteration)
        labelled = batch.labels > 0
        np.testing.assert_array_equal(batch.grey[:, *inner][labelled], 10.0 * batch.labels[labelled])


def test_a_batch_is_the_same_whenever_it_is_drawn():
    source = _source((0, 20), (2, 10))
    one, other = _sampler(source, augmented=True), _sampler(source, augmented=True)
    one.batch(0)
    np.testing.assert_array_equal(one.batch(7).grey, other.batch(7).grey)
    assert not np.array_equal(one.batch(7).grey, _sampler(source, augmented=True, seed=1).batch(7).grey)


def test_one_labelled_slice_is_met_by_plates_in_every_direction_of_equal_spacing():
    sampler = _sampler(_source((0, 20)))
    shapes = {sampler.batch(i).labels.shape[1:] for i in range(20)}
    assert shapes == {(2, 30, 30), (30, 2, 30), (30, 30, 2)}
    coarse = _sampler(_source((0, 20)), COARSE_Z)
    assert {coarse.batch(i).labels.shape[1:] for i in range(20)} == {coarse.shapes[0]}


def test_rare_classes_are_sought():
    source = _source((0, 20))
    labels = np.ones_like(source.labels) * (source.labels > 0)
    labels[20, 3, 4] = 2
    sampler = _sampler(Source.whole(source.image, labels), size=4, patch_voxels=14_000)
    found = [(patch == 2).any() for i in range(20) for patch in sampler.batch(i).labels]
    assert np.mean(found) > 0.4


def test_labels_are_known_by_the_axis_they_are_thin_along():
    labels = np.zeros(SHAPE, np.uint8)
    labels[20], labels[:, 40] = 1, 2
    labels[22:38, 2:20, 2:20] = 3
    centres = Centres.find(Source.whole(labels, labels))
    inner = (centres.voxels[:, 2] > 25) & (centres.voxels[:, 1] < 30)
    assert (centres.thin[inner & (centres.values == 1)] == 0).all()
    assert (centres.thin[(centres.values == 2) & (abs(centres.voxels[:, 0] - 20) > 6)] == 1).all()
    middle = (np.abs(centres.voxels - [30, 11, 11]) <= 2).all(axis=1)
    assert (centres.thin[middle] == DENSE).all()


def test_very_many_labels_are_thinned_out_evenly(monkeypatch):
    monkeypatch.setattr(sources, "_KEPT", 500)
    centres = Centres.find(Source.whole(_truth(), _truth()))
    for value in (1, 2, 3):
        voxels = centres.voxels[centres.values == value]
        assert 400 <= len(voxels) <= 500
        np.testing.assert_allclose(voxels.mean(axis=0), (np.array(SHAPE) - 1) / 2, rtol=0.15)


@pytest.mark.parametrize("voxel_nm", [ISOTROPIC, COARSE_Z])
@pytest.mark.parametrize("thin", [0, 1, 2, DENSE])
def test_patches_are_as_large_as_allowed_and_not_larger_than_the_volume(voxel_nm, thin):
    plan = Plan.for_voxels(voxel_nm, (4, 8, 16))
    shape = patch_shape(plan, voxel_nm, thin, (30, 400, 400), 300_000)
    assert 150_000 < np.prod(plan.input_shape(shape)) <= 300_000
    assert shape[0] <= 30 + plan.stride[0]
    small = patch_shape(plan, voxel_nm, thin, (4, 4, 4), 300_000)
    assert max(small) <= 4 + max(plan.stride)
    least = patch_shape(plan, voxel_nm, thin, (400, 400, 400), 1)
    assert plan.input_shape(least) == plan.input_shape((1, 1, 1))


def test_grey_statistics_are_those_of_the_images():
    first, second = _truth(), default_rng(1).integers(0, 60_000, (70, 20, 90)).astype(np.uint16)
    both = np.concatenate([first.ravel(), second.ravel()]).astype(float)
    mean, sd = grey_statistics([first, second])
    assert mean == pytest.approx(both.mean())
    assert sd == pytest.approx(both.std())


@pytest.mark.parametrize("planes", [[(0, 20)], [(0, 5), (0, 30)], [(1, 3), (2, 10)]])
def test_held_out_labels_are_apart_by_the_receptive_field(planes):
    source = _source(*planes)
    training, validation = hold_out(source, 0.25, (5, 6, 7))
    assert seen_share([training], [validation], (5, 6, 7)) == 0
    assert 0.1 < validation.counts.sum() / source.counts.sum() < 0.4
    assert (training.counts[1:4] > 0).all()
    assert training.counts.sum() + validation.counts.sum() < source.counts.sum()


def test_the_receptive_field_is_seen_when_it_reaches_over():
    image, labels = np.zeros(SHAPE, np.uint8), np.ones(SHAPE, np.uint8)
    training = Source(image, labels, ((0, 0, 0), (40, 50, 20)))
    validation = Source(image, labels, ((0, 0, 24), (40, 50, 34)))
    assert seen_share([training], [validation], (0, 0, 4)) == 0
    assert seen_share([training], [validation], (0, 0, 7)) == pytest.approx(0.3)
    elsewhere = Source(image.copy(), labels, training.within)
    assert seen_share([elsewhere], [validation], (0, 0, 7)) == 0


def test_too_few_labels_cannot_be_held_out():
    labels = np.zeros(SHAPE, np.uint8)
    labels[20, 20:24, 20:24] = 1
    labels[20, 21, 21] = 2
    with pytest.raises(InputError, match="hold_out"):
        hold_out(Source.whole(_truth(), labels), 0.25, (5, 5, 5))


def test_coverage_says_how_much_is_labelled_and_how_far_the_rest_is():
    labels = np.zeros((64, 64, 64), np.uint8)
    labels[:8] = 1
    found = coverage(Source.whole(labels, labels), (10, 10, 10))
    assert found == {"labelled_share": 0.125, "nearest_label_nm": {"median": 280.0, "largest": 560.0}}
