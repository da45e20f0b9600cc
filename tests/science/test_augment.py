# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.random import default_rng

from sidecrate.science import augment


@pytest.mark.parametrize(
    ("voxel_nm", "orders"),
    [((16, 16, 16), 6), ((50, 10, 10.05), 2), ((10, 50, 10), 2), ((30, 20, 10), 1)],
)
def test_rotations_exchange_axes_of_equal_spacing_only(voxel_nm, orders):
    found = augment.exchangeable(voxel_nm)
    assert len(set(found)) == orders
    for order in found:
        np.testing.assert_allclose(np.array(voxel_nm)[list(order)], voxel_nm, rtol=0.01)


def test_orienting_is_undone_by_its_inverse():
    patch = np.arange(24).reshape(2, 3, 4)
    turned = augment.orient(patch, (2, 0, 1), np.array([True, False, False]))
    assert turned.shape == (4, 2, 3)
    back = turned[::-1].transpose(np.argsort((2, 0, 1)))
    np.testing.assert_array_equal(back, patch)


@pytest.mark.parametrize("voxel_nm", [(10, 10, 10), (40, 10, 10)])
def test_no_voxel_is_moved_beyond_the_reach(voxel_nm):
    reach = augment.reach(voxel_nm)
    fields = [augment.displacement((12, 40, 33), voxel_nm, (6, 20, 9), default_rng(seed)) for seed in range(30)]
    assert all((field[:, 6, 20, 9] == 0).all() for field in fields)
    largest = np.abs(np.stack(fields)).max(axis=(0, 2, 3, 4))
    assert (largest <= reach).all()
    assert (largest > 0.2 * np.array(reach)).all()


def test_the_displacement_is_smooth():
    field = augment.displacement((40, 40, 40), (10, 10, 10), (0, 0, 0), default_rng(1))
    for axis in (1, 2, 3):
        assert np.abs(np.diff(field, axis=axis)).max() < 0.6


def test_no_displacement_gives_the_centre_of_the_patch():
    grey = default_rng(0).random((10, 12, 14), dtype=np.float32)
    field = np.zeros((3, 4, 6, 8), np.float32)
    np.testing.assert_allclose(augment.deform(grey, field, 1), grey[3:-3, 3:-3, 3:-3], atol=1e-6)


def test_a_constant_displacement_shifts_grey_values_and_labels_alike():
    labels = default_rng(0).integers(0, 4, (10, 12, 14)).astype(np.uint8)
    field = np.zeros((3, 4, 6, 8), np.float32)
    field[1] = 2
    moved = augment.deform(labels, field, 0)
    assert moved.dtype == np.uint8
    np.testing.assert_array_equal(moved, labels[3:-3, 5:-1, 3:-3])
    np.testing.assert_allclose(augment.deform(labels.astype(np.float32), field, 1), moved, atol=1e-5)


def test_grey_values_change_but_keep_their_order_of_magnitude():
    patch = default_rng(0).standard_normal((16, 16, 16)).astype(np.float32)
    changed = augment.intensity(patch, default_rng(1))
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.corrcoef(changed.ravel(), patch.ravel())[0, 1] > 0.9
    assert not np.allclose(changed, patch)


def test_a_constant_patch_stays_finite():
    assert np.isfinite(augment.intensity(np.zeros((4, 4, 4), np.float32), default_rng(0))).all()


def test_the_same_generator_state_gives_the_same_change():
    patch = default_rng(0).standard_normal((8, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(augment.intensity(patch, default_rng(5)), augment.intensity(patch, default_rng(5)))
    np.testing.assert_array_equal(
        augment.displacement((8, 8, 8), (1, 1, 1), (4, 4, 4), default_rng(5)),
        augment.displacement((8, 8, 8), (1, 1, 1), (4, 4, 4), default_rng(5)),
    )
