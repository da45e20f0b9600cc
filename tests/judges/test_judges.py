# SPDX-License-Identifier: Apache-2.0
"""A project folder, judged by other people's validators and readers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyld import jsonld
from rocrate.rocrate import ROCrate

import judges
from judges import CONTEXTS, Profile, cffconvert_validate, roc_validator, runcrate_report
from sidecrate.about import About
from sidecrate.project import Project, crate_bytes, init
from sidecrate.provenance import crate, entities
from sidecrate.publish.pack import pack


def graph_of(folder: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((folder / crate.METADATA).read_text())
    return {entity["@id"]: entity for entity in document["@graph"]}


def offline_loader(address: str, _: object) -> dict[str, Any]:
    document = json.loads(CONTEXTS[address].read_text())
    return {"contextUrl": None, "documentUrl": address, "document": document}


@pytest.mark.parametrize("profile", ["ro-crate-1.1", "process-run-crate-0.5"])
def test_a_described_project_leaves_the_validator_nothing_to_say(one_of_everything: Project, profile: Profile) -> None:
    assert roc_validator(one_of_everything.root, profile, "RECOMMENDED") == []  # what is REQUIRED included


def test_a_title_alone_makes_a_valid_crate_with_its_gaps_visible(tmp_path: Path) -> None:
    project = init(tmp_path / "bare", About(title="Only a title"))
    assert roc_validator(project.root, "process-run-crate-0.5", "REQUIRED") == []
    root = graph_of(project.root)["./"]
    assert root["license"] == {"@id": entities.NO_LICENSE}
    assert not {"author", "publisher", "keywords", "funder"} & root.keys()


def test_the_validator_is_awake(tmp_path: Path) -> None:
    broken = init(tmp_path / "broken", About(title="A file is missing")).root
    (broken / "records" / "000001-init.json").unlink()
    found = roc_validator(broken, "ro-crate-1.1", "REQUIRED")
    assert any("records/000001-init.json" in issue["message"] + issue["entity"] for issue in found)


@pytest.mark.slow
def test_the_1_3_crate_is_valid_and_claims_no_profile_that_rests_on_1_1(
    one_of_everything: Project, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(one_of_everything.root, newer)
    project = Project(newer)
    document = crate.build(project.config, project.records(), project.artifacts(), version="1.3")
    (newer / crate.METADATA).write_bytes(crate_bytes(document))
    assert roc_validator(newer, "ro-crate-1.3", "REQUIRED") == []
    assert "conformsTo" not in graph_of(newer)["./"]


def test_runcrate_tells_every_run_that_made_something(one_of_everything: Project) -> None:
    told = runcrate_report(one_of_everything.root)
    for record in one_of_everything.records():
        action = record["id"].removeprefix("urn:uuid:")
        assert (f"action: #{action}" in told) == bool(record["outputs"])
    assert "instrument: https://archive.softwareheritage.org/swh:1:cnt:" in told
    assert "predictions/pores/v1/" in told


def test_rocrate_reads_every_entity_and_finds_every_file(one_of_everything: Project) -> None:
    read = ROCrate(one_of_everything.root)
    assert {entity.id for entity in read.get_entities()} >= graph_of(one_of_everything.root).keys()
    assert all(Path(entity.source).exists() for entity in read.data_entities)


@pytest.mark.parametrize("version", ["1.1", "1.3"])
def test_no_word_of_the_crate_is_lost_in_expansion(one_of_everything: Project, version: str) -> None:
    project = one_of_everything
    document = crate.build(project.config, project.records(), project.artifacts(), version=version)
    options = {"documentLoader": offline_loader, "base": "https://example.org/"}
    expanded = jsonld.expand(document, options)
    assert len(expanded) == len(document["@graph"])
    for before, after in zip(document["@graph"], expanded, strict=True):
        assert len(after) == len(before), f"{before['@id']}: a property has no meaning in the context"
        assert all(kind.startswith(("http://", "https://")) for kind in after["@type"])


def test_the_citation_validator_tells_good_from_bad(tmp_path: Path) -> None:
    citation = tmp_path / "CITATION.cff"
    text = 'cff-version: 1.2.0\nmessage: Cite it.\ntitle: "T"\nauthors:\n  - name: N\n'
    citation.write_text(text)
    assert "valid" in cffconvert_validate(citation)
    citation.write_text(text.replace("title:", "titel:"))
    with pytest.raises(AssertionError, match="titel"):
        cffconvert_validate(citation)


def test_a_package_is_judged_well_with_its_papers(one_of_everything: Project, tmp_path: Path) -> None:
    project = one_of_everything
    known = {"project": project.config, "records": project.records(), "artifacts": project.artifacts()}
    data = pack(project.root, tmp_path / "bag", **known).path / "data"
    assert "valid" in cffconvert_validate(data / "CITATION.cff").lower()
    for profile in ("ro-crate-1.1", "process-run-crate-0.5"):
        assert roc_validator(data, profile, "RECOMMENDED") == []


def test_without_the_judges_nothing_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "JUDGES", judges.REPOSITORY / ".no-such-venv" / "bin")
    with pytest.raises(AssertionError, match=r"make \.venv-judges"):
        runcrate_report(tmp_path)
