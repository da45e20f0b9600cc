# SPDX-License-Identifier: Apache-2.0
"""Label versions add up, remember who did what, and never change a voxel or an earlier version silently."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import ome_zarr_models
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from volumes import save_image

from sidecrate.artifacts import LabelSet, Person
from sidecrate.digests import sha256_file
from sidecrate.errors import InputError
from sidecrate.science import arrays
from sidecrate.science.label import boxes, label, labelled_blocks
from sidecrate.science.label_io import export_slices, import_slices, read_sidecar
from sidecrate.science.masks import Mask
from sidecrate.science.merge import Conflict, conflicts, merge
from sidecrate.store import verify, versions

SHAPE = (4, 300, 270)  # 1 x 2 x 2 shards
PORE = {2: "pore"}
ADA = Person("Ada Example", "0000-0002-1825-0097")
BEN = Person("Ben Example")
NOON = "2024-05-31T14:00:00+02:00"


@pytest.fixture
def image(tmp_path):
    return save_image(tmp_path, np.zeros(SHAPE, np.uint8), voxel_nm=(30, 4, 4))


@pytest.fixture
def series(tmp_path):
    return tmp_path / "labels" / "pores"


def paint(image, series, *masks, by=ADA, **options) -> LabelSet:
    return label(image, masks, series, **{"by": by, "tool": "brush", "classes": PORE, "when": NOON, **options})


def plane(number=1, shape=SHAPE[1:]):
    return np.full(shape, number, np.uint8)


def voxel(number, *position, size=(1, 1, 1)):
    return Mask.box(np.full(size, number, np.uint8), position)


def content(labels):
    return arrays.open_array(labels)[...]


# --------------------------------------------------------------------------------------------- painting


@pytest.mark.parametrize(("axis", "index"), [("z", 2), ("y", 299), ("x", 0)])
def test_a_slice_lies_across_its_axis(image, series, axis, index):
    expected = np.zeros(SHAPE, np.uint8)
    where = tuple(index if name == axis else slice(None) for name in "zyx")
    painted = np.random.default_rng(0).integers(0, 3, expected[where].shape, dtype=np.uint8)
    expected[where] = painted
    assert np.array_equal(content(paint(image, series, Mask.slice(painted, axis, index))), expected)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".npz", ".zarr"])
@pytest.mark.parametrize("kind", ["slice", "box"])
def test_masks_come_from_files(tmp_path, image, series, suffix, kind):
    painted = np.random.default_rng(1).integers(0, 3, SHAPE[1:] if kind == "slice" else (2, 30, 20), dtype=np.uint8)
    path = tmp_path / f"mask{suffix}"
    writers = {".tif": tifffile.imwrite, ".npy": np.save, ".npz": np.savez}
    writers.get(suffix, lambda path, data: zarr.create_array(path, data=data))(path, painted)
    mask = Mask.slice(path, "z", 1) if kind == "slice" else Mask.box(path, (1, 250, 250))
    found = content(paint(image, series, mask))
    assert np.array_equal(found[1] if kind == "slice" else found[1:3, 250:280, 250:], painted)


def test_a_version_says_what_it_is_and_who_made_it(image, series):
    masks = [Mask.slice(plane(), "z", 1), voxel(2, 3, 255, 255, size=(1, 4, 5))]
    labels = paint(image, series, *masks, minutes=12.5, note="first try")
    assert labels.meta == {
        "kind": "LabelSet",
        "image": image.link(),
        "shape": list(SHAPE),
        "voxel_nm": [30, 4, 4],
        "classes": {"1": "background", "2": "pore"},
        "voxels_per_class": {"background": 300 * 270, "pore": 20},
        "sessions": [
            {
                "who": {"name": "Ada Example", "orcid": "0000-0002-1825-0097"},
                "when": "2024-05-31T12:00:00+00:00",
                "tool": "brush",
                "minutes": 12.5,
                "note": "first try",
                "base": None,
                "boxes": [[[1, 0, 0], [2, 300, 270]], [[3, 255, 255], [4, 259, 260]]],
                "voxels": {"background": 300 * 270, "pore": 20},
                "changed": 0,
            }
        ],
    }
    assert boxes(labels)[1] == (slice(3, 4), slice(255, 259), slice(255, 260))


def test_the_same_painting_gives_the_same_digest(image, tmp_path):
    mask = voxel(2, 1, 2, 3)
    one, other = (paint(image, tmp_path / "labels" / name, mask) for name in ("a", "b"))
    assert one.digest == other.digest


def test_sessions_add_up_and_count_only_what_each_painted(image, series):
    first = paint(image, series, Mask.slice(plane(), "z", 0))
    again = np.zeros(SHAPE[1:], np.uint8)
    again[:2, :3] = 1  # labelled so by the first session
    again[5, 6:8] = 1
    again[299, 269] = 1
    again[290] = 0
    second = paint(image, series, Mask.slice(again, "z", 0), voxel(2, 2, 2, 2), by=BEN, base=first, classes=None)
    session = second.sessions[1]
    assert (second.sessions[0], session["who"]["name"]) == (first.sessions[0], "Ben Example")
    assert session["base"] == first.link()
    assert session["voxels"] == {"pore": 1}
    assert session["boxes"] == [[[2, 2, 2], [3, 3, 3]]]
    assert second.meta["voxels_per_class"] == {"background": 300 * 270, "pore": 1}


def test_an_earlier_version_stays_byte_identical_and_shares_what_is_not_touched(image, series):
    first = paint(image, series, Mask.slice(plane(), "z", 0))
    before = {path: sha256_file(path) for path in first.path.rglob("*") if path.is_file()}
    second = paint(image, series, voxel(2, 1, 5, 5), base=first)
    assert {path: sha256_file(path) for path in before} == before
    assert list(verify(first)) == list(verify(second)) == []
    inodes = {
        name: [(labels.array_path / f"0/c/0/{name}").stat().st_ino for labels in (first, second)]
        for name in ("0/0", "0/1", "1/0", "1/1")
    }
    assert {name for name, (old, new) in inodes.items() if old != new} == {"0/0"}


def test_only_labelled_shards_are_stored_and_walked(image, series):
    labels = paint(image, series, voxel(2, 1, 260, 3))
    ((box, block),) = labelled_blocks(labels)
    assert box == (slice(0, 4), slice(256, 300), slice(0, 256))
    assert (block[1, 4, 3], np.count_nonzero(block)) == (2, 1)


def test_a_label_set_is_a_valid_ome_label_image(image, series):
    group = zarr.open_group(paint(image, series, voxel(2, 1, 2, 3)).array_path, mode="r")
    attributes = ome_zarr_models.v05.ImageLabel.from_zarr(group).ome_attributes
    named = {p.label_value: p.model_dump()["class"] for p in attributes.image_label.properties}
    assert named == {1: "background", 2: "pore"}


# ---------------------------------------------------------------------------------- changing what is labelled


def test_labelled_voxels_change_only_when_told_to(image, series):
    first = paint(image, series, Mask.slice(plane(), "z", 0))
    over = voxel(2, 0, 250, 250, size=(2, 10, 10))  # over the corner of four shards
    with pytest.raises(
        InputError,
        match=r"100 voxels are labelled differently already, in pores@v1 or another mask, "
        r"first at z, y, x = \(0, 250, 250\) by array \(box at \(0, 250, 250\)\)",
    ):
        paint(image, series, over, base=first)
    assert versions(series) == [first]
    second = paint(image, series, over, base=first, replace=True)
    assert second.sessions[1]["changed"] == 100
    assert second.meta["voxels_per_class"] == {"background": 300 * 270 - 100, "pore": 200}


def test_masks_of_one_session_that_disagree_are_told(image, series):
    masks = [Mask.slice(plane(1), "z", 0), Mask.slice(plane(2, (4, 270)), "y", 7)]
    with pytest.raises(InputError, match="270 voxels are labelled differently already, in no earlier version"):
        paint(image, series, *masks)
    labels = paint(image, series, *masks, replace=True)
    assert (content(labels)[0, 7] == 2).all()  # the later mask is on top
    assert labels.sessions[0]["changed"] == 0  # nothing of an earlier version changed


# ----------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (Mask.slice(plane(1, (270, 300)), "z", 1), r"array \(slice z 1\): is 270 x 300 voxels, .* is 300 x 270"),
        (Mask.slice(plane(), "x", 1), r"array \(slice x 1\): is 300 x 270 voxels, .* is 4 x 300"),
        (Mask.slice(plane(), "z", 4), r"slice z 4\): outside the image, whose z goes from 0 to 3"),
        (Mask.slice(plane(), "z", -1), "outside the image"),
        (Mask.slice(plane(), "c", 0), "a slice is across z, y or x"),
        (Mask.slice(plane(0), "z", 1), r"slice z 1\): nothing is painted there"),
        (Mask.slice(plane().astype(float), "z", 1), r"slice z 1\): holds float64, not class numbers"),
        (Mask.slice(plane().astype(bool), "z", 1), "holds bool, not class numbers"),
        (Mask.slice(plane().astype(int) * -1, "z", 1), r"slice z 1\): holds -1; a mask has 0"),
        (Mask.slice(plane().astype(np.uint16) * 256, "z", 1), "holds 256"),
        (Mask.slice(plane(3), "z", 1), r"slice z 1\): holds 3, which has no class name; pass --class 3=NAME"),
        (voxel(2, 3, 0, 0, size=(2, 1, 1)), "2 x 1 x 1 voxels reach outside the image, which has 4 x 300 x 270"),
        (voxel(2, -1, 0, 0), "reach outside the image"),
        (Mask(plane()), "a box needs the offset"),
        (Mask.slice(Path("nowhere.tif"), "z", 1), "nowhere.tif: no such file"),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(image, series, mask, match):
    with pytest.raises(InputError, match=match):
        paint(image, series, voxel(2, 0, 0, 0), mask)
    assert versions(series) == []


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        ({1: "cytoplasm"}, "class 1 is 'background' and cannot be 'cytoplasm'"),
        ({0: "nothing"}, "classes are 2 to 255"),
        ({256: "pore"}, "classes are 2 to 255"),
        ({2: " "}, "each with a name"),
        ({2: "pore", 3: "pore"}, "class 'pore' has two numbers"),
    ],
)
def test_class_names_must_be_clear(image, series, classes, match):
    with pytest.raises(InputError, match=match):
        paint(image, series, voxel(2, 0, 0, 0), classes=classes)


def test_a_base_must_fit(tmp_path, image, series):
    first = paint(image, series, voxel(2, 0, 0, 0))
    with pytest.raises(InputError, match="class 2 is 'pore' and cannot be 'vesicle'"):
        paint(image, series, voxel(2, 1, 0, 0), base=first, classes={2: "vesicle"})
    with pytest.raises(InputError, match="nothing new is painted: all of it is in pores@v1"):
        paint(image, series, voxel(2, 0, 0, 0), base=first)
    other = save_image(tmp_path, np.ones(SHAPE, np.uint8), name="other")
    with pytest.raises(InputError, match="painted on cell@v1, not on other@v1"):
        paint(other, series, voxel(2, 1, 0, 0), base=first)


@pytest.mark.parametrize("painted", ["0/c/0/0/0", "0/c/0/1/1"])
def test_a_damaged_base_is_told_whether_it_is_painted_over_or_only_linked(image, series, painted):
    first = paint(image, series, Mask.slice(plane(), "z", 0))
    shard = first.array_path / painted
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"cannot read .* run `sidecrate audit`"):
        paint(image, series, voxel(2, 1, 5, 5), base=first)
    assert versions(series) == [first]


@pytest.mark.parametrize(
    ("option", "value"), [("when", "yesterday"), ("minutes", -1), ("minutes", float("nan")), ("minutes", 1e308)]
)
def test_time_must_make_sense(image, series, option, value):
    with pytest.raises(InputError, match=option):
        paint(image, series, voxel(2, 0, 0, 0), **{option: value})


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from sidecrate.artifacts import Person
from sidecrate.science.label import label
from sidecrate.science.masks import Mask
from sidecrate.store import (open_version)
image, base = (open_version(Path(path)) for path in sys.argv[1:3])
mask = Mask.slice(np.full((300, 270), 2, np.uint8), "z", 1)
die = lambda done, total, unit: done == 2 and os.kill(os.getpid(), signal.SIGKILL)
label(image, [mask], base.path.parent, by=Person("Ada Example"), tool="brush", base=base, progress=die)
"""


def test_a_killed_label_leaves_no_version_and_the_base_whole(image, series):
    first = paint(image, series, Mask.slice(plane(), "z", 0))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(image.path), str(first.path)])
    assert killed.returncode == -signal.SIGKILL
    assert versions(series) == [first]
    assert list(verify(first)) == []
    second = paint(image, series, Mask.slice(plane(2), "z", 1), base=first)
    assert (second.version, second.meta["voxels_per_class"]["pore"]) == (2, 300 * 270)


# -------------------------------------------------------------------------------------------------- merging

SMALL = (2, 3, 4)
PAINTED = hnp.arrays(np.uint8, SMALL, elements=st.integers(0, 3))


@given(mine=PAINTED.filter(np.any), theirs=PAINTED.filter(np.any))
@settings(max_examples=8, deadline=None)
def test_a_merge_loses_nothing_and_asks_where_two_disagree(mine, theirs):
    with tempfile.TemporaryDirectory() as folder:
        image = save_image(Path(folder), np.zeros(SMALL, np.uint8))
        classes = {2: "pore", 3: "vesicle"}
        series = Path(folder) / "labels/pores"
        ours = paint(image, series, Mask.box(mine, (0, 0, 0)), classes=classes)
        others = paint(image, series, Mask.box(theirs, (0, 0, 0)), by=BEN, classes=classes)
        clash = (mine != 0) & (theirs != 0) & (mine != theirs)
        assert sum(conflict.voxels for conflict in conflicts(ours, others)) == clash.sum()
        swapped = {"mine": "theirs", "theirs": "mine"}
        for prefer, top, bottom in (("mine", mine, theirs), ("theirs", theirs, mine)):
            one = merge(ours, others, series, by=ADA, prefer=prefer, when=NOON)
            other = merge(others, ours, series, by=ADA, prefer=swapped[prefer], when=NOON)
            assert np.array_equal(content(one), np.where(top != 0, top, bottom))
            assert one.digest == other.digest
        if clash.any():
            with pytest.raises(InputError, match=f"label {clash.sum()} voxels differently"):
                merge(ours, others, series, by=ADA)
        else:
            assert merge(ours, others, series, by=ADA, when=NOON).digest == one.digest


@pytest.fixture
def two(image, series):
    """One base, and two people who went on from it in different and in common shards."""
    base = paint(image, series, Mask.slice(plane(), "z", 0))
    mine = paint(image, series, voxel(2, 1, 0, 0), voxel(2, 2, 5, 266), base=base)
    theirs = paint(image, series, voxel(2, 3, 299, 0), voxel(2, 3, 5, 266), base=base, by=BEN, when="2024-06-01T00:00")
    return mine, theirs


def test_both_histories_are_kept_and_what_one_did_alone_is_shared(two, series):
    mine, theirs = two
    merged = merge(mine, theirs, series, by=BEN, note="for round 2", when="2024-06-02T00:00Z")
    *history, last = merged.sessions
    assert history == [*mine.sessions, theirs.sessions[1]]
    assert (last["tool"], last["note"], last["preferred"]) == ("sidecrate merge", "for round 2", None)
    assert {link["ref"] for link in last["merged"]} == {"pores@v2", "pores@v3"}
    assert merged.meta["voxels_per_class"]["pore"] == 4
    for owner, shard in ((mine, "0/0"), (theirs, "1/0"), (mine, "1/1")):
        name = f"labels.ome.zarr/0/c/0/{shard}"
        assert (merged.path / name).stat().st_ino == (owner.path / name).stat().st_ino
    assert list(verify(merged)) == []


def test_conflicts_are_listed_by_pair_of_classes_with_their_box(image, series):
    mine = paint(image, series, voxel(1, 0, 0, 0, size=(1, 300, 2)), voxel(2, 2, 2, 2))
    theirs = paint(image, series, voxel(2, 0, 254, 0, size=(1, 4, 1)), voxel(1, 2, 2, 2))
    assert conflicts(mine, theirs) == [
        Conflict("background", "pore", 4, ((0, 254, 0), (1, 258, 1))),
        Conflict("pore", "background", 1, ((2, 2, 2), (3, 3, 3))),
    ]
    with pytest.raises(InputError, match=r"4 as background or pore, z y x .* choose with --prefer mine"):
        merge(mine, theirs, series, by=ADA)
    merged = merge(mine, theirs, series, by=ADA, prefer="theirs")
    assert merged.sessions[-1]["changed"] == 5
    assert merged.sessions[-1]["preferred"] == theirs.link()


def test_what_cannot_be_merged_is_refused(tmp_path, image, series):
    mine = paint(image, series, voxel(2, 0, 0, 0))
    renumbered = paint(image, series, voxel(2, 0, 0, 0), classes={2: "vesicle"})
    with pytest.raises(InputError, match="class 2 is 'pore' and cannot be 'vesicle'"):
        merge(mine, renumbered, series, by=ADA)
    twice = paint(image, series, voxel(3, 0, 0, 0), classes={3: "pore"})
    with pytest.raises(InputError, match="class 'pore' has two numbers"):
        conflicts(mine, twice)
    elsewhere = save_image(tmp_path, np.ones(SHAPE, np.uint8), name="other")
    foreign = paint(elsewhere, series, voxel(2, 0, 0, 0))
    with pytest.raises(InputError, match="only labels of one image can be merged"):
        merge(mine, foreign, series, by=ADA)


# ------------------------------------------------------------------------------------------- out and in again


def test_exported_slices_come_back_as_masks_of_what_was_painted(tmp_path, series):
    grey = np.random.default_rng(3).integers(0, 256, SHAPE, dtype=np.uint8)
    image = save_image(tmp_path, grey)
    base = paint(image, series, Mask.slice(plane(), "z", 0))
    folder = tmp_path / "out"
    first, second = export_slices(image, folder, "y", [8, 7], labels=base)
    assert [first.name, second.name] == ["y00007-mask.tif", "y00008-mask.tif"]
    assert np.array_equal(tifffile.imread(folder / "y00007.tif"), grey[:, 7])
    painted = tifffile.imread(second)
    assert (painted[0] == 1).all()
    assert not painted[1:].any()
    painted[2, 4:6] = 2
    tifffile.imwrite(second, painted, compression="zlib")
    tifffile.imwrite(first, tifffile.imread(first), compression="zlib")  # saved again, nothing painted
    masks = import_slices(folder, image, base)
    assert [str(mask) for mask in masks] == ["y00008-mask.tif (slice y 8)"]
    labels = paint(image, series, *masks, base=base)
    assert labels.sessions[1]["voxels"] == {"pore": 2}
    assert labels.sessions[1]["boxes"] == [[[2, 8, 4], [3, 9, 6]]]


def test_an_export_says_what_its_numbers_mean(tmp_path, image):
    export_slices(image, tmp_path / "out", "z", [1], classes=PORE)
    export = read_sidecar(tmp_path / "out")
    assert (export.image, export.base, export.classes) == (image.link(), None, {1: "background", 2: "pore"})


def test_an_export_is_not_taken_for_another_image_or_version(tmp_path, image, series):
    base = paint(image, series, voxel(2, 0, 0, 0))
    later = paint(image, series, voxel(2, 1, 0, 0), base=base)
    (mask,) = export_slices(image, tmp_path / "out", "z", [1], labels=base)
    with pytest.raises(InputError, match="no mask was changed since the export"):
        import_slices(tmp_path / "out", image, base)
    with pytest.raises(InputError, match="its base is pores@v1, not pores@v2; import on pores@v1, merge later"):
        import_slices(tmp_path / "out", image, later)
    other = save_image(tmp_path, np.ones(SHAPE, np.uint8), name="other")
    with pytest.raises(InputError, match="its image is cell@v1, not other@v1"):
        import_slices(tmp_path / "out", other, base)
    tifffile.imwrite(mask, np.zeros((9, 9), np.uint8))
    with pytest.raises(InputError, match=r"z00001-mask.tif \(slice z 1\): is 9 x 9 voxels"):
        import_slices(tmp_path / "out", image, base)
    mask.unlink()
    with pytest.raises(InputError, match=r"z00001-mask\.tif: no such file"):
        import_slices(tmp_path / "out", image, base)


def test_an_export_that_would_lose_work_or_cannot_be_made_is_refused(tmp_path, image):
    with pytest.raises(InputError, match="slice x 270 is outside cell@v1"):
        export_slices(image, tmp_path / "out", "x", [3, 270])
    export_slices(image, tmp_path / "out", "z", [1])
    with pytest.raises(InputError, match="holds exported slices already"):
        export_slices(image, tmp_path / "out", "z", [2])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"image": 1, "base": null, "classes": {}, "slices": [{}]}'])
def test_a_broken_sidecar_is_told(tmp_path, text):
    with pytest.raises(InputError, match=r"no slices\.json"):
        read_sidecar(tmp_path)
    (tmp_path / "slices.json").write_text(text)
    with pytest.raises(InputError, match=r"slices\.json: broken"):
        read_sidecar(tmp_path)
