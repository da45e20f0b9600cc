# SPDX-License-Identifier: Apache-2.0
"""A deposit is a valid OCFL object after every version and every crash, and gives back what was put in."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
from pathlib import Path

import bagit
import pytest
from ocfl import Object, StorageRoot

from publish.conftest import codes, killed
from sidecrate.artifacts import Person
from sidecrate.digests import files_below
from sidecrate.errors import InputError, RepositoryError
from sidecrate.publish.deposit import deposit, plan
from sidecrate.publish.package import open_package
from sidecrate.publish.repositories import base
from sidecrate.publish.repositories.ocfl import OcflRepository
from sidecrate.publish.repositories.ocfl_object import OcflTree, read_inventory, write_inventory

JOSIAH = Person("Josiah Carberry", "0000-0002-1825-0097")


@pytest.fixture
def archive(outside) -> Path:
    return outside / "archive"


@pytest.fixture
def package(made, outside):
    return made.pack(outside / "bag", "measurements/pores/v1")


def send(package, archive, **options):
    return deposit(package, f"ocfl:{archive}", by=JOSIAH, **options)


def next_package(made, outside, name="next"):
    made.keep(more__bin=os.urandom(5_000))
    return made.pack(outside / f"{name}.zip", form="zip")


def assert_valid(archive):
    """Let ocfl-py judge root and objects, digests included."""
    root = StorageRoot(root=str(archive))
    assert root.validate(validate_objects=True, log_warnings=True), (root.errors, root.log.messages)
    assert root.num_objects == root.good_objects


def stored(archive):
    return {name: (archive / name).read_bytes() for name in files_below(archive)}


# --------------------------------------------------------------------------------------------- the way in


def test_a_deposit_is_a_valid_object_and_its_receipt_says_where(made, package, archive):
    receipt = send(package, archive)
    assert_valid(archive)
    place = OcflRepository(str(archive)).object_path(made.project.id)
    passed, validator = Object().validate(str(place))
    assert passed
    assert [message for message in validator.log.messages if "[W004]" not in message] == []  # sha256 is our choice
    assert (receipt.repository, receipt.object_id, receipt.version) == ("ocfl", made.project.id, "v1")
    assert (receipt.digest, receipt.package) == (package.digest, package.identifier)
    assert receipt.contents["labels/pores/v2"] == made.get("labels/pores/v2").digest
    assert codes(archive, "error", "warning") == set()


def test_the_place_of_an_object_is_that_of_the_layout(archive):
    from ocfl.layout_registry import get_layout

    layout = get_layout("0003-hash-and-id-n-tuple-storage-layout")
    for name in ("urn:uuid:0b9d4e5c", "..hor/rib:le-$id", "a" * 120, "Pörén"):
        ours = OcflRepository(str(archive)).object_path(name).relative_to(archive).as_posix()
        assert ours == layout.identifier_to_path(name)


def test_a_receipt_is_json_without_any_path_of_the_machine(package, archive):
    receipt = send(package, archive).as_dict()
    assert receipt["schema"] == "urn:sidecrate:schema:receipt:1"
    assert str(archive) not in json.dumps(receipt)


def test_the_next_version_stores_only_what_is_new(made, package, outside, archive):
    send(package, archive)
    before = stored(archive)
    following = next_package(made, outside)
    planned = plan(following, f"ocfl:{archive}")
    receipt = send(following, archive)
    assert_valid(archive)
    assert (receipt.version, receipt.new_bytes) == ("v2", planned.new_bytes)
    content = [name for name in stored(archive).keys() - before.keys() if "/v2/content/" in name]
    assert sum((archive / name).stat().st_size for name in content) == receipt.new_bytes
    assert not [name for name in content if "weights.safetensors" in name]
    assert {name: data for name, data in before.items() if "/v1/" in name}.items() <= stored(archive).items()


def test_the_same_package_again_changes_nothing(package, archive):
    first, before = send(package, archive), stored(archive)
    again = send(package, archive)
    assert (again.version, again.new_bytes, again.deposited) == ("v1", 0, first.deposited)
    assert stored(archive) == before


def test_a_plan_lists_every_file_and_writes_nothing(package, archive):
    planned = plan(package, f"ocfl:{archive}")
    assert planned.is_new
    assert [upload.path for upload in planned.uploads] == sorted(package.tree.sizes)
    assert not any(upload.is_held for upload in planned.uploads)
    assert not archive.exists()


# -------------------------------------------------------------------------------------------- the way back


def test_every_version_comes_back_as_the_bag_it_was(made, package, outside, archive):
    send(package, archive)
    following = next_package(made, outside)
    send(following, archive)
    repository = OcflRepository(str(archive))
    assert [found.version for found in repository.versions(made.project.id)] == ["v1", "v2"]
    first = repository.fetch(made.project.id, outside / "first", version="v1")
    assert stored(first) == stored(package.path)
    assert bagit.Bag(str(first)).is_valid()
    newest = open_package(repository.fetch(made.project.id, outside / "newest"))
    assert newest.digests == following.digests


def test_what_is_not_there_is_named_with_what_is(package, outside, archive):
    send(package, archive)
    repository = OcflRepository(str(archive))
    with pytest.raises(RepositoryError, match=r"has no version v9; there is v1"):
        repository.fetch(package.object_id, outside / "x", version="v9")
    with pytest.raises(RepositoryError, match=f"there is {package.object_id}"):
        repository.versions("urn:uuid:unknown")


def test_rot_in_the_archive_is_found_when_reading_back_fetching_and_auditing(package, outside, archive):
    receipt = send(package, archive)
    content = next(path for path in archive.rglob("objects.csv"))
    content.write_bytes(b"rotten")
    repository = OcflRepository(str(archive))
    wheres = [finding.where for finding in repository.check(receipt, package)]
    assert wheres == ["data/measurements/pores/v1/objects.csv"]
    with pytest.raises(InputError, match=r"objects\.csv"):
        repository.fetch(package.object_id, outside / "back")
    assert {"ocfl.E092a", "bagit.oxum", "fixity.digest"} <= codes(archive)
    content.unlink()
    assert "deposit.missing" in {finding.code for finding in repository.check(receipt, package)}


def test_a_damaged_inventory_is_refused_and_found(package, archive):
    send(package, archive)
    inventory = next(archive.rglob("v1/inventory.json"))
    inventory.write_bytes(inventory.read_bytes().replace(b"v1", b"v7", 1))
    with pytest.raises(RepositoryError, match="damaged"):
        send(package, archive)
    assert {"ocfl.inventory"} <= codes(archive)


def replaced(archive, package, change):
    """Change the inventory of an object as somebody would who also makes its digest fit, and return its folder."""
    place = OcflRepository(str(archive)).object_path(package.object_id)
    inventory = json.loads((place / "v1/inventory.json").read_bytes())
    for folder in (place, place / "v1"):
        write_inventory(folder, change(inventory))
    return place


def test_content_of_an_object_lies_inside_it(package, archive, outside):
    send(package, archive)
    (outside / "other").write_bytes(b"somebody else's")

    def lead_out(inventory):
        path = str(outside / "other")
        inventory["manifest"] = {digest: [f"../../../../..{path}"] for digest in inventory["manifest"]}
        return inventory

    place = replaced(archive, package, lead_out)
    inventory = read_inventory(place)
    assert inventory is not None
    assert OcflTree(place, inventory, "v1").sizes == {}


@pytest.mark.parametrize("inventory", [[], {}, {"head": "v1", "versions": {"v1": None}}, "x"])
def test_an_inventory_that_is_none_is_refused(package, archive, inventory):
    send(package, archive)
    replaced(archive, package, lambda _: inventory)
    with pytest.raises(RepositoryError, match=r"inventory\.json"):
        send(package, archive)


def test_the_home_of_nobody_is_told():
    with pytest.raises(RepositoryError, match="home folder"):
        OcflRepository("~nobody-of-that-name/archive")


def test_the_judges_write_nothing_into_the_terminal(package, archive, capfd):
    send(package, archive)
    (package.path / "data/stray").write_bytes(b"")
    codes(archive)
    codes(package.path)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------ refusals


def test_a_folder_of_other_things_is_not_a_storage_root(package, outside):
    (outside / "other").mkdir()
    (outside / "other/file").write_bytes(b"")
    with pytest.raises(RepositoryError, match="not an OCFL"):
        send(package, outside / "other")


def test_a_second_process_is_refused_while_one_deposits(package, archive):
    send(package, archive)
    with (archive / "0=ocfl_1.1").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RepositoryError, match="another process"):
            send(package, archive)


def test_a_package_whose_bytes_changed_is_not_taken_in(package, archive):
    (package.path / "data/measurements/pores/v1/objects.csv").write_bytes(b"other")
    with pytest.raises(InputError, match=r"objects\.csv: its bytes"):
        send(open_package(package.path), archive)
    assert_valid(archive)
    assert OcflRepository(str(archive)).objects() == []


def test_a_full_disk_is_a_clear_error_and_leaves_the_root_valid(made, package, outside, archive):
    send(package, archive)
    made.keep(large__bin=bytes(60_000))
    large = made.pack(outside / "large")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(RepositoryError, match="archive: cannot be written"):
            send(large, archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_valid(archive)
    assert send(large, archive).version == "v2"


# ------------------------------------------------------------------------------------------------- crashes


def cut_half_way(done, total, _name):
    if done * 2 > total:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("earlier", [False, True])
def test_a_killed_deposit_leaves_a_valid_root_and_can_be_repeated(made, package, outside, archive, earlier):
    if earlier:
        send(package, archive)
        package = next_package(made, outside)
    killed(lambda: send(package, archive, progress=cut_half_way))
    assert_valid(archive)
    assert send(package, archive).version == ("v2" if earlier else "v1")
    assert_valid(archive)
    assert codes(archive, "error", "warning") == set()


def kill_at_rename(number):
    """End this process the moment it is about to make its n-th rename: every border between two states on disk."""
    real, left = os.rename, [number]

    def rename(path, target):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(path, target)

    return rename


@pytest.mark.parametrize("number", [0, 1, 2])
def test_killed_between_any_two_renames_the_versions_are_whole_and_the_next_deposit_settles_it(
    made, package, outside, archive, number
):
    send(package, archive)
    following = next_package(made, outside)

    def act():
        os.rename = os.replace = kill_at_rename(number)
        send(following, archive)

    killed(act)
    repository = OcflRepository(str(archive))
    for found in repository.versions(package.object_id):
        repository.fetch(package.object_id, outside / f"back-{found.version}", version=found.version)
    assert send(following, archive).version == "v2"
    assert_valid(archive)


# ------------------------------------------------------------------------------------------------ plug-ins


def test_repositories_are_listed_without_being_imported(monkeypatch):
    class Entry:
        name = "broken"

        def load(self):
            raise AssertionError("it must not be imported to be listed")

    monkeypatch.setattr(base, "entry_points", lambda group: [Entry()] if group == "sidecrate.repositories" else [])
    assert base.schemes() == ["broken"]


@pytest.mark.parametrize("to", ["nowhere", "ocfl:", "gopher:there"])
def test_an_unknown_repository_is_an_input_error_that_names_the_known(to):
    with pytest.raises(InputError, match="ocfl:…"):
        base.open_repository(to)
