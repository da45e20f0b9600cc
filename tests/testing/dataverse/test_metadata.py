# SPDX-License-Identifier: Apache-2.0
"""Metadata is accepted, dropped, refused or crashed on as Dataverse does it (contract §2)."""

from __future__ import annotations

import json

import pytest

from sidecrate.testing import FakeDataverse
from testing.dataverse.client import Client, body, compound, fields, message, primitive, vocabulary


def kept(client, dataset):
    return {
        field["typeName"]: field["value"] for field in client.version(dataset)["metadataBlocks"]["citation"]["fields"]
    }


def test_a_created_dataset_is_a_draft_with_what_was_sent(client):
    answer = client.post("/dataverses/root/datasets", json=body())
    assert answer.status_code == 201 and answer.json()["status"] == "OK"
    made = answer.json()["data"]
    assert answer.headers["Location"].endswith(f"/datasets/{made['id']}")
    version = client.get("/datasets/:persistentId", params={"persistentId": made["persistentId"]}).json()["data"][
        "latestVersion"
    ]
    assert version["versionState"] == "DRAFT" and "versionNumber" not in version
    assert version["license"]["name"] == "CC0 1.0" and version["fileAccessRequest"] is True
    assert kept(client, made["id"])["title"] == "Nuclear pores of one cell"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (primitive("title", ["A", "B"]), "multiple"),
        ({**primitive("title", "A"), "typeClass": "compound"}, "typeClass"),
        ({**primitive("kindOfData", ["a"]), "value": "a"}, "array"),
        ({**primitive("title", "A"), "value": ["A"]}, "single"),
        (compound("author", {"datasetContactName": "A"}), "not a valid child"),
        (vocabulary("subject", ["Cell imaging"]), "'Cell imaging' does not exist"),
    ],
)
def test_what_contradicts_the_block_is_400(client, field, words):
    answer = client.try_fields(field)
    assert answer.status_code == 400 and words in message(answer), answer.text


def test_a_wrong_word_in_a_compound_is_400_and_the_message_does_not_say_which(client):
    scheme = {"authorIdentifierScheme": vocabulary("authorIdentifierScheme", "Passport")}
    author = {**compound("author"), "value": [{"authorName": primitive("authorName", "A"), **scheme}]}
    answer = client.try_fields(author)
    assert answer.status_code == 400 and "Passport" not in message(answer)


@pytest.mark.parametrize("missing", ["multiple", "typeClass", "value"])
def test_a_missing_key_is_a_crash_with_an_incident(client, missing):
    field = primitive("subtitle", "A")
    del field[missing]
    answer = client.try_fields(field)
    assert answer.status_code == 500 and answer.json()["incidentId"]


@pytest.mark.parametrize(
    "field",
    [
        {**compound("author"), "value": [{"authorName": "not an object"}]},
        primitive("relatedMaterial", [1]),
    ],
)
def test_values_of_the_wrong_kind_are_crashes(client, field):
    assert client.try_fields(field).status_code == 500
    assert (
        client.post(
            "/dataverses/root/datasets", json={"datasetVersion": {"metadataBlocks": {"citation": {}}}}
        ).status_code
        == 500
    )


def test_unknown_fields_are_dropped_without_a_word_and_the_name_of_the_block_does_not_count(client):
    block = {"anything": {"fields": [*fields(), primitive("noSuchField", "x")]}}
    answer = client.post("/dataverses/root/datasets", json={"datasetVersion": {"metadataBlocks": block}})
    assert answer.status_code == 201
    assert "noSuchField" not in kept(client, answer.json()["data"]["id"])


def test_a_child_at_top_level_becomes_a_stray_field(client):
    answer = client.try_fields(primitive("authorName", "Stray"))
    assert answer.status_code == 201
    assert kept(client, answer.json()["data"]["id"])["authorName"] == "Stray"


def test_all_that_is_required_is_named_at_once_with_403(client):
    answer = client.post("/dataverses/root/datasets", json=body([]))
    assert answer.status_code == 403
    said = message(answer)
    assert said.startswith("Validation Failed:")
    for name in ("Title", "Author Name", "Dataset Contact Email", "Ds Description Value", "Subject"):
        assert f"{name} is required" in said, said


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (primitive("productionDate", "yesterday"), "not a valid date"),
        (compound("datasetContact", {"datasetContactEmail": "nobody"}), "not a valid email"),
        (primitive("alternativeURL", "http://localhost/x"), "not a valid URL"),
        (compound("producer", {"producerAffiliation": "Here"}), "Producer Name is required"),
        (compound("author", {"authorAffiliation": "Here"}), "Author Name is required"),
    ],
)
def test_invalid_values_are_403(client, field, words):
    answer = client.try_fields(field)
    assert answer.status_code == 403 and words in message(answer), answer.text


def test_a_collection_may_require_more(server, client):
    server.add_collection("strict", required=("kindOfData",))
    answer = client.post("/dataverses/strict/datasets", json=body())
    assert answer.status_code == 403 and "Kind Of Data is required" in message(answer)
    query = {"returnDatasetFieldTypes": "true", "onlyDisplayedOnCreate": "true"}
    shown = client.get("/dataverses/strict/metadatablocks", params=query).json()["data"][0]["fields"]
    assert shown["kindOfData"]["isRequired"] is True and "alternativeURL" not in shown
    checked = client.post("/dataverses/strict/validateDatasetJson", json=body())
    assert checked.status_code == 200 and "Kind Of Data is required" in checked.json()["data"]["message"]


def test_licences(client):
    offered = client.get("/licenses").json()["data"]
    assert {"id", "name", "uri", "active", "isDefault", "sortOrder"} <= offered[0].keys()
    assert client.post("/dataverses/root/datasets", json=body(license="WTFPL")).status_code == 400
    by_uri = client.create(license={"name": "wrong", "uri": offered[1]["uri"]})
    assert client.version(by_uri)["license"]["name"] == offered[1]["name"]
    both = client.version(client.create(license="CC0 1.0", termsOfUse="mine"))
    assert "termsOfUse" not in both, "the licence wins and own terms are dropped"


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({}, 403, "Title is required"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, ""),
        ({"Content-Type": "application/json"}, 201, ""),
        ({"Content-Type": "application/json;charset=utf-8"}, 201, ""),
    ],
)
def test_creation_needs_the_content_type(client, headers, status, words):
    answer = client.post("/dataverses/root/datasets", data=json.dumps(body()).encode(), headers=headers)
    assert answer.status_code == status and words in answer.text


def test_other_refusals_of_creation(client):
    root = "/dataverses/root/datasets"
    assert client.post(root, data=b"{oops", headers={"Content-Type": "application/json"}).status_code == 400
    assert client.post(root, json=body(files=[{"label": "x"}])).status_code == 400
    assert client.post(root, json={**body(), "metadataLanguage": "xx"}).status_code == 400
    assert client.post("/dataverses/nowhere/datasets", json=body()).status_code == 404


def test_json_ld(client):
    graph = {
        "http://purl.org/dc/terms/title": "In JSON-LD",
        "http://purl.org/dc/terms/subject": "Medicine, Health and Life Sciences",
        "http://purl.org/dc/terms/creator": {"https://dataverse.org/schema/citation/authorName": "A"},
        "https://dataverse.org/schema/citation/datasetContact": {
            "https://dataverse.org/schema/citation/datasetContactEmail": "a@example.org"
        },
        "https://dataverse.org/schema/citation/dsDescription": {
            "https://dataverse.org/schema/citation/dsDescriptionValue": "D"
        },
        "http://schema.org/license": "http://creativecommons.org/publicdomain/zero/1.0",
    }
    headers = {"Content-Type": "application/ld+json"}
    made = client.post("/dataverses/root/datasets", data=json.dumps(graph), headers=headers)
    assert made.status_code == 201, made.text
    assert kept(client, made.json()["data"]["id"])["title"] == "In JSON-LD"
    graph["http://example.org/unheard-of"] = "x"
    assert client.post("/dataverses/root/datasets", data=json.dumps(graph), headers=headers).status_code == 400


# -------------------------------------------------------------------------------------------------------- edits


def test_edit_metadata_appends_leaves_or_replaces(client):
    dataset = client.create([*fields(), primitive("relatedMaterial", ["one"])])
    edit = {"fields": [{"typeName": "relatedMaterial", "value": ["two"]}, {"typeName": "title", "value": "New"}]}
    assert client.put(f"/datasets/{dataset}/editMetadata", json=edit).status_code == 200
    assert kept(client, dataset)["relatedMaterial"] == ["one", "two"]
    assert kept(client, dataset)["title"] == "Nuclear pores of one cell", "left as it was, with 200"
    assert client.put(f"/datasets/{dataset}/editMetadata?replace=true", json=edit).status_code == 200
    assert kept(client, dataset)["relatedMaterial"] == ["two"] and kept(client, dataset)["title"] == "New"


def test_an_edit_of_something_older_is_refused(client):
    dataset = client.create()
    edit = {"typeName": "title", "value": "New"}
    path = f"/datasets/{dataset}/editMetadata?replace=true&sourceLastUpdateTime="
    stale = client.put(path + "2020-01-01T00:00:00Z", json=edit)
    assert stale.status_code == 400
    assert client.put(path + client.version(dataset)["lastUpdateTime"], json=edit).status_code == 200


def test_put_draft_takes_away_what_the_body_lacks(client):
    dataset = client.create([*fields(), primitive("relatedMaterial", ["one"])])
    whole = {"metadataBlocks": {"citation": {"fields": fields()}}}
    assert client.put(f"/datasets/{dataset}/versions/:draft", json=whole).status_code == 200
    version = client.version(dataset)
    assert "license" not in version and version["fileAccessRequest"] is False
    assert "relatedMaterial" not in kept(client, dataset)
    assert client.put(f"/datasets/{dataset}/license", json={"name": "CC BY 4.0"}).status_code == 200
    assert client.version(dataset)["license"]["name"] == "CC BY 4.0"


@pytest.mark.parametrize(
    ("version", "is_multiple", "has_ror", "has_relation"),
    [("5.13", False, False, False), ("6.1", True, False, False), ("6.12", True, True, True)],
)
def test_the_block_is_that_of_the_release(version, is_multiple, has_ror, has_relation):
    with FakeDataverse(version=version) as server:
        block = Client(server).get("/metadatablocks/citation").json()["data"]["fields"]
    assert block["alternativeTitle"]["multiple"] is is_multiple
    schemes = block["author"]["childFields"]["authorIdentifierScheme"]["controlledVocabularyValues"]
    assert ("ROR" in schemes) is has_ror and "ORCID" in schemes
    assert ("publicationRelationType" in block["publication"]["childFields"]) is has_relation
    assert len(block["subject"]["controlledVocabularyValues"]) == 14
    assert block["author"]["typeClass"] == "compound" and block["title"]["isRequired"] is True
