# SPDX-License-Identifier: Apache-2.0
"""Objects are the same, bit for bit, for every block size, and the same as a plain whole-array labelling."""

from dataclasses import fields

import numpy as np
import pytest
from scipy import ndimage

from sidecrate.science.blocks import Blocked, blocked, with_low_halo
from sidecrate.science.objects import (
    Objects,
    keep_objects,
    label_components,
    tabulate_instances,
)
from sidecrate.science.surface import count_configurations


def noise(shape=(23, 29, 31), fraction=0.14, seed=0):
    return np.random.default_rng(seed).random(shape) < fraction


def assembled(volume: Blocked):
    whole = np.zeros(volume.shape, np.int64)
    for box in volume.boxes():
        whole[box] = volume.read(box)
    return whole


def assert_same(one: Objects, other: Objects):
    for field in fields(Objects):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("block", [(5, 5, 5), (9, 16, 7), (12, 29, 17), (64, 64, 64)])
def test_components_of_any_blocks_are_those_of_the_whole(connectivity, block):
    mask = noise(fraction=0.14 if connectivity == 26 else 0.25)
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    expected, count = ndimage.label(mask, ndimage.generate_binary_structure(3, rank))
    ids, objects = label_components(blocked(mask, block), connectivity)
    np.testing.assert_array_equal(assembled(ids), expected)
    assert_same(objects, tabulate_instances(blocked(expected, mask.shape)))
    assert len(objects) == count > 20


@pytest.mark.parametrize("block", [(4, 4, 4), (7, 30, 11)])
def test_configuration_counts_do_not_depend_on_the_blocks(block):
    mask = noise((23, 25, 29), 0.2)
    whole_ids, whole = label_components(blocked(mask), 6)
    ids, objects = label_components(blocked(mask, block), 6)
    for closed in (True, False):
        np.testing.assert_array_equal(
            count_configurations(ids, objects.ids, closed=closed),
            count_configurations(whole_ids, whole.ids, closed=closed),
        )


@pytest.mark.parametrize(
    ("voxels", "counts"),
    [
        ([(1, 1, 1), (2, 2, 2)], {6: 2, 18: 2, 26: 1}),  # blocks that share a corner only
        ([(1, 2, 1), (2, 1, 2)], {6: 2, 18: 2, 26: 1}),
        ([(1, 1, 1), (2, 2, 1), (1, 2, 2), (2, 1, 2)], {6: 4, 18: 1, 26: 1}),  # blocks that share edges only
    ],
)
def test_objects_are_joined_across_block_edges_and_corners(voxels, counts):
    mask = np.zeros((4, 4, 4), bool)
    mask[tuple(np.transpose(voxels))] = True
    for connectivity, count in counts.items():
        assert len(label_components(blocked(mask, (2, 2, 2)), connectivity)[1]) == count


def test_a_volume_can_be_labelled_twice_with_the_same_ids():
    ids, _ = label_components(blocked(noise(), (16, 16, 16)))
    np.testing.assert_array_equal(assembled(ids), assembled(ids))


def test_instances_keep_their_ids_and_need_not_be_connected():
    instances = np.zeros((6, 6, 6), np.uint16)
    instances[0, 0, 0] = instances[5, 5, 5] = 40_000
    instances[2:4, 2:4, 2:4] = 7
    objects = tabulate_instances(blocked(instances, (3, 3, 3)))
    assert objects.ids.tolist() == [7, 40_000]
    assert objects.voxels.tolist() == [8, 2]
    assert objects.centroids.tolist() == [[2.5, 2.5, 2.5], [2.5, 2.5, 2.5]]
    assert objects.touches_border((6, 6, 6)).tolist() == [False, True]
    assert objects.first_voxel.tolist() == [2 * 36 + 2 * 6 + 2, 0]


def test_small_objects_go_by_their_whole_count_even_when_a_block_cuts_them():
    mask = np.zeros((1, 1, 12), bool)
    mask[..., 0:6] = mask[..., 8:10] = True
    ids, objects = label_components(blocked(mask, (1, 1, 5)))
    kept = objects.select(objects.voxels >= 6)
    assert assembled(keep_objects(ids, kept.ids)).tolist() == [[[1] * 6 + [0] * 6]]


def test_an_empty_mask_has_no_objects():
    ids, objects = label_components(blocked(np.zeros((5, 6, 7), bool), (4, 4, 4)))
    assert len(objects) == 0
    assert not assembled(ids).any()
    assert not assembled(keep_objects(ids, objects.ids)).any()


def test_one_channel_of_a_larger_array_is_read():
    array = np.zeros((2, 3, 3, 3), np.uint8)
    array[1, 1, 1, 1] = 200
    mask = blocked(array, (2, 2, 2), channel=1).map(lambda block: block >= 128)
    assert label_components(mask)[1].voxels.tolist() == [1]


def test_the_halo_holds_the_voxels_just_below_each_block():
    volume = np.arange(1, 4 * 5 * 6 + 1).reshape(4, 5, 6)
    padded = np.pad(volume, 1)
    for (z, y, x), block in with_low_halo(blocked(volume, (2, 2, 3))):
        expected = padded[z.start : z.stop + 1, y.start : y.stop + 2, x.start : x.stop + 2].copy()
        expected[1:, -1, :] = 0  # still to come
        expected[1:, 1:, -1] = 0
        np.testing.assert_array_equal(block, expected)


class Recorder:
    """A lazy array that remembers the largest box it was asked for."""

    def __init__(self, array):
        self._array, self.shape, self.dtype, self.largest = array, array.shape, array.dtype, 0

    def __getitem__(self, box):
        self.largest = max(self.largest, self._array[box].size)
        return self._array[box]


def test_a_large_volume_is_never_read_in_more_than_a_block(monkeypatch):
    monkeypatch.setattr("sidecrate.science.blocks.SMALL_BYTES", 0)
    array = Recorder(noise())
    ids, objects = label_components(blocked(array, (8, 8, 8)))
    count_configurations(ids, objects.ids, closed=True)
    assert array.largest == 8**3
