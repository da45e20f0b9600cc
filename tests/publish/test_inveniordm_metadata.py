# SPDX-License-Identifier: Apache-2.0
"""What people said about a project reaches the repository, or it is said that it does not."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from sidecrate.publish.cite import Name, Relation
from sidecrate.publish.cite_whole import whole
from sidecrate.publish.repositories import inveniordm_metadata as mapping

KNOWN = {
    "resourcetypes": {"dataset", "image"},
    "licenses": {"cc-by-4.0", "cc0-1.0"},
    "contributorsroles": {"datacollector", "contactperson", "other"},
    "relationtypes": {"ispartof", "requires", "isderivedfrom"},
    "affiliations": {"05gq02987"},
    "funders": {"05gq02987"},
}


class Vocabulary:
    """What a server knows, as far as these tests ask."""

    def __init__(self, **changes):
        self.known = KNOWN | changes

    def knows(self, vocabulary, identifier):
        return identifier in self.known[vocabulary]

    def nearest(self, vocabulary, text):
        assert text
        return sorted(self.known[vocabulary])[:2]


@pytest.fixture
def cited(made):
    told = made.known()
    return whole(told["project"], told["records"], told["artifacts"])


def told(cited, **changes):
    return mapping.metadata(cited, Vocabulary(**changes), project="urn:uuid:p", publisher="A place")


def codes(found):
    return {(finding.severity, finding.code, finding.where) for finding in found}


def test_everything_that_was_said_is_sent_with_the_servers_own_ids(cited):
    body, found = told(cited)
    carberry = body["creators"][0]
    assert carberry["person_or_org"]["identifiers"] == [{"scheme": "orcid", "identifier": "0000-0002-1825-0097"}]
    assert carberry["affiliations"] == [{"id": "05gq02987"}]
    assert [one["role"] for one in body["contributors"]] == [{"id": "datacollector"}] * 2
    assert body["rights"] == [{"id": "cc-by-4.0"}]
    assert body["funding"][0]["funder"] == {"id": "05gq02987"}
    assert body["publisher"] == "A place"
    assert body["identifiers"] == [{"identifier": "urn:uuid:p", "scheme": "urn"}]
    assert {finding.severity for finding in found} <= {"advice"}


def test_what_the_server_does_not_know_is_sent_otherwise_and_told_with_what_it_offers(cited):
    nothing = {name: set() for name in KNOWN} | {"licenses": {"cc0-1.0"}, "resourcetypes": {"dataset"}}
    body, found = told(cited, **nothing)
    assert body["rights"] == [{"title": {"en": "CC-BY-4.0"}, "link": "https://spdx.org/licenses/CC-BY-4.0"}]
    assert body["creators"][0]["affiliations"] == [{"name": "Brown University"}]
    assert body["contributors"][0]["role"] == {"id": "other"}
    assert "related_identifiers" not in body
    assert body["funding"][0]["funder"] == {"name": "Brown University"}
    advice = next(finding.advice for finding in found if finding.where == "rights")
    assert "it offers cc0-1.0" in advice
    wheres = {where for _, code, where in codes(found) if code == "metadata.vocabulary"}
    assert {"rights", "affiliation of Josiah Carberry", "role of Josiah Carberry"} <= wheres


def test_relations_without_an_identifier_are_told_as_lost(cited):
    relations = (
        Relation("IsDerivedFrom", "an image", doi="10.5072/x"),
        Relation("Requires", "a volume", url="https://example.org/v.zarr"),
        Relation("IsDerivedFrom", "only a title"),
    )
    body, found = told(replace(cited, relations=relations))
    assert [(one["scheme"], one["identifier"]) for one in body["related_identifiers"]] == [
        ("doi", "10.5072/x"),
        ("url", "https://example.org/v.zarr"),
    ]
    assert ("warning", "metadata.lost", "relation IsDerivedFrom only a title") in codes(found)


def test_nothing_is_invented_for_people_without_name_parts_and_none_at_all_is_an_error(cited):
    body, _ = told(replace(cited, authors=(Name("Somebody Unsplit"),)))
    assert body["creators"][0]["person_or_org"] == {"type": "personal", "family_name": "Somebody Unsplit"}
    _, found = told(replace(cited, authors=(), missing=("licence: set `license` in sidecrate.toml",)))
    assert ("error", "metadata.creators", "creators") in codes(found)
    assert ("advice", "metadata.missing", "licence") in codes(found)


def test_markup_in_a_description_stays_text(cited):
    body, _ = told(replace(cited, description="a < b & <script>"))
    assert body["description"] == "<p>a &lt; b &amp; &lt;script&gt;</p>"


# ------------------------------------------------------------------------------------------ sent and kept


def as_read(body):
    """Return metadata as a server reads it out: with titles beside every id."""
    if isinstance(body, dict):
        extra = {"title": {"en": "Title"}} if "id" in body else {}
        return {key: as_read(value) for key, value in body.items()} | extra
    return [as_read(one) for one in body] if isinstance(body, list) else body


def test_titles_a_server_adds_are_no_difference(cited):
    body, _ = told(cited)
    assert list(mapping.differences(body, as_read(body))) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda kept: kept["contributors"].pop(), ("metadata.dropped", "metadata.contributors.1")),
        (lambda kept: kept["rights"][0].update(id="cc0-1.0"), ("metadata.dropped", "metadata.rights.0")),
        (lambda kept: kept.update(title="Another"), ("metadata.changed", "metadata.title")),
        (lambda kept: kept.pop("version"), ("metadata.changed", "metadata.version")),
        (lambda kept: kept["subjects"].append({"subject": "new"}), ("metadata.added", "metadata.subjects")),
        (
            lambda kept: kept["creators"][0]["person_or_org"].update(identifiers=[]),
            ("metadata.dropped", "metadata.creators.0"),
        ),
    ],
)
def test_each_thing_a_server_changed_is_one_finding(cited, change, found):
    body, _ = told(cited)
    kept = copy.deepcopy(as_read(body))
    change(kept)
    assert [(finding.code, finding.where) for finding in mapping.differences(body, kept)] == [found]


def test_a_deposit_is_held_against_its_own_datacite_json(cited):
    import json

    from sidecrate.publish import citation_formats

    cited = replace(cited, doi="10.5072/x")
    body, _ = told(cited)
    record = {"metadata": as_read(body), "pids": {"doi": {"identifier": "10.5072/x"}}}
    datacite = json.loads(citation_formats.datacite(cited))
    assert list(mapping.cited_differences(datacite, record)) == []
    record["metadata"]["contributors"].pop()
    record["metadata"]["rights"] = []
    record["pids"] = {}
    assert [finding.code for finding in mapping.cited_differences(datacite, record)] == [
        "metadata.dropped",
        "metadata.dropped",
        "deposit.doi",
    ]
