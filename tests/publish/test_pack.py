# SPDX-License-Identifier: Apache-2.0
"""A package is a bag that stands alone, the same for the same content, or it is not there at all."""

from __future__ import annotations

import json
import os
import resource
import signal
import tarfile
import time
import zipfile

import bagit
import numpy as np
import pytest
import zarr
from rocrate.rocrate import ROCrate

import little_project
from publish.conftest import Made, codes, killed
from sidecrate.digests import files_below
from sidecrate.errors import InputError
from sidecrate.provenance import schemas
from sidecrate.publish.archive import FORMS
from sidecrate.publish.pack import write
from sidecrate.publish.package import open_package, unpack
from sidecrate.publish.plan import plan
from sidecrate.science.references import refer


def snapshot(folder):
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sha512", [False, True])
def test_each_form_is_a_valid_bag_and_a_crate_that_stands_alone(made, outside, form, sha512):
    package = made.pack(outside / f"cell.{form}", "measurements/pores/v1", form=form, sha512=sha512)
    assert codes(package.path, "error", "warning") == set()
    folder = package.path if form == "folder" else unpack(package, outside / "unpacked")
    bag = bagit.Bag(str(folder))
    assert bag.validate()
    assert sorted(bag.algorithms) == (["sha256", "sha512"] if sha512 else ["sha256"])
    names = {entity.id for entity in ROCrate(str(folder / "data")).data_entities}
    assert "measurements/pores/v1/" in names


def test_packing_leaves_the_project_as_it_was(made, outside):
    before = snapshot(made.root)
    made.pack(outside / "bag")
    assert snapshot(made.root) == before
    inodes = {(made.root / name).stat().st_ino for name in before}
    assert not inodes & {(outside / "bag" / name).stat().st_ino for name in files_below(outside / "bag")}


def test_private_files_of_the_project_stay_at_home(made, outside):
    (made.root / "images/cell/.v1.location").write_text("/somewhere\n")
    names = open_package(made.pack(outside / "bag").path).tree.sizes
    assert not [name for name in names if "/." in name]


def test_bag_info_says_what_the_profile_demands(made, outside):
    package = made.pack(outside / "bag")
    profile = json.loads((outside / "bag/bagit-profile.json").read_bytes())
    required = {label for label, rule in profile["Bag-Info"].items() if rule["required"]}
    assert required <= {label for label, _ in package.bag.info}
    assert package.bag.value("BagIt-Profile-Identifier") == profile["BagIt-Profile-Info"]["BagIt-Profile-Identifier"]
    assert package.object_id == made.project.id
    assert package.identifier.startswith("urn:uuid:")


def test_the_same_content_gives_the_same_bytes_in_another_zone_and_umask(made, outside, monkeypatch):
    for form in FORMS:
        made.pack(outside / "a" / f"cell.{form}", form=form)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    old = os.umask(0o077)
    try:
        for form in FORMS:
            made.pack(outside / "b" / f"cell.{form}", form=form)
    finally:
        os.umask(old)
        monkeypatch.undo()
        time.tzset()
    assert snapshot(outside / "a") == snapshot(outside / "b")


def test_archives_hold_plain_names_modes_and_owners_in_order(made, outside):
    made.pack(outside / "cell.tar", form="tar")
    with tarfile.open(outside / "cell.tar") as archive:
        members = archive.getmembers()
    assert {(m.mode, m.uid, m.gid, m.uname, m.isreg()) for m in members} == {(0o644, 0, 0, "", True)}
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {m.name.split("/")[0] for m in members} == {"cell"}
    made.pack(outside / "cell.zip", form="zip")
    with zipfile.ZipFile(outside / "cell.zip") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_chosen_versions_bring_what_they_descend_from_and_the_whole_chain(made, outside):
    package = made.pack(outside / "bag", "labels/pores/v1")
    data = outside / "bag/data"
    assert sorted(p.relative_to(data).as_posix() for p in data.glob("*/*/v*")) == ["images/cell/v1", "labels/pores/v1"]
    assert len(list(data.glob("records/*.json"))) == len(made.project.records())
    assert codes(package.path) == set()


def test_a_plan_says_why_each_version_is_in_and_writes_nothing(made, outside):
    decided = plan(made.root, chosen=[made.get("labels/pores/v2")], **made.known())
    assert decided.reasons == {
        "labels/pores/v2": "chosen",
        "labels/pores/v1": "pores@v2 descends from it",
        "images/cell/v1": "pores@v2 descends from it",
    }
    assert decided.bytes == sum(item.size for item in decided.items)
    assert list(outside.iterdir()) == []


def test_a_crate_of_version_1_3_stands_alone_too(made, outside):
    chosen = [made.get("measurements/pores/v1")]
    package = write(plan(made.root, chosen=chosen, version="1.3", **made.known()), outside / "bag")
    assert codes(package.path, "error", "warning") == set()


def test_an_image_that_lies_elsewhere_is_described_and_not_copied(made, outside, tmp_path):
    zarr.save_array(tmp_path / "far.zarr", np.zeros((2, 4, 4), np.uint8))
    image = made.step(refer, tmp_path / "far.zarr", made.root / "images/far", voxel_nm=(8.0, 4.0, 4.0))
    decided = plan(made.root, chosen=[image], **made.known())
    assert "only their digests" in decided.reasons["images/far/v1"]
    package = write(decided, outside / "bag")
    names = sorted(name.rpartition("/")[2] for name in package.tree.sizes if "/images/far/v1/" in name)
    assert names == ["artifact.json", "manifest-sha256.txt", "parts-sha256.txt"]
    assert codes(package.path) == set()


def test_a_version_that_is_needed_and_gone_stops_the_packing(made, outside):
    known = made.known()
    known["artifacts"] = [artifact for artifact in known["artifacts"] if artifact.kind != "Image"]
    with pytest.raises(InputError, match="images/cell/v1, which is not here"):
        plan(made.root, chosen=known["artifacts"], **known)


@pytest.mark.parametrize("form", FORMS)
def test_a_silently_damaged_source_stops_the_packing(made, outside, form):
    weights = made.root / "models/pores/v1/weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(data)
    with pytest.raises(InputError, match=r"models/pores/v1/weights\.safetensors: its bytes are not those"):
        made.pack(outside / "bag", form=form)
    assert list(outside.iterdir()) == []


def test_a_source_that_is_gone_is_named_not_the_target(made, outside):
    decided = plan(made.root, **made.known())
    (made.root / "models/pores/v1/weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"models/pores/v1/weights\.safetensors: cannot be read"):
        write(decided, outside / "bag")
    with pytest.raises(InputError, match=r"models/pores/v1/weights\.safetensors: .* missing"):
        plan(made.root, **made.known())


def test_targets_that_exist_or_lie_inside_the_project_are_refused(made, outside):
    (outside / "bag").mkdir()
    with pytest.raises(InputError, match="there already"):
        made.pack(outside / "bag")
    with pytest.raises(InputError, match="inside the project"):
        made.pack(made.root / "bag")
    (outside / "loop").symlink_to(outside / "loop")
    with pytest.raises(InputError, match="there already"):
        made.pack(outside / "loop")
    with pytest.raises(InputError, match="cannot be written"):
        made.pack(outside / "loop" / "bag")


# ------------------------------------------------------------------------------------------------- leaks


def safetensors(note):
    header = json.dumps({"__metadata__": {"note": note}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(64)


@pytest.mark.parametrize("name", ["notes__md", "table__csv", "weights__safetensors"])
def test_a_token_of_the_environment_in_metadata_stops_the_packing(made, outside, monkeypatch, name):
    made.keep(**{name: safetensors("s3cr3t-value-42")})
    monkeypatch.setenv("ZENODO_TOKEN", "s3cr3t-value-42")
    with pytest.raises(InputError, match="value of a secret") as caught:
        made.pack(outside / "bag")
    assert "s3cr3t-value-42" not in str(caught.value)
    assert list(outside.iterdir()) == []


def test_a_token_in_binary_payload_stops_the_packing(made, outside, monkeypatch):
    made.keep(blob__bin=b"\x00\x01opaque-key-77\x02")
    monkeypatch.setenv("MY_API_KEY", "opaque-key-77")
    with pytest.raises(InputError, match=r"blob\.bin: holds a secret"):
        made.pack(outside / "bag")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["/home/somebody/cell.tif", "file:///x/y", "PROJECT/labels", "a line\n/home/x/y"])
def test_a_path_of_the_machine_in_a_model_header_stops_the_packing(made, outside, path):
    made.keep(weights__safetensors=safetensors(path.replace("PROJECT", str(made.root))))
    with pytest.raises(InputError, match="path of this machine"):
        made.pack(outside / "bag")


def test_the_user_name_is_a_leak_unless_the_project_says_it(made, outside, monkeypatch):
    made.keep(notes__md=b"made by jdoe1234")
    monkeypatch.setenv("LOGNAME", "jdoe1234")
    with pytest.raises(InputError, match="name of this user or host, jdoe1234"):
        made.pack(outside / "bag")
    made.project.config["project"]["keywords"] = ["jdoe1234"]
    made.pack(outside / "bag")


def test_no_path_user_or_token_is_in_any_byte_of_a_package(tmp_path, outside, monkeypatch):
    monkeypatch.setenv("LOGNAME", "jdoe1234")
    monkeypatch.setenv("DATAVERSE_TOKEN", "t0ken-of-mine")
    Made(little_project.build(tmp_path / "odd place" / "cell", outside)).pack(outside / "cell.tar", form="tar")
    data = (outside / "cell.tar").read_bytes()
    assert [word for word in (b"odd place", b"jdoe1234", b"t0ken-of-mine") if word in data] == []


# ------------------------------------------------------------------------------------------------ faults


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(made, outside):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    made.keep(large__bin=bytes(30_000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, hard))
    try:
        with pytest.raises(InputError, match=r"cell\.tar: cannot be written"):
            made.pack(outside / "cell.tar", form="tar")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(outside.iterdir()) == []


def cut_half_way(done, total, _name):
    if done * 2 > total:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("form", FORMS)
def test_a_killed_packing_shows_nothing_and_can_be_repeated(made, outside, form):
    target = outside / f"cell.{form}"
    killed(lambda: made.pack(target, form=form, progress=cut_half_way))
    assert not target.exists()
    assert codes(made.pack(target, form=form).path) == set()
    assert list(outside.iterdir()) == [target]


def test_progress_reaches_the_end(made, outside):
    seen = []
    made.pack(outside / "bag", progress=lambda done, total, _name: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0


def test_unpacking_checks_every_byte(made, outside):
    made.pack(outside / "cell.tar", form="tar")
    data = (outside / "cell.tar").read_bytes().replace(b"class,dice\npore,0.5", b"class,dice\npore,0.9")
    (outside / "cell.tar").write_bytes(data)
    with pytest.raises(InputError, match=r"scores\.csv: its bytes"):
        unpack(open_package(outside / "cell.tar"), outside / "bag")
    assert not (outside / "bag").exists()


def test_a_bag_that_lacks_a_file_is_no_package(made, outside):
    bag = made.pack(outside / "bag").path
    (bag / "data/evaluations/pores/v1/scores.csv").unlink()
    with pytest.raises(InputError, match=r"scores\.csv is missing"):
        open_package(bag)


def test_the_profile_is_shipped_where_the_schemas_are():
    assert (schemas.folder() / "bagit-profile.json").is_file()
