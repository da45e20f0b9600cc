# SPDX-License-Identifier: Apache-2.0
"""The crate is a pure function of description, records and versions; what nobody said is not made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecrate.about import About, Funding, Member, config_of
from sidecrate.artifacts import Files, Image
from sidecrate.project import Project, crate_bytes
from sidecrate.provenance import crate, entities
from sidecrate.store import draft

Entities = dict[str, dict[str, Any]]


def by_id(document: dict[str, Any]) -> Entities:
    found = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(found) == len(document["@graph"]), "an id is used twice"
    return found


@pytest.fixture(scope="session")
def graph(one_of_everything: Project) -> Entities:
    project = one_of_everything
    return by_id(crate.build(project.config, project.records(), project.artifacts()))


def bare(**about: Any) -> Entities:
    return by_id(crate.build(config_of(About(title="T", **about)), [], []))


def ids(value: Any) -> list[str]:
    return [item["@id"] for item in (value if isinstance(value, list) else [value])]


def test_the_same_facts_give_the_same_bytes(one_of_everything: Project) -> None:
    project = one_of_everything
    first, second = (crate.build(project.config, project.records(), project.artifacts()) for _ in range(2))
    assert crate_bytes(first) == crate_bytes(second) == (project.root / crate.METADATA).read_bytes()


def test_everything_is_reached_from_the_root_and_every_reference_leads_somewhere(graph: Entities) -> None:
    named = {reference for entity in graph.values() for value in entity.values() for reference in _references(value)}
    external = {
        reference for reference in named if reference.startswith(("https://w3id.org/ro/crate", "http://schema"))
    }
    assert named - external <= graph.keys()
    assert graph.keys() - named == {crate.METADATA}


def _references(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item["@id"] for item in items if isinstance(item, dict)]


def test_an_array_is_one_entity_whatever_its_chunks(tmp_path: Path) -> None:
    with draft(Image, tmp_path / "images" / "cell") as made:
        for chunk in range(50):
            made.write(f"{Image.array}/0/c/{chunk}/0/0", bytes([chunk]))
        image = made.finish({"shape": [50, 1, 1], "voxel_nm": [8.0, 4.0, 4.0]})
    found = by_id(crate.build(config_of(About(title="T")), [], [image]))
    assert ids(found["images/cell/v1/"]["hasPart"]) == [
        "images/cell/v1/image.ome.zarr/",
        "images/cell/v1/artifact.json",
        "images/cell/v1/manifest-sha256.txt",
    ]
    assert "50x1x1 voxels (z, y, x); voxel 8x4x4 nm" in found["images/cell/v1/"]["description"]


def test_names_that_an_iri_cannot_hold_are_encoded_and_others_stay(tmp_path: Path) -> None:
    with draft(Files, tmp_path / "files" / "odd") as made:
        made.write("größe 100%#1?.csv", b"")
        made.write("plain_(2).csv", b"1")
        files = made.finish({})
    found = by_id(crate.build(config_of(About(title="T")), [], [files]))
    assert found["files/odd/v1/plain_(2).csv"]["contentSize"] == "1"
    assert found["files/odd/v1/größe%20100%25%231%3F.csv"]["contentSize"] == "0"


def test_a_version_says_what_it_was_made_of_by_whom_and_how_to_check_it(
    graph: Entities, one_of_everything: Project
) -> None:
    (labels,) = [a for a in one_of_everything.artifacts() if a.place == "labels/pores/v2"]
    entity = graph["labels/pores/v2/"]
    assert entity["identifier"] == labels.digest
    assert ids(entity["isBasedOn"]) == ["images/cell/v1/", "labels/pores/v1/"]
    assert ids(entity["creator"]) == ["https://orcid.org/0000-0002-1825-0097", "https://orcid.org/0009-0000-0000-0009"]
    assert f"sha256:{graph['labels/pores/v2/manifest-sha256.txt']['sha256']}" == labels.digest


def test_what_is_not_in_the_crate_is_named_by_its_digest(one_of_everything: Project) -> None:
    project = one_of_everything
    kept = [artifact for artifact in project.artifacts() if artifact.kind != "Image"]
    (image,) = [artifact for artifact in project.artifacts() if artifact.kind == "Image"]
    found = by_id(crate.build(project.config, project.records(), kept))
    entity = found[f"#{image.digest.replace(':', '-')}"]
    assert (entity["name"], entity["identifier"]) == ("cell@v1", image.digest)
    assert "not contained" in entity["description"]
    assert not any(key.startswith("images/") for key in found)


def test_runs_are_told_by_what_came_of_them(graph: Entities) -> None:
    actions = [graph[reference] for reference in ids(graph["./"]["mentions"])]
    told = {action["name"]: (action["@type"], action.get("error")) for action in actions}
    assert told["train (completed)"] == ("CreateAction", None)
    assert told["train (failed)"] == ("ActivateAction", "loss is not finite at rate 9.0")
    assert told["predict (interrupted)"] == ("ActivateAction", "KeyboardInterrupt")


def test_parameters_keep_their_names_and_values(graph: Entities) -> None:
    action = next(entity for entity in graph.values() if entity.get("name") == "train (completed)")
    values = {graph[i]["name"]: graph[i].get("value") for i in ids(action["object"]) if i.startswith("#")}
    assert values == {"into": "models/pores", "seed": 3, "rate": 0.01, "note": "second round"}


def test_what_nobody_said_is_not_made_up() -> None:
    root = bare()["./"]
    assert root["license"] == {"@id": entities.NO_LICENSE}
    assert root["description"] == "T: no description was given yet."
    assert not {"author", "publisher", "funder", "funding", "keywords"} & root.keys()


def test_a_licence_is_its_spdx_page_and_an_expression_has_none() -> None:
    assert bare(license="CC-BY-4.0")["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    either = bare(license="MIT OR Apache-2.0")
    assert either[either["./"]["license"]["@id"]]["name"] == "MIT OR Apache-2.0"


def test_people_and_money_are_entities_with_their_identifiers_where_known() -> None:
    found = bare(
        people=(
            Member("A", orcid="0000-0002-1825-0097", affiliation="Brown", ror="05gq02987"),
            Member("B", role="annotator"),
        ),
        funding=(Funding("Brown", "05gq02987", "7"), Funding("Nobody yet")),
    )
    root = found["./"]
    assert root["author"] == {"@id": "https://orcid.org/0000-0002-1825-0097"}
    assert root["publisher"] == found["https://orcid.org/0000-0002-1825-0097"]["affiliation"]
    assert ids(root["funder"]) == ["https://ror.org/05gq02987", "#organization-nobody-yet"]
    assert found[root["funding"]["@id"]]["identifier"] == "7"
    assert "affiliation" not in found["#person-b"]


def test_software_without_a_known_source_is_named_not_located() -> None:
    graph = entities.Graph("1.1")
    known = entities.software(graph, {"name": "seg", "version": "2", "swhid": "swh:1:cnt:" + "0" * 40})
    unknown = entities.software(graph, {"name": "my script"})
    assert known == {"@id": f"https://archive.softwareheritage.org/swh:1:cnt:{'0' * 40}#seg"}
    assert unknown == {"@id": "#my-script-not-recorded"}
    assert entities.said(graph.entities[unknown["@id"]]).keys() == {"@id", "@type", "name", "softwareVersion"}
