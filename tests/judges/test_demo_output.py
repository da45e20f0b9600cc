# SPDX-License-Identifier: Apache-2.0
"""The demo is run whole, once, and everything it made is put before the judges of the field."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import bagit
import ocfl
import pytest
import rocrate.rocrate
import zarr
from datacite import schema45
from ome_zarr_models.v05 import Image as OmeImage
from ome_zarr_models.v05 import ImageLabel as OmeLabel
from pyld import jsonld

import judges
from judges.test_judges import offline_loader
from sidecrate import Image, LabelSet, Prediction, Project

REPOSITORY = Path(__file__).parents[2]
PLANTED = {"SIDECRATE_TEST_TOKEN": "ghp-planted-7f3a91c55e", "MY_SECRET": "s3cr3t-planted-value"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the demo with tokens in the environment; the folder it wrote. One thread: the same bytes every time."""
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", "--no-control", "--out", out],
        cwd=REPOSITORY,
        env=os.environ | PLANTED | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="session")
def project(demo: Path) -> Project:
    return Project.find(demo / "project")


@pytest.fixture(scope="session")
def bag(demo: Path) -> Path:
    """The package, unzipped as a stranger would."""
    with zipfile.ZipFile(demo / "package.zip") as archive:
        archive.extractall(demo / "unzipped")
    (folder,) = (demo / "unzipped").iterdir()
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_rounds_end_well_and_the_labels_did_it(demo: Path) -> None:
    found = {row["round"]: row for row in rows(demo / "rounds.csv")}
    for wrong in ("FP", "FN"):
        assert int(found["2"][wrong]) < int(found["1"][wrong])
    assert float(found["3"]["F1"]) >= 0.9


def test_counts_and_densities_are_within_five_per_cent(demo: Path) -> None:
    off = [row for row in rows(demo / "measured.csv") if row[""] == "off by"]
    assert len(off) == 2
    for row in off:
        assert abs(float(row["pores"].rstrip(" %"))) <= 5
        assert abs(float(row["pores per µm²"].rstrip(" %"))) <= 5


def test_bagit_python_accepts_the_package(bag: Path) -> None:
    assert bagit.Bag(str(bag)).validate()


@pytest.mark.parametrize("profile", ["ro-crate-1.1", "process-run-crate-0.5"])
def test_roc_validator_has_nothing_to_say_of_project_and_package(
    project: Project, bag: Path, profile: judges.Profile
) -> None:
    assert judges.roc_validator(project.root, profile, "RECOMMENDED") == []
    assert judges.roc_validator(bag / "data", profile, "RECOMMENDED") == []


def test_runcrate_reports_every_run_that_made_something(project: Project) -> None:
    report = judges.runcrate_report(project.root)
    for record in project.records():
        if record["outputs"]:
            assert record["id"].removeprefix("urn:uuid:") in report


def test_rocrate_reads_the_bags_crate_alone(bag: Path) -> None:
    crate = rocrate.rocrate.ROCrate(bag / "data")
    assert crate.name == "Nuclear pores of a synthetic cell"
    local = [entity for entity in crate.data_entities if not entity.id.startswith(("http", "#"))]
    assert local
    assert all((bag / "data" / entity.id).exists() for entity in local)


def test_pyld_expands_it_without_network_and_loses_no_word(bag: Path) -> None:
    document = json.loads((bag / "data" / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    options = {"documentLoader": offline_loader, "base": "https://example.org/"}
    for before, after in zip(document["@graph"], jsonld.expand(document, options), strict=True):
        assert len(after) == len(before), before["@id"]


def test_ome_zarr_models_read_every_array(project: Project) -> None:
    for artifact in project.artifacts():
        if isinstance(artifact, Image | Prediction):
            OmeImage.from_zarr(zarr.open_group(artifact.array_path, mode="r"))
        elif isinstance(artifact, LabelSet):
            OmeLabel.from_zarr(zarr.open_group(artifact.array_path, mode="r"))


def cite(project: Project, thing: str, style: str) -> str:
    command = [sys.executable, "-m", "sidecrate", "-C", str(project.root), "cite", thing, "--format", style]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("thing", ["labels/pores@v2", "models/pores", "images/cell", "measurements/pores"])
def test_each_citation_is_accepted_and_names_who_labelled(project: Project, tmp_path: Path, thing: str) -> None:
    (tmp_path / "CITATION.cff").write_text(cite(project, thing, "cff"), encoding="utf-8")
    assert "valid" in judges.cffconvert_validate(tmp_path / "CITATION.cff").lower()
    record = json.loads(cite(project, thing, "datacite"))
    assert schema45.validate(record | {"doi": record.get("doi", "10.5072/demo")})
    if thing != "images/cell":
        people = {person["name"] for person in record["contributors"]}
        assert "A second librarian (demo)" in people


def test_ocflpy_accepts_the_storage_root(demo: Path) -> None:
    store = ocfl.StorageRoot(str(demo / "archive"))
    assert store.validate(validate_objects=True, check_digests=True)
    assert (store.num_objects, store.good_objects, store.errors) == (1, 1, [])


def test_the_manifests_hold_for_sha256sum(project: Project) -> None:
    for artifact in project.artifacts():
        subprocess.run(["sha256sum", "--check", "--quiet", "manifest-sha256.txt"], cwd=artifact.path, check=True)


def test_no_byte_of_the_package_knows_the_machine_or_a_token(demo: Path, bag: Path) -> None:
    forbidden = [str(demo).encode(), str(Path.home()).encode() + b"/", str(REPOSITORY).encode()]
    forbidden += [value.encode() for value in PLANTED.values()]
    for path in bag.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [secret for secret in forbidden if secret in data], path.relative_to(bag)
