# SPDX-License-Identifier: Apache-2.0
"""What a client may rely on in drafts and their metadata; each holds for the fake and for a real InvenioRDM."""

from __future__ import annotations

import pytest

from testing.inveniordm.site import bad_fields, metadata

PERSON = {"type": "personal", "family_name": "Carberry"}


def with_person(**changed):
    return {"creators": [{"person_or_org": {**PERSON, **changed}}]}


def test_a_draft_shows_what_was_sent_and_more(site):
    sent = metadata(
        description="<p>Pores.</p><script>no</script>",
        rights=[{"id": "cc-by-4.0"}],
        languages=[{"id": "eng"}],
        dates=[{"date": "2026-01/2026-02", "type": {"id": "collected"}}],
        subjects=[{"subject": "free keyword", "scheme": "made up"}],
        related_identifiers=[
            {"identifier": "https://doi.org/10.1234/Foo.Bar", "relation_type": {"id": "isderivedfrom"}},
            {"identifier": "https://example.org/code", "scheme": "url", "relation_type": {"id": "iscompiledby"}},
        ],
        contributors=[{"person_or_org": {"type": "organizational", "name": "CERN"}, "role": {"id": "datamanager"}}],
        funding=[
            {"funder": {"id": "00k4n6c32"}},
            {"funder": {"name": "F"}, "award": {"number": "7", "title": {"en": "G"}}},
        ],
        references=[{"reference": "Doe 2020"}],
    )
    sent["creators"][0]["affiliations"] = [{"id": "01ggx4157"}, {"name": "Elsewhere"}]
    draft = site.create({"metadata": sent})
    kept = draft["metadata"]
    assert "errors" not in draft
    assert draft["is_draft"] and not draft["is_published"] and draft["status"] == "draft" and draft["pids"] == {}
    assert kept["creators"][0]["person_or_org"]["name"] == "Carberry, Josiah"
    assert [one["name"] for one in kept["creators"][0]["affiliations"]][1] == "Elsewhere"
    assert kept["creators"][0]["affiliations"][0]["name"].startswith("European Organization")
    assert kept["resource_type"]["title"]["en"] == "Dataset"
    assert kept["rights"][0]["props"]["url"].startswith("https://creativecommons.org")
    assert [(one["identifier"], one["scheme"]) for one in kept["related_identifiers"]] == [
        ("10.1234/Foo.Bar", "doi"),
        ("https://example.org/code", "url"),
    ]
    assert kept["subjects"] == [{"subject": "free keyword"}]
    assert kept["funding"][0]["funder"]["name"] == "European Commission"
    assert kept["description"] == "<p>Pores.</p>no"
    site.drop(draft)


@pytest.mark.parametrize(
    ("changed", "field", "words", "is_kept"),
    [
        ({"title": "x"}, "metadata.title", "minimum length 3", False),
        ({"version": "v" * 192}, "metadata.version", "maximum length 191", False),
        ({"publication_date": "2026-11-22T10:00"}, "metadata.publication_date", "valid date", False),
        ({"publication_date": "2027/2026"}, "metadata.publication_date", "valid date", False),
        ({"unheard_of": 1}, "metadata.unheard_of", "Unknown field", False),
        ({"sizes": "3 files"}, "metadata.sizes", "valid list", False),
        ({"rights": [{"link": "x"}]}, "metadata.rights.0.link", "valid URL", False),
        ({"languages": [{}]}, "metadata.languages.0.id", "Missing data", False),
        ({"funding": [{}]}, "metadata.funding.0.funder", "Missing data", False),
        ({"dates": [{"date": "soon", "type": {"id": "collected"}}]}, "metadata.dates.0.date", "valid date", True),
        ({"dates": [{"date": "2026"}]}, "metadata.dates.0.type", "Missing data", True),
        ({"subjects": [{}]}, "metadata.subjects.0.subjects", "must be present", False),
        ({"contributors": [{"person_or_org": PERSON}]}, "metadata.contributors.0.role", "Missing data", True),
        (
            with_person(family_name="", name="A"),
            "metadata.creators.0.person_or_org.family_name",
            "cannot be blank",
            True,
        ),
        (with_person(type="robot"), "metadata.creators.0.person_or_org.type", "Choose one of", True),
        (
            {"creators": [{"person_or_org": {"type": "organizational"}}]},
            "metadata.creators.0.person_or_org.name",
            "cannot be blank",
            True,
        ),
        (
            with_person(identifiers=[{"scheme": "orcid", "identifier": "0000-0000-0000-0001"}]),
            "metadata.creators.0.person_or_org.identifiers.0.identifier",
            "Invalid ORCID",
            True,
        ),
        (
            with_person(identifiers=[{"identifier": "what"}]),
            "metadata.creators.0.person_or_org.identifiers.0.scheme",
            "No valid scheme",
            True,
        ),
        (
            {"related_identifiers": [{"identifier": "swh:1:dir:" + "0" * 40, "relation_type": {"id": "cites"}}]},
            "metadata.related_identifiers.0.scheme",
            "No valid scheme",
            True,
        ),
        (
            {"related_identifiers": [{"identifier": "z", "scheme": "none", "relation_type": {"id": "cites"}}]},
            "metadata.related_identifiers.0.scheme",
            "Invalid scheme",
            True,
        ),
        (
            {"related_identifiers": [{"identifier": "10.1234/x"}]},
            "metadata.related_identifiers.0.relation_type",
            "Missing data",
            True,
        ),
    ],
)
def test_bad_values_are_reported_with_201_and_mostly_dropped(site, changed, field, words, is_kept):
    draft = site.create({"metadata": metadata(**changed)})
    assert words in bad_fields(draft)[field], draft["errors"]
    (name,) = changed
    assert (name in draft["metadata"]) is is_kept, draft["metadata"]
    site.drop(draft)


@pytest.mark.parametrize(
    "identifier",
    ["0000-0001-7673-1000", "https://orcid.org/0000-0001-7673-1000"],
)
def test_an_orcid_is_shortened(site, identifier):
    draft = site.create({"metadata": metadata(**with_person(identifiers=[{"identifier": identifier}]))})
    (kept,) = draft["metadata"]["creators"][0]["person_or_org"]["identifiers"]
    assert kept == {"identifier": "0000-0001-7673-1000", "scheme": "orcid"}
    site.drop(draft)


def test_a_ror_of_an_organisation_is_shortened(site):
    org = {"type": "organizational", "name": "CERN", "identifiers": [{"identifier": "https://ror.org/01ggx4157"}]}
    draft = site.create({"metadata": metadata(creators=[{"person_or_org": org}])})
    (kept,) = draft["metadata"]["creators"][0]["person_or_org"]["identifiers"]
    assert kept == {"identifier": "01ggx4157", "scheme": "ror"}
    site.drop(draft)


@pytest.mark.parametrize(
    "changed",
    [
        {"resource_type": {"id": "Dataset"}},
        {"rights": [{"id": "CC-BY-4.0"}]},
        {"languages": [{"id": "en"}]},
        {"subjects": [{"id": "nope"}]},
        {"funding": [{"funder": {"id": "nope"}}]},
        {"contributors": [{"person_or_org": PERSON, "role": {"id": "nope"}}]},
        {"related_identifiers": [{"identifier": "10.1234/x", "relation_type": {"id": "IsDerivedFrom"}}]},
        {"creators": [{"person_or_org": PERSON, "affiliations": [{"id": "https://ror.org/01ggx4157"}]}]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_unknown_id_is_400_without_a_field_and_makes_no_draft(site, changed):
    answer = site.me.post(f"{site.api}/records", json={"metadata": metadata(**changed)})
    assert answer.status_code == 400 and answer.json()["message"].startswith("Invalid value"), answer.text
    assert "errors" not in answer.json()


def test_what_is_missing_is_told_at_once_and_stops_the_publication(site):
    draft = site.create({"metadata": {}})
    required = {"metadata.title", "metadata.creators", "metadata.resource_type", "metadata.publication_date"}
    assert bad_fields(draft).keys() == required | {"metadata.publisher"}
    refused = site.publish(draft)
    assert refused.status_code == 400 and refused.json()["message"] == "A validation error occurred."
    assert bad_fields(refused.json()).keys() == required
    site.drop(draft)


def test_a_publisher_is_needed_once_a_doi_is_minted(site):
    draft = site.create({"metadata": metadata(publisher=None), "files": {"enabled": False}})
    assert "DOI registration" in bad_fields(draft)["metadata.publisher"]
    refused = site.publish(draft)
    assert refused.status_code == 400 and "metadata.publisher" in bad_fields(refused.json())
    site.drop(draft)


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"{oops", {"Content-Type": "application/json"}, 400, "Unable to decode JSON"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "Invalid 'Content-Type' header"),
        (b"[1]", {"Content-Type": "application/json"}, 500, "internal error"),
    ],
)
def test_bodies_that_are_none(site, body, headers, status, words):
    answer = site.me.post(f"{site.api}/records", data=body, headers=headers)
    assert answer.status_code == status and words in answer.json()["message"]


def test_custom_fields_that_are_not_set_up_are_reported(site):
    draft = site.create({"metadata": metadata(), "custom_fields": {"no:such": 1}, "unknown": 2})
    assert bad_fields(draft) == {"custom_fields.no:such": "Unknown field."}
    assert draft["custom_fields"] == {} and "unknown" not in draft
    site.drop(draft)


def test_put_replaces_all_metadata_and_watches_the_revision(site):
    draft = site.create()
    address = draft["links"]["self"]
    new = site.me.put(address, json={"metadata": metadata(title="New title", version=None)})
    assert new.status_code == 200 and "version" not in new.json()["metadata"]
    assert new.json()["revision_id"] > draft["revision_id"]
    assert new.headers["ETag"] == f'"{new.json()["revision_id"]}"'
    stale = site.me.put(address, json={"metadata": metadata()}, headers={"If-Match": str(draft["revision_id"])})
    assert stale.status_code == 412 and "Revision id" in stale.json()["message"]
    quoted = site.me.put(address, json={"metadata": metadata()}, headers={"If-Match": new.headers["ETag"]})
    assert quoted.status_code == 400 and "if_match" in bad_fields(quoted.json())
    assert site.me.patch(address, json={}).status_code == 405
    site.drop(draft)


def test_access(site):
    half = site.me.post(f"{site.api}/records", json={"metadata": metadata(), "access": {"record": "public"}})
    assert half.status_code == 400 and bad_fields(half.json()) == {"access": "'files'"}
    past = {"record": "public", "files": "restricted", "embargo": {"active": True, "until": "2020-01-01"}}
    draft = site.create(access=past)
    assert "future" in bad_fields(draft)["access.embargo.until"]
    site.drop(draft)


def test_a_doi_is_reserved_kept_and_released(site):
    draft = site.create()
    address = draft["links"]["reserve_doi"]
    reserved = site.me.post(address)
    doi = reserved.json()["pids"]["doi"]
    assert reserved.status_code == 201 and doi["identifier"].endswith(f"/{draft['id']}")
    assert doi["provider"] == doi["client"] == "datacite"
    again = site.me.post(address)
    assert again.status_code == 400 and "pids.doi" in bad_fields(again.json())
    put = site.me.put(draft["links"]["self"], json={"metadata": metadata()})
    assert put.json()["pids"]["doi"] == doi, "a PUT without pids keeps it"
    assert site.me.delete(address).json()["pids"] == {}
    site.drop(draft)


def test_external_dois_and_the_instance_s_own_prefix(site):
    external = site.create(pids={"doi": {"identifier": "10.1234/mine", "provider": "external"}})
    assert external["pids"]["doi"]["identifier"] == "10.1234/mine" and "errors" not in external
    own = site.me.post(external["links"]["reserve_doi"])
    assert own.status_code == 400
    prefixed = site.create(pids={"doi": {"identifier": "10.5072/mine", "provider": "external"}})
    assert "managed by" in bad_fields(prefixed)["pids.doi"]
    site.drop(external)
    site.drop(prefixed)


def test_deleting_a_draft(site):
    draft = site.create()
    site.drop(draft)
    gone = site.me.get(draft["links"]["self"])
    assert gone.status_code == 404 and gone.json()["message"] == "The persistent identifier does not exist."
