# SPDX-License-Identifier: Apache-2.0
"""Volumes are valid OME-Zarr, hashed while they are written, and damage is noticed when it is read."""

from __future__ import annotations

import numpy as np
import ome_zarr_models
import pytest
import zarr
from ome_zarr_models.v05.image import Image as OmeImage
from ome_zarr_models.v05.image_label import ImageLabel

from sidecrate.artifacts import Image, LabelSet, Prediction
from sidecrate.digests import read_manifest
from sidecrate.errors import InputError
from sidecrate.science import arrays
from sidecrate.store import draft, verify

VOXEL_NM = (30, 4, 4)


def save(noun, series, voxels, voxel_nm=VOXEL_NM, meta=None, **options):
    with draft(noun, series) as new:
        shape = voxels.shape[-3:]
        made = arrays.create(new, noun.array, shape=shape, dtype=voxels.dtype, voxel_nm=voxel_nm, **options)
        for region in arrays.shards(made[0]):
            made[0][region] = voxels[region]
        arrays.build_pyramid(made)
        return new.finish({"shape": list(shape), "voxel_nm": list(voxel_nm), **(meta or {})})


def grey(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.fixture
def image(tmp_path):
    return save(Image, tmp_path / "images" / "cell", grey(5, 300, 270), levels=3)


@pytest.mark.parametrize(
    ("noun", "leading", "options", "expected"),
    [
        (Image, (), {"levels": 2}, OmeImage),
        (LabelSet, (), {"classes": {1: "background", 2: "pore"}}, ImageLabel),
        (Prediction, (2,), {"channels": ["background", "pore"]}, OmeImage),
    ],
)
def test_each_kind_of_volume_is_valid_ome_zarr(tmp_path, noun, leading, options, expected):
    voxels = grey(*leading, 4, 70, 300)
    volume = save(noun, tmp_path / "x", voxels, **options)
    group = zarr.open_group(volume.array_path, mode="r")
    found = expected.from_zarr(group)
    assert isinstance(ome_zarr_models.open_ome_zarr(group), expected | OmeImage)
    (multiscale,) = found.ome_attributes.multiscales
    assert [axis.name for axis in multiscale.axes][-3:] == ["z", "y", "x"]
    assert multiscale.datasets[0].coordinateTransformations[0].scale[-3:] == list(VOXEL_NM)
    assert np.array_equal(arrays.open_array(volume)[...], voxels)


def test_every_byte_written_was_hashed_on_the_way(image):
    assert list(verify(image)) == []
    assert {"image.ome.zarr/zarr.json", "image.ome.zarr/0/c/0/1/1"} <= read_manifest(
        image.path / "manifest-sha256.txt"
    ).keys()


def test_a_rewritten_and_a_deleted_shard_leave_the_right_digests(tmp_path):
    with draft(Image, tmp_path / "x") as new:
        (array,) = arrays.create(new, Image.array, shape=(4, 4, 4), dtype=np.uint8, voxel_nm=VOXEL_NM)
        array[:] = 1
        array[:] = 2
        once = dict(new.digests)
        array[:] = 0  # the fill value: zarr deletes the shard
        assert set(once) - set(new.digests) == {"image.ome.zarr/0/c/0/0/0"}
        volume = new.finish({})
    assert list(verify(volume)) == []


def test_a_resumed_draft_opens_its_arrays_again(tmp_path):
    options = {"shape": (4, 300, 4), "dtype": np.uint8, "voxel_nm": VOXEL_NM, "levels": 2}
    with draft(Image, tmp_path / "x", key="k") as new:
        arrays.create(new, Image.array, **options)[0][:, :256] = 7
        before = dict(new.digests)
    with draft(Image, tmp_path / "x", key="k") as new:
        assert new.digests == before
        assert (arrays.create(new, Image.array, **options)[0][:, :256] == 7).all()


# ----------------------------------------------------------------------------------------------- pyramid


def test_coarser_levels_are_means_of_whole_cells(image):
    fine = arrays.open_array(image)[...].astype(float)
    cells = fine.reshape(5, 150, 2, 135, 2).mean(axis=(2, 4))  # z is 7 times coarser and not halved
    assert np.array_equal(arrays.open_array(image, 1)[...], np.floor(cells + 0.5))


def test_cells_cut_by_the_border_repeat_its_voxels(tmp_path):
    voxels = grey(3, 3, 3, dtype=np.uint16)
    volume = save(Image, tmp_path / "x", voxels, voxel_nm=(4, 4, 4), levels=2)
    whole = np.pad(voxels, ((0, 1),) * 3, mode="edge").astype(float)
    expected = np.floor(whole.reshape(2, 2, 2, 2, 2, 2).mean(axis=(1, 3, 5)) + 0.5)
    assert np.array_equal(arrays.open_array(volume, 1)[...], expected)


def test_nearest_never_invents_a_class(tmp_path):
    voxels = grey(8, 130, 9) % 3 * 100
    with draft(LabelSet, tmp_path / "x") as new:
        made = arrays.create(new, LabelSet.array, shape=voxels.shape, dtype=np.uint8, voxel_nm=(4, 4, 4), levels=2)
        made[0][...] = voxels
        arrays.build_pyramid(made, nearest=True)
        assert np.array_equal(made[1][...], voxels[::2, ::2, ::2])


def test_anisotropic_volumes_become_isotropic_and_every_axis_shrinks_in_the_end():
    sizes = arrays.pyramid((100, 4096, 4096), (32, 4, 4), 6)
    assert [factor for _, factor in sizes[:5]] == [(1, 1, 1), (1, 2, 2), (1, 4, 4), (1, 8, 8), (2, 16, 16)]
    assert arrays.pyramid((1000, 1, 1), (40, 4, 4), 4)[-1][0] == (125, 1, 1)


def test_shards_cover_each_voxel_once(image):
    array = zarr.open_array(image.array_path, path="0", mode="r")
    seen = np.zeros(image.shape, int)
    for region in arrays.shards(array):
        seen[region] += 1
    assert (seen == 1).all()


def test_stored_shards_are_those_with_voxels(tmp_path):
    voxels = np.zeros((4, 300, 600), np.uint8)
    voxels[3, 280, 520] = 2
    labels = save(LabelSet, tmp_path / "x", voxels, classes={1: "background", 2: "pore"})
    found = [("labels.ome.zarr/0/c/0/1/2", (slice(0, 4), slice(256, 300), slice(512, 600)))]
    assert list(arrays.stored_shards(labels)) == found


# --------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_a_damaged_shard_is_an_error_that_names_the_version(image, position):
    shard = image.array_path / "0/c/0/0/0"
    data = bytearray(shard.read_bytes())
    data[int(len(data) * position)] ^= 0xFF
    shard.chmod(0o644)
    shard.write_bytes(data)
    with pytest.raises(InputError, match=r"cell@v1 \(Image\): cannot read"):
        arrays.open_array(image)[...]


def test_a_volume_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no readable Zarr array"):
        arrays.open_zarr(tmp_path, "0", "cell@v1")


def test_volumes_of_different_shape_or_image_are_refused(tmp_path, image):
    link = {"image": {"ref": "other@v1", "digest": "sha256:0"}}
    labels = save(LabelSet, tmp_path / "l", np.ones((4, 4, 4), np.uint8), meta=link)
    with pytest.raises(InputError, match=r"cell@v1 has \(5, 300, 270\) voxels and l@v1 \(4, 4, 4\)"):
        arrays.same_grid(image, labels)
    with pytest.raises(InputError, match="painted on other@v1, not on cell@v1"):
        arrays.check_painted_on(labels, image)


def test_leading_axes_of_length_one_are_dropped(tmp_path):
    zarr.create_array(tmp_path / "a", shape=(1, 1, 2, 3, 4), dtype=np.uint8)[...] = 9
    view = arrays.open_zarr(tmp_path / "a", "", "a")
    assert (view.shape, view.ndim) == ((2, 3, 4), 3)
    assert (view[0:1, 0:1, 0:2] == np.full((1, 1, 2), 9)).all()
