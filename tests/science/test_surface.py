# SPDX-License-Identifier: Apache-2.0
"""Surface areas are right within the error stated, for isotropic and anisotropic voxels."""

import numpy as np
import pytest

from sidecrate.science.blocks import blocked
from sidecrate.science.surface import area_weights, count_configurations, crofton_weights, lindblad_weights

ONE = np.array([1])


def ellipsoid(axes, voxel=(1.0, 1.0, 1.0), seed=0):
    """An ellipsoid of semi-axes z, y, x with a random sub-voxel centre."""
    rng = np.random.default_rng(seed)
    shape = [int(2 * axis / size) + 5 for axis, size in zip(axes, voxel, strict=True)]
    centre = [n // 2 + rng.random() - 0.5 for n in shape]
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    terms = [((g - c) * v / a) ** 2 for g, c, v, a in zip(grid, centre, voxel, axes, strict=True)]
    return (terms[0] + terms[1] + terms[2] <= 1).astype(np.uint8)


def area(mask, weights):
    return float((count_configurations(blocked(mask), ONE, closed=True) @ weights)[0])


@pytest.mark.parametrize("radius", [10, 20, 35, 60])
def test_spheres_of_radius_10_to_60_are_within_1_percent(radius):
    mask = ellipsoid((radius,) * 3, seed=radius)
    sphere = 4 * np.pi * radius**2
    assert area(mask, lindblad_weights()) == pytest.approx(sphere, rel=0.01)
    assert area(mask, crofton_weights((1, 1, 1))) == pytest.approx(sphere, rel=0.01)


@pytest.mark.parametrize("voxel", [(2.5, 1, 1), (4, 1, 1), (1, 3, 1)])
def test_spheres_in_anisotropic_voxels_are_within_1_5_percent(voxel):
    for seed in range(3):
        mask = ellipsoid((30, 30, 30), voxel, seed)
        assert area(mask, crofton_weights(voxel)) == pytest.approx(4 * np.pi * 900, rel=0.015)


def test_a_mask_and_its_complement_have_the_same_weights():
    for weights in (lindblad_weights(), crofton_weights((4, 1, 2))):
        np.testing.assert_allclose(weights, weights[::-1])
        assert weights[0] == weights[255] == 0
        assert (weights[1:255] > 0).all()


def test_lindblad_weights_ignore_rotation_and_reflection():
    weights = lindblad_weights().reshape((2,) * 8)  # one axis a corner, the highest bit first
    corners = np.arange(8).reshape(2, 2, 2)
    for turned in (corners.transpose(1, 2, 0), corners[::-1], np.rot90(corners)):
        order = 7 - turned.ravel()[::-1]
        np.testing.assert_array_equal(weights.transpose(order), weights)
    assert len(np.unique(weights)) == 13  # 14 classes, of which the two pairs of far corners weigh the same


def test_the_estimator_follows_the_voxel_and_scales_with_its_square():
    name, weights = area_weights((8, 8, 8))
    assert name.startswith("Lindblad")
    np.testing.assert_allclose(weights, 64 * lindblad_weights())
    name, weights = area_weights((40, 8, 8))
    assert name.startswith("Crofton")
    np.testing.assert_allclose(weights, 64 * crofton_weights((5, 1, 1)))


def test_surface_where_the_volume_cuts_an_object_is_counted_only_when_closed():
    weights = crofton_weights((1, 1, 1))
    ball = ellipsoid((20, 20, 20))
    height = 21 - (np.argwhere(ball)[:, 0].mean() - 20)  # from the pole to the centre of the last layer
    cut = ball[:22]
    closed = count_configurations(blocked(cut), ONE, closed=True) @ weights
    seen = count_configurations(blocked(cut), ONE, closed=False) @ weights
    assert seen[0] == pytest.approx(2 * np.pi * 20 * height, rel=0.01)
    assert closed[0] - seen[0] == pytest.approx(np.pi * 20**2, rel=0.1)


def test_touching_objects_are_each_measured_as_if_alone():
    pair = np.zeros((8, 8, 12), np.uint8)
    pair[2:6, 2:6, 2:6] = 3
    pair[2:6, 2:6, 6:10] = 9
    alone = np.where(pair == 9, 9, 0)
    counts = count_configurations(blocked(pair, (5, 5, 5)), np.array([3, 9]), closed=True)
    np.testing.assert_array_equal(counts[1], count_configurations(blocked(alone), np.array([9]), closed=True)[0])
    np.testing.assert_array_equal(counts[0] @ lindblad_weights(), counts[1] @ lindblad_weights())
