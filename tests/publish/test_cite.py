# SPDX-License-Identifier: Apache-2.0
"""A citation credits who did the work, says what is missing, and is valid in every format."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from datacite import schema45

from sidecrate.artifacts import KINDS as NOUNS
from sidecrate.publish.citation_formats import FORMATS, bibtex, cff, csl, datacite, text
from sidecrate.publish.cite import KINDS, citation

DOI = "10.5072/made.up"


def cite(made, place, **options):
    return citation(made.get(place), **made.known(), **options)


def receipt(made, *places, **facts):
    return {
        "contents": {place: made.get(place).digest for place in places},
        "doi": DOI,
        "publisher": "A Repository",
        **facts,
    }


def related(cited):
    return {(relation.type, relation.title.split(" (")[0]) for relation in cited.relations}


def test_every_kind_of_thing_can_be_cited_in_every_format(made):
    assert set(KINDS) == {*NOUNS, "Package"}
    for artifact in made.project.artifacts():
        cited = cite(made, artifact.place)
        schema45.validator.validate(json.loads(datacite(cited)))
        for make in FORMATS.values():
            assert artifact.digest in make(cited)


def test_annotators_of_the_labels_are_credited_down_the_lineage(made):
    def painters(place):
        return [name.name for name in cite(made, place).annotators]

    assert painters("images/cell/v1") == []
    assert painters("labels/pores/v1") == ["Josiah Carberry"]
    for place in ("labels/pores/v2", "models/pores/v1", "predictions/pores/v1", "measurements/pores/v1"):
        assert painters(place) == ["Josiah Carberry", "Second Annotator"], place


def test_datacite_names_contributors_with_role_orcid_and_ror(made):
    record = json.loads(datacite(cite(made, "labels/pores/v2")))
    second = record["contributors"][1]
    assert (second["name"], second["contributorType"]) == ("Second Annotator", "DataCollector")
    assert second["nameIdentifiers"][0]["nameIdentifier"] == "https://orcid.org/0009-0000-0000-0009"
    assert second["affiliation"][0]["affiliationIdentifier"] == "https://ror.org/05gq02987"
    assert record["fundingReferences"][0]["awardNumber"] == "PSYCHO-1929"
    assert [creator["name"] for creator in record["creators"]] == ["Carberry, Josiah"]


def test_relations_follow_the_records(made):
    assert related(cite(made, "labels/pores/v2")) == {
        ("IsPartOf", "A made-up cell"),
        ("IsNewVersionOf", "Label set pores"),
        ("IsDerivedFrom", "Image volume cell"),
        ("Requires", "Image volume cell"),
    }
    assert ("IsCompiledBy", "Trained model pores") in related(cite(made, "predictions/pores/v1"))


def test_a_doi_comes_from_the_newest_receipt_that_holds_this_very_version(made):
    older = receipt(made, "labels/pores/v1", "images/cell/v1", doi="10.5072/older")
    cited = cite(made, "labels/pores/v1", receipts=[older, receipt(made, "labels/pores/v1")])
    assert (cited.doi, cited.publisher) == (DOI, "A Repository")
    assert cite(made, "labels/pores/v2", receipts=[older]).doi is None
    record = json.loads(datacite(cited))
    assert record["doi"] == DOI
    identifiers = {(item["relationType"], item["relatedIdentifier"]) for item in record["relatedIdentifiers"]}
    assert ("IsDerivedFrom", "10.5072/older") in identifiers
    schema45.validator.validate(record)
    assert f"https://doi.org/{DOI}" in text(cited)
    assert f"doi = {{{DOI}}}" in bibtex(cited)
    assert f'doi: "{DOI}"' in cff(cited)


def test_what_nobody_said_is_left_out_and_listed(made):
    config = made.project.config
    config["project"].pop("license")
    config["people"] = [{"name": "Mononym"}]
    cited = cite(made, "labels/pores/v1")
    assert cited.license is None
    asked = " ".join(cited.missing)
    assert all(
        word in asked for word in ("licence", "DOI", "publisher", "ORCID iD of Mononym", "given name of Mononym")
    )
    record = json.loads(datacite(cited))
    assert "rightsList" not in record
    assert record["publisher"] == {"name": "(:tba)"}
    assert json.loads(csl(cited))[0]["author"] == [{"literal": "Mononym"}]
    assert "license" not in yaml.safe_load(cff(cited))
    for make in FORMATS.values():
        assert not re.search(r"\bNone\b|null", make(cited))


def test_without_people_the_agents_of_the_run_are_the_authors(made):
    made.project.config["people"] = []
    assert [name.name for name in cite(made, "labels/pores/v2").authors] == ["Second Annotator"]


def test_the_line_of_text_reads_like_apa(made):
    year = made.project.records()[-1]["ended"][:4]
    digest = made.get("labels/pores/v2").digest
    assert text(cite(made, "labels/pores/v2")) == (
        f"Carberry, J. ({year}). A made-up cell: label set pores (Version 2) [Data set]. {digest}. "
        "Labels painted by Carberry, J., Second Annotator."
    )


def test_cff_is_yaml_with_the_fields_of_cff_1_2(made):
    document = yaml.safe_load(cff(cite(made, "labels/pores/v2")))
    assert {"cff-version", "message", "title", "authors"} <= set(document)
    assert document["cff-version"] == "1.2.0"
    assert document["type"] == "dataset"
    assert document["authors"][0]["orcid"] == "https://orcid.org/0000-0002-1825-0097"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", document["date-released"])
    assert document["license"] == "CC-BY-4.0"


@pytest.mark.parametrize("title", ["50 % of {x} & y_z #1 $", 'a "quoted": title', "back\\slash ~ ^", "zwei\nZeilen"])
def test_odd_titles_survive_every_format(made, title):
    made.project.config["project"]["title"] = title
    cited = cite(made, "labels/pores/v1")
    assert yaml.safe_load(cff(cited))["title"].startswith(title)
    assert json.loads(csl(cited))[0]["title"].startswith(title)
    assert re.search(r"(?<!\\)[%&#$_]", bibtex(cited).split("title = ")[1].split("\n  year")[0]) is None
