# SPDX-License-Identifier: Apache-2.0
"""Every format gives the same image; what cannot be one is refused with a word on what to do."""

from __future__ import annotations

import hashlib
import json
import pickle
import signal
import subprocess
import sys
from functools import partial
from threading import Event

import numpy as np
import pytest
import tifffile
import zarr
from foreign_files import (
    VOXEL_NM,
    VOXELS,
    hdf5,
    imagej,
    mrc,
    npz,
    ome_tiff,
    ome_zarr_04,
    ome_zarr_05,
    plain_zarr,
    slices,
)

from sidecrate.digests import sha256_file
from sidecrate.errors import InputError, MissingExtra
from sidecrate.science import arrays, images
from sidecrate.science.fingerprint import _take
from sidecrate.science.images import add
from sidecrate.store import verify, versions

STATED = [
    (imagej, "a.tif", None),
    (ome_tiff, "a.ome.tiff", None),
    (hdf5, "a.h5", "volumes/raw"),
    (mrc, "a.mrc", None),
    (ome_zarr_04, "a.zarr", None),
    (ome_zarr_05, "a.ome.zarr", None),
    (ome_zarr_05, "a.ome.zarr", "0"),
]
UNSTATED = [
    (tifffile.imwrite, "a.tif", None),
    (partial(tifffile.imwrite, compression="zlib", tile=(16, 32)), "a.tif", None),
    (partial(tifffile.imwrite, compression="lzw"), "a.tif", None),
    (slices, "a", None),
    (np.save, "a.npy", None),
    (lambda path, voxels: np.save(path, np.asfortranarray(voxels)), "a.npy", None),
    (npz, "a.npz", "raw"),
    (lambda path, voxels: np.savez(path, np.asfortranarray(voxels)), "a.npz", None),
    (plain_zarr, "a.zarr", None),
    (lambda path, voxels: zarr.create_array(path, data=voxels), "a.zarr", None),
]


@pytest.mark.parametrize(("write", "name", "dataset"), STATED)
def test_formats_that_state_their_voxel_size_need_nothing_else(tmp_path, write, name, dataset):
    write(tmp_path / name)
    image = add(tmp_path / name, tmp_path / "images/cell", dataset=dataset)
    assert image.voxel_nm == VOXEL_NM
    assert np.array_equal(arrays.open_array(image)[...], VOXELS)


@pytest.mark.parametrize(("write", "name", "dataset"), UNSTATED)
def test_formats_that_do_not_state_it_ask_for_it(tmp_path, write, name, dataset):
    write(tmp_path / name, VOXELS)
    with pytest.raises(InputError, match="does not state its voxel size; pass it in nm"):
        add(tmp_path / name, tmp_path / "images/cell", dataset=dataset)
    image = add(tmp_path / name, tmp_path / "images/cell", dataset=dataset, voxel_nm=VOXEL_NM)
    assert np.array_equal(arrays.open_array(image)[...], VOXELS)
    assert image.shape == VOXELS.shape


# --------------------------------------------------------------------------------------- what is written


@pytest.fixture
def large(tmp_path):
    """4 shards, and more than the 256 voxels of a coarsest level."""
    voxels = np.random.default_rng(1).integers(0, 256, (6, 300, 280), dtype=np.uint8)
    np.save(tmp_path / "large.npy", voxels)
    return tmp_path / "large.npy"


def test_an_image_says_what_it_is_and_where_from(tmp_path):
    imagej(tmp_path / "a.tif")
    image = add(tmp_path / "a.tif", tmp_path / "images/cell", voxel_nm=(25, 4, 4), description="a cell")
    assert image.meta == {
        "kind": "Image",
        "description": "a cell",
        "shape": [12, 40, 50],
        "voxel_nm": [25, 4, 4],
        "dtype": "uint8",
        "source": {
            "name": "a.tif",
            "format": "TIFF",
            "dataset": None,
            "voxel_nm": [30, 4, 4],
            "rescale": None,
            "bytes": (tmp_path / "a.tif").stat().st_size,
            "sha256": sha256_file(tmp_path / "a.tif"),
        },
    }


def test_a_folder_of_slices_is_known_by_its_manifest(tmp_path):
    slices(tmp_path / "stack", VOXELS)
    image = add(tmp_path / "stack", tmp_path / "images/cell", voxel_nm=VOXEL_NM)
    files = sorted((tmp_path / "stack").iterdir())
    listed = "".join(f"{sha256_file(file)}  {file.name}\n" for file in files)
    assert image.source == {
        "kind": "Folder",
        "name": "stack",
        "bytes": sum(file.stat().st_size for file in files),
        "digest": f"sha256:{hashlib.sha256(listed.encode()).hexdigest()}",
    }


def test_a_source_that_cannot_be_read_to_its_end_is_not_identified(tmp_path):
    slices(tmp_path / "stack", VOXELS)
    (tmp_path / "stack/gone.txt").symlink_to(tmp_path / "nowhere")
    assert _take(tmp_path / "stack", Event()) == {}


def test_the_coarsest_level_is_small_and_progress_counts_shards(tmp_path, large):
    seen = []
    image = add(large, tmp_path / "images/cell", voxel_nm=VOXEL_NM, progress=lambda *step: seen.append(step))
    assert seen == [(n, 4, "shards") for n in (1, 2, 3, 4)]
    assert arrays.open_array(image, 1).shape == (6, 150, 140)
    assert list(verify(image)) == []


def test_the_same_input_gives_the_same_digest_however_much_is_read_at_a_time(tmp_path, large, monkeypatch):
    first = add(large, tmp_path / "images/cell", voxel_nm=VOXEL_NM)
    monkeypatch.setattr(images, "_READ_BYTES", 1)
    again = add(large, tmp_path / "images/cell", voxel_nm=VOXEL_NM)
    assert (again.version, again.digest) == (2, first.digest)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_uint16_is_kept(tmp_path, dtype):
    voxels = (VOXELS.astype(dtype) * 257).astype(dtype)
    np.save(tmp_path / "a.npy", voxels)
    image = add(tmp_path / "a.npy", tmp_path / "images/cell", voxel_nm=VOXEL_NM)
    assert image.meta["dtype"] == "uint16"
    assert np.array_equal(arrays.open_array(image)[...], voxels)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint32, np.float32, np.float64, np.bool_])
def test_other_types_need_to_be_told_what_is_black_and_white(tmp_path, dtype):
    np.save(tmp_path / "a.npy", VOXELS.astype(dtype))
    with pytest.raises(InputError, match="--rescale LOW HIGH"):
        add(tmp_path / "a.npy", tmp_path / "images/cell", voxel_nm=VOXEL_NM)


def test_rescaling_is_linear_and_clips(tmp_path):
    values = np.array([-5, 0, 1, 50, 100, 200], np.float32)
    np.save(tmp_path / "a.npy", np.broadcast_to(values, (2, 3, 6)))
    image = add(tmp_path / "a.npy", tmp_path / "images/cell", voxel_nm=VOXEL_NM, rescale=(0, 100))
    assert arrays.open_array(image)[0, 0].tolist() == [0, 0, 3, 128, 255, 255]
    with pytest.raises(InputError, match="rescale needs low < high"):
        add(tmp_path / "a.npy", tmp_path / "images/cell", voxel_nm=VOXEL_NM, rescale=(1, 1))


KILLED = """
import os, signal, sys
from pathlib import Path
from sidecrate.science.images import add
def progress(done, total, unit):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
add(Path(sys.argv[1]), Path(sys.argv[2]), voxel_nm=(30, 4, 4), progress=progress)
"""


def test_a_killed_add_leaves_no_version_and_the_next_goes_on(tmp_path, large):
    series = tmp_path / "images/cell"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(large), str(series)])
    assert killed.returncode == -signal.SIGKILL
    assert versions(series) == []
    seen = []
    image = add(large, series, voxel_nm=VOXEL_NM, progress=lambda *step: seen.append(step[0]))
    assert seen == [3, 4]
    assert image.digest == add(large, tmp_path / "images/other", voxel_nm=VOXEL_NM).digest
    assert np.array_equal(arrays.open_array(image)[...], np.load(large))


def test_a_killed_add_of_a_source_that_changed_begins_again(tmp_path, large):
    series = tmp_path / "images/cell"
    subprocess.run([sys.executable, "-c", KILLED, str(large), str(series)])
    changed = np.load(large) // 2
    np.save(large, changed)
    assert np.array_equal(arrays.open_array(add(large, series, voxel_nm=VOXEL_NM))[...], changed)


# --------------------------------------------------------------------------------------------- bad input


def refused(path, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        add(path, path.parent / "images/cell", **{"voxel_nm": VOXEL_NM, **options})
    assert "\n" not in str(caught.value)
    assert versions(path.parent / "images/cell") == []


SINGLE_FILES = [*STATED[:4], *(row for row in UNSTATED[:8] if row[0] is not slices)]


@pytest.mark.parametrize(("write", "name", "dataset"), SINGLE_FILES)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_file_cut_short_is_an_error(tmp_path, write, name, dataset, kept):
    write(tmp_path / name, VOXELS)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * kept)])
    refused(tmp_path / name, "cut short|truncated", dataset=dataset)


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.npz", "a.h5", "a.mrc"])
def test_noise_under_a_known_suffix_is_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(2).bytes(5000))
    refused(tmp_path / name, f"^{name}: cannot be read")


def test_a_damaged_zarr_chunk_is_an_error(tmp_path):
    ome_zarr_05(tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr/0/c/1/1/1"
    chunk.write_bytes(chunk.read_bytes()[:-20])
    refused(tmp_path / "a.zarr", "cannot be read")


def test_pickles_are_never_opened(tmp_path):
    np.savez(tmp_path / "a.npz", raw=np.array([object()], dtype=object))
    refused(tmp_path / "a.npz", "allow_pickle|Object arrays")
    np.save(tmp_path / "a.npy", np.array([object()], dtype=object))
    refused(tmp_path / "a.npy", "Python objects")


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("dtype", ["|u1", "|O"])
@pytest.mark.parametrize("filters", [["pickle"], ["vlen-utf8", "pickle"]])
def test_a_zarr_codec_that_unpickles_never_runs(tmp_path, dtype, filters):
    plain_zarr(tmp_path / "a.zarr", np.ones((2, 2, 2), np.uint8))
    document = json.loads((tmp_path / "a.zarr/.zarray").read_text())
    document |= {"filters": [{"id": name} for name in filters], "compressor": None, "dtype": dtype}
    (tmp_path / "a.zarr/.zarray").write_text(json.dumps(document))
    (tmp_path / "a.zarr/0.0.0").write_bytes(pickle.dumps(_Bomb(tmp_path / "exploded")))
    refused(tmp_path / "a.zarr", "no readable Zarr|holds")
    with pytest.raises(InputError):
        arrays.open_zarr(tmp_path / "a.zarr", "", "a.zarr")[...]
    assert not (tmp_path / "exploded").exists()


def test_a_file_that_promises_more_than_a_machine_holds_is_an_error(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for page in file.pages:
            page.tags["ImageWidth"].overwrite(2**31 - 1)
            page.tags["ImageLength"].overwrite(2**31 - 1)
    refused(tmp_path / "a.tif", "cannot be read|cut short")


@pytest.mark.parametrize(("write", "name"), [(npz, "a.npz"), (hdf5, "a.h5")])
def test_several_arrays_are_listed(tmp_path, write, name):
    write(tmp_path / name)
    refused(tmp_path / name, r"holds 2 arrays; arrays there: .*labels, .*raw; say which with --dataset")
    refused(tmp_path / name, r"has no array 'grey'; arrays there: .*labels, .*raw", dataset="grey")


def test_several_arrays_in_a_zarr_group_are_listed(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    refused(tmp_path / "a.zarr", "holds no array")
    for name in ("raw", "labels"):
        group.create_array(name, data=VOXELS)
    refused(tmp_path / "a.zarr", r"holds 2 arrays or groups \(labels, raw\)")
    refused(tmp_path / "a.zarr", "no readable Zarr at 'grey'", dataset="grey")
    image = add(tmp_path / "a.zarr", tmp_path / "images/cell", voxel_nm=VOXEL_NM, dataset="raw")
    assert image.meta["source"]["dataset"] == "raw"


def test_a_dataset_of_a_format_without_any_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", VOXELS)
    refused(tmp_path / "a.npy", "holds one array only", dataset="raw")


@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_colour_is_refused(tmp_path, layout):
    colours = np.zeros((20, 20, 3) if layout == "contig" else (3, 20, 20), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", planarconfig=layout)
    refused(tmp_path / "a.tif", "is a colour image; convert it to grey")


def test_slices_must_be_alike(tmp_path):
    slices(tmp_path / "a")
    tifffile.imwrite(tmp_path / "a/slice7.TIF", VOXELS[7, :, 1:])
    refused(tmp_path / "a", r"slice7.TIF: is \(40, 49\) of uint8, but slice0.TIF is \(40, 50\)")
    tifffile.imwrite(tmp_path / "a/slice7.TIF", VOXELS[:4], photometric="minisblack")
    refused(tmp_path / "a", "slice7.TIF: is a stack")
    (tmp_path / "a/slice7.TIF").write_bytes(b"II*\0")
    refused(tmp_path / "a", "slice7.TIF: (cannot be read|damaged)")


def test_a_stack_with_pages_of_different_sizes_is_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(VOXELS[0])
        file.write(VOXELS[0, :20])
    refused(tmp_path / "a.tif", "holds 2 images of different sizes")


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((7,), "a volume has three axes"),
        ((2, 3, 4, 5), "a volume has three axes"),
        ((0, 4, 4), "is empty"),
        ((40, 50), "is a single slice"),
        ((1, 40, 50), "is a single slice"),
    ],
)
def test_what_is_no_volume_is_refused(tmp_path, shape, match):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    refused(tmp_path / "a.npy", match)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused_with_their_place(tmp_path, value):
    voxels = VOXELS.astype(np.float32)
    voxels[5, 6, 7] = value
    np.save(tmp_path / "a.npy", voxels)
    refused(tmp_path / "a.npy", "slices 0:12 hold values that are no numbers", rescale=(0, 255))


def test_complex_values_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", VOXELS.astype(complex))
    refused(tmp_path / "a.npy", "holds complex128")


@pytest.mark.parametrize("voxel_nm", [(0, 4, 4), (-1, 4, 4), (np.nan, 4, 4), (np.inf, 4, 4)])
def test_a_voxel_size_is_three_positive_lengths(tmp_path, voxel_nm):
    np.save(tmp_path / "a.npy", VOXELS)
    refused(tmp_path / "a.npy", "not three lengths in nm", voxel_nm=voxel_nm)


def test_axes_in_another_order_are_refused(tmp_path):
    ome_zarr_05(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r+")
    ome = dict(group.attrs["ome"])
    ome["multiscales"][0]["axes"].reverse()
    group.attrs["ome"] = ome
    refused(tmp_path / "a.zarr", "its axes are x, y, z")


def test_unknown_and_missing_files_are_refused(tmp_path):
    (tmp_path / "a.czi").touch()
    refused(tmp_path / "a.czi", "unknown format; known are .*tif .*npz .*h5 .*mrc")
    refused(tmp_path / "b.tif", "no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "without TIFF slices and without Zarr metadata")


@pytest.mark.parametrize(("module", "write", "name"), [("h5py", hdf5, "a.h5"), ("mrcfile", mrc, "a.mrc")])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, module, write, name):
    write(tmp_path / name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"needs {module}: install it with `pip install 'sidecrate\[formats\]'`"):
        add(tmp_path / name, tmp_path / "images/cell")
