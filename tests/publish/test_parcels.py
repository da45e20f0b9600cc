# SPDX-License-Identifier: Apache-2.0
"""What lies in a repository comes back as the bag it was, version after version, and no byte is in two parts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile

import bagit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publish.conftest import codes
from sidecrate.digests import files_below
from sidecrate.errors import InputError
from sidecrate.publish import restore
from sidecrate.publish.cite_whole import whole
from sidecrate.publish.parcels import Base, digests_of, is_ours, open_parcels, ship
from sidecrate.publish.parts import Entry, Layout, list_bytes, list_name

LARGE = 1 << 30


def put_down(package, made, folder, base=None, number=1, part_bytes=LARGE):
    """Do what a deposit does, into a folder: keep what the earlier version left, add and replace the rest."""
    shipment = ship(package, number=number, base=base, part_bytes=part_bytes)
    for path in folder.iterdir():
        if path.name not in shipment.kept:
            path.unlink()
    sent = {p.name: {"bytes": p.size, **digests_of(p)} for p in shipment.parts}
    told = made.known()
    cited = whole(told["project"], told["records"], told["artifacts"], digest=package.digest)
    parcels = [*shipment.parts, shipment.listed(sent), *open_parcels(package, shipment, cited)]
    for parcel in parcels:
        data = b"".join(parcel.blocks())
        assert len(data) == parcel.size
        assert not (folder / parcel.name).exists()
        (folder / parcel.name).write_bytes(data)
    return parcels


def pack(made, target, *places, **options):
    """Pack what bagit-python can judge: it refuses the % in the name of the little project's picture."""
    return made.pack(target, "evaluations/pores/v1", "measurements/pores/v1", *places, **options)


def kept_places(made):
    return [found.place for found in made.project.artifacts() if found.name == "kept"]


def base_of(folder, number):
    document, index = restore.index(folder)
    lists = tuple(list_name(n) for n in range(1, number + 1))
    return Base(number, {path: Entry(*entry) for path, entry in index.items()}, document["parts"], lists)


def restored(folder):
    """Run the script as a downloader would, and return the bag it makes."""
    run = subprocess.run([sys.executable, "-I", folder / "restore.py"], capture_output=True, text=True, cwd="/")
    assert run.returncode == 0, run.stderr
    (bag,) = [path for path in folder.iterdir() if path.is_dir()]
    assert bagit.Bag(str(bag)).is_valid()
    return bag


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files_below(folder)}


@pytest.fixture
def there(outside):
    (outside / "there").mkdir()
    return outside / "there"


@pytest.mark.parametrize("form", ["folder", "tar", "zip"])
def test_the_bag_comes_back_with_a_browser_and_python_alone(made, outside, there, form):
    package = pack(made, outside / f"bag.{form}", form=form)
    parcels = put_down(package, made, there)
    assert len(parcels) < 12
    bag = restored(there)
    assert bag.name == "a-made-up-cell-v1"
    assert {name: hashlib.sha256(data).hexdigest() for name, data in contents(bag).items()} == package.digests
    assert codes(bag) == set()


def test_a_first_version_is_the_bag_by_unpacking_alone(made, outside, there):
    package = pack(made, outside / "bag")
    put_down(package, made, there)
    with zipfile.ZipFile(there / "a-made-up-cell-v1-part1.zip") as archive:
        archive.extractall(outside / "plain")
    assert bagit.Bag(str(outside / "plain")).is_valid()
    assert "Without Python: unpack `a-made-up-cell-v1-part1.zip`" in (there / "README.md").read_text()


def test_people_find_the_crate_the_citation_and_the_way_back_open_beside_the_parts(made, outside, there):
    put_down(pack(made, outside / "bag"), made, there)
    assert json.loads((there / "ro-crate-metadata.json").read_text())["@graph"]
    assert "Carberry" in (there / "ro-crate-preview.html").read_text()
    assert "Josiah" in (there / "CITATION.cff").read_text()
    cited = json.loads((there / "datacite.json").read_text())
    assert [one["contributorType"] for one in cited["contributors"]] == ["DataCollector", "DataCollector"]
    readme = (there / "README.md").read_text()
    assert "python3 restore.py" in readme
    assert "Carberry, J." in readme


def test_the_next_version_sends_only_what_is_new_and_is_whole(made, outside, there):
    kept = made.keep(**{f"chunk{number}": os.urandom(2000) for number in range(400)})
    put_down(pack(made, outside / "first", *kept_places(made)), made, there)
    shutil.rmtree(restored(there))
    data = {name: (kept.path / name).read_bytes() for name in files_below(kept.path) if name.startswith("chunk")}
    made.keep(**(data | {f"chunk{number}": os.urandom(2000) for number in range(3)}))
    second = pack(made, outside / "second", *kept_places(made))
    parcels = put_down(second, made, there, base_of(there, 1), 2)
    part, listed = (
        next(p for p in parcels if p.name == name) for name in ("a-made-up-cell-v2-part1.zip", list_name(2))
    )
    assert sum("chunk" in path for path in part.contents) == 3
    assert listed.size < 20_000  # 400 files that have not changed are not listed again
    bag = restored(there)
    assert {name: hashlib.sha256(data).hexdigest() for name, data in contents(bag).items()} == second.digests
    shutil.rmtree(bag)
    third = pack(made, outside / "third", "files/kept/v2")
    put_down(third, made, there, base_of(there, 2), 3)
    assert {n: hashlib.sha256(d).hexdigest() for n, d in contents(restored(there)).items()} == third.digests


def test_a_version_after_earlier_parts_were_lost_is_whole_all_the_same(made, outside, there):
    put_down(pack(made, outside / "first", *kept_places(made)), made, there)
    (there / "a-made-up-cell-v1-part1.zip").unlink()
    made.keep(a=b"new")
    lost = base_of(there, 1)
    second = pack(made, outside / "second", *kept_places(made))
    put_down(second, made, there, Base(1, lost.index, {}, lost.lists), 2)
    assert {n: hashlib.sha256(d).hexdigest() for n, d in contents(restored(there)).items()} == second.digests


def test_parts_are_no_larger_than_the_repository_takes(made, outside, there):
    made.keep(**{f"f{number}": os.urandom(30_000) for number in range(20)})
    package = pack(made, outside / "bag", "files/kept/v1")
    parcels = put_down(package, made, there, part_bytes=100_000)
    parts = [parcel for parcel in parcels if parcel.contents]
    assert len(parts) > 3
    assert all(parcel.size <= 100_000 for parcel in parts)
    assert {n: hashlib.sha256(d).hexdigest() for n, d in contents(restored(there)).items()} == package.digests
    with pytest.raises(InputError, match="a file of this repository may have 5000"):
        ship(package, number=1, base=None, part_bytes=5000)


# ------------------------------------------------------------------------------------------- a bad download


def test_a_damaged_or_missing_file_is_named_and_no_bag_is_left(made, outside, there):
    put_down(pack(made, outside / "bag"), made, there)
    part = there / "a-made-up-cell-v1-part1.zip"
    whole_part = part.read_bytes()
    for bad in (whole_part.replace(b"pore,0.5", b"pore,0.9"), whole_part[:-100], None):
        part.unlink() if bad is None else part.write_bytes(bad)
        run = subprocess.run([sys.executable, there / "restore.py"], capture_output=True, text=True)
        assert run.returncode == 1
        assert run.stderr.startswith("not restored: ")
        assert "Traceback" not in run.stderr
        assert not (there / "a-made-up-cell-v1").exists()
        shutil.rmtree(there / ".a-made-up-cell-v1.partial", ignore_errors=True)


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "C:out", "a\\..\\out"])
@pytest.mark.parametrize("where", ["path", "file", "name"])
def test_a_hostile_list_writes_and_reads_nothing_outside(tmp_path, name, where):
    folder = tmp_path / "there"
    folder.mkdir()
    (tmp_path / "out").write_bytes(b"")
    path, file = (name, "x") if where == "path" else ("data/x", name if where == "file" else "x")
    entry = [hashlib.sha256(b"").hexdigest(), 0, file, ""]
    (folder / "x").write_bytes(b"")
    document = {"name": name if where == "name" else "bag", "files": {path: entry}}
    (folder / list_name(1)).write_text(json.dumps(document))
    shutil.copy(restore.__file__, folder / "restore.py")
    run = subprocess.run([sys.executable, folder / "restore.py"], capture_output=True, text=True)
    assert run.returncode == 1
    assert {found.name for found in tmp_path.iterdir()} == {"there", "out"}
    assert not (folder / "bag").exists()


# ------------------------------------------------------------------------------------------------ the list

PATHS = st.sampled_from([f"data/labels/p/v{v}/c/{n}" for v in (1, 2, 3) for n in range(4)] + ["bagit.txt", "data/x"])
INDEXES = st.dictionaries(PATHS, st.sampled_from([Entry(d * 64, 1, "one.zip", d) for d in "abc"]), max_size=14)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(INDEXES, INDEXES, INDEXES)
def test_a_list_written_as_a_difference_says_the_same(first, second, third):
    lists, base = {}, None
    for number, index in enumerate((first, second, third), 1):
        lists[list_name(number)] = list_bytes("bag", Layout(index, {}), {}, base)
        found = restore.resolve(list_name(number), lambda name: json.loads(lists[name]))[1]
        assert found == dict(sorted(index.items()))
        base = (list_name(number), index)


def test_only_files_that_deposits_are_made_of_are_ours(made, outside, there):
    parcels = put_down(pack(made, outside / "bag"), made, there)
    assert all(is_ours(parcel.name) for parcel in parcels)
    assert not any(map(is_ours, ["paper.pdf", "data.zip", "readme.md", "bag-parts-v0.json", "x-v1-part1.zip.txt"]))
