# SPDX-License-Identifier: Apache-2.0
"""What a client may rely on in records, versions, edits, rights, searches; for the fake and a real InvenioRDM."""

from __future__ import annotations

import pytest
import requests

from testing.digests import md5
from testing.inveniordm.site import bad_fields, metadata


def test_publishing_mints_dois_and_happens_once(site):
    draft = site.create()
    site.upload(draft, "a.txt", b"abc")
    record = site.published(draft)
    assert record["status"] == "published" and record["is_published"] and not record["is_draft"]
    assert (
        record["pids"]["doi"]["identifier"].endswith(f"/{draft['id']}") and record["pids"]["oai"]["provider"] == "oai"
    )
    assert record["parent"]["pids"]["doi"]["identifier"].endswith(f"/{record['parent']['id']}")
    assert record["versions"] == {"is_latest": True, "is_latest_draft": True, "index": 1}
    assert record["files"]["count"] == 1 and record["files"]["total_bytes"] == 3
    assert site.publish(draft).status_code == 404
    assert site.me.get(draft["links"]["self"]).status_code == 404, "the draft is gone"
    assert site.me.delete(f"{site.api}/records/{record['id']}").status_code == 403


def test_downloads_are_whole_and_carry_the_digest(site):
    record = site.deposit(**{"a.txt": b"abc"})
    (entry,) = site.nobody.get(f"{site.api}/records/{record['id']}/files").json()["entries"]
    assert "commit" not in entry["links"]
    answer = site.nobody.get(entry["links"]["content"], headers={"Range": "bytes=1-1"})
    assert answer.status_code == 200 and answer.content == b"abc", "a Range is ignored"
    assert answer.headers["ETag"] == f'"md5:{md5(b"abc")}"' and answer.headers["Content-MD5"] == md5(b"abc")
    archive = site.nobody.get(f"{site.api}/records/{record['id']}/files-archive")
    assert archive.status_code == 200 and archive.content.startswith(b"PK")


def test_a_new_version_takes_files_over_without_bytes(site):
    first = site.deposit(a=b"abc", b=b"defg")
    answer = site.me.post(f"{site.api}/records/{first['id']}/versions")
    draft = answer.json()
    assert answer.status_code == 201 and draft["id"] != first["id"]
    assert draft["status"] == "new_version_draft" and draft["versions"]["index"] == 2
    assert draft["pids"] == {} and draft["files"]["count"] == 0 and "version" not in draft["metadata"]
    assert draft["metadata"]["publication_date"] != "2026-11-22", "that of today"
    assert site.me.post(f"{site.api}/records/{first['id']}/versions").json()["id"] == draft["id"], "the same draft"
    imports = f"{site.api}/records/{draft['id']}/draft/actions/files-import"
    taken = site.me.post(imports)
    assert taken.status_code == 201 and {one["key"] for one in taken.json()["entries"]} == {"a", "b"}
    assert all(one["status"] == "completed" for one in taken.json()["entries"])
    assert "remove all files" in bad_fields(site.me.post(imports).json())["files.enabled"]
    assert site.me.delete(f"{draft['links']['files']}/a").status_code == 204
    site.upload(draft, "a", b"changed")
    second = site.published(draft)
    assert second["parent"]["id"] == first["parent"]["id"] and second["versions"]["index"] == 2
    assert {key: one["size"] for key, one in second["files"]["entries"].items()} == {"a": 7, "b": 4}
    old = site.nobody.get(f"{site.api}/records/{first['id']}").json()
    assert old["versions"]["is_latest"] is False and old["files"]["entries"]["a"]["size"] == 3

    latest = site.nobody.get(f"{site.api}/records/{first['id']}/versions/latest", allow_redirects=False)
    assert latest.status_code == 301 and latest.headers["Location"].endswith(second["id"])
    parent = site.nobody.get(f"{site.api}/records/{first['parent']['id']}")
    assert parent.json()["id"] == second["id"] and parent.history[0].status_code == 302

    def both():
        hits = site.nobody.get(f"{site.api}/records/{first['id']}/versions").json()["hits"]
        return {one["id"] for one in hits["hits"]} == {first["id"], second["id"]}

    assert site.eventually(both)


def test_a_first_version_has_nothing_to_import(site):
    draft = site.create()
    assert site.me.post(f"{site.api}/records/{draft['id']}/draft/actions/files-import").status_code == 404
    assert site.me.post(f"{site.api}/records/{draft['id']}/versions").status_code == 404
    site.drop(draft)


def test_an_edit_keeps_id_and_doi_and_its_files_are_locked(site):
    record = site.deposit(a=b"abc")
    address = f"{site.api}/records/{record['id']}/draft"
    opened = site.me.post(address)
    draft = opened.json()
    assert opened.status_code == 201 and draft["is_draft"] and draft["is_published"] and draft["id"] == record["id"]
    files = draft["links"]["files"]
    for refused in (site.me.delete(f"{files}/a"), site.put(f"{files}/a/content", b"x")):
        assert refused.status_code == 403 and refused.json()["message"] == "Bucket is locked for modifications."
    assert site.me.put(address, json={"metadata": metadata(title="Edited title")}).status_code == 200
    again = site.published(draft)
    assert again["metadata"]["title"] == "Edited title" and again["pids"] == record["pids"]
    assert again["revision_id"] > record["revision_id"] and again["versions"]["index"] == 1


def test_a_file_started_in_an_edit_blocks_it_until_it_is_dropped(site):
    record = site.deposit(a=b"abc")
    draft = site.me.post(f"{site.api}/records/{record['id']}/draft").json()
    assert site.start(draft, {"key": "new"}).status_code == 201, "accepted, and yet"
    assert "files" in bad_fields(site.publish(draft).json())
    site.drop(draft)
    assert site.nobody.get(f"{site.api}/records/{record['id']}").status_code == 200


# ------------------------------------------------------------------------------------------------------ rights


def test_no_token_a_wrong_one_and_another_s_are_all_403(site):
    draft = site.create()
    denied = {"status": 403, "message": "Permission denied."}
    wrong = requests.Session()
    wrong.headers.update({"Authorization": "Bearer wrong", "User-Agent": site.agent})
    for session in (site.nobody, wrong):
        answer = session.post(f"{site.api}/records", json={})
        assert answer.status_code == 403 and answer.json() == denied
    address = draft["links"]["self"]
    for answer in (
        site.nobody.get(address),
        site.stranger.get(address),
        site.stranger.put(address, json={}),
        site.stranger.delete(address),
        site.stranger.post(draft["links"]["publish"]),
        site.stranger.post(draft["links"]["files"], json=[{"key": "a"}]),
    ):
        assert answer.status_code == 403, answer.text
    assert site.nobody.get(f"{site.api}/user/records").status_code == 403
    site.drop(draft)


def test_what_is_not_there_is_404(site):
    draft = site.create()
    unknown = site.me.get(f"{site.api}/records/xxxxx-yyyyy")
    assert unknown.status_code == 404 and unknown.json()["message"].endswith("does not exist.")
    unpublished = site.me.get(f"{site.api}/records/{draft['id']}")
    assert unpublished.status_code == 404 and unpublished.json()["message"].endswith("is not registered.")
    assert site.me.get(f"{site.api}/nowhere").status_code == 404
    site.drop(draft)


def test_embargo_hides_files_and_restriction_hides_the_record(site):
    embargo = {"active": True, "until": "2099-01-01", "reason": "paper"}
    draft = site.create(access={"record": "public", "files": "restricted", "embargo": embargo})
    site.upload(draft, "a", b"secret")
    record = site.published(draft)
    assert record["access"]["status"] == "embargoed"
    shown = site.nobody.get(f"{site.api}/records/{record['id']}")
    assert shown.status_code == 200 and "entries" not in shown.json()["files"]
    content = f"{site.api}/records/{record['id']}/files/a/content"
    assert site.nobody.get(content).status_code == 403
    assert site.nobody.get(f"{site.api}/records/{record['id']}/files").status_code == 403
    assert site.me.get(content).content == b"secret"
    hidden = site.create(access={"record": "restricted", "files": "restricted"}, files={"enabled": False})
    site.published(hidden)
    assert site.nobody.get(f"{site.api}/records/{hidden['id']}").status_code == 403


# ---------------------------------------------------------------------------------------------- search and rates


def test_my_records_are_found_by_identifier_drafts_too(site):
    mark = f"mark-{site.agent.rpartition('/')[2]}"
    given = metadata(identifiers=[{"identifier": mark, "scheme": "other"}])
    draft = site.create({"metadata": given})
    query = {"q": f'metadata.identifiers.identifier:"{mark}"', "is_published": "false"}

    def hits(session=site.me):
        return session.get(f"{site.api}/user/records", params=query).json()["hits"]["hits"]

    if site.fake is not None:
        assert hits() == [], "a write takes a while to show"
    assert [one["id"] for one in site.eventually(hits)] == [draft["id"]]
    assert hits(site.stranger) == []
    site.drop(draft)


def test_searches_come_in_pages_and_broken_queries_are_text(site):
    site.deposit()
    site.deposit()
    first = site.eventually(
        lambda: "next" in (got := site.me.get(f"{site.api}/user/records?size=1").json())["links"] and got
    )
    assert len(first["hits"]["hits"]) == 1 and first["hits"]["total"] >= 2
    assert site.me.get(first["links"]["next"]).json()["hits"]["hits"][0]["id"] != first["hits"]["hits"][0]["id"]
    assert site.me.get(f"{site.api}/records", params={"q": "a:b:(("}).status_code == 200
    assert site.me.get(f"{site.api}/user/records?page=1000&size=25").status_code == 400


@pytest.mark.parametrize(
    ("path", "words", "identifier"),
    [
        ("vocabularies/licenses", "cc-by-4.0", "cc-by-4.0"),
        ("vocabularies/resourcetypes", "dataset", "dataset"),
        ("vocabularies/relationtypes", "derived", "isderivedfrom"),
        ("vocabularies/languages", "english", "eng"),
        ("affiliations", "cern", "01ggx4157"),
        ("funders", "european", "00k4n6c32"),
    ],
)
def test_vocabularies_are_asked(site, path, words, identifier):
    answer = site.me.get(f"{site.api}/{path}", params={"q": words, "size": 100})
    assert identifier in [one["id"] for one in answer.json()["hits"]["hits"]]
    assert site.me.get(f"{site.api}/{path}/{identifier}").json()["title"]["en"]
    assert site.me.get(f"{site.api}/{path}/no-such-term").status_code == 404


def test_every_answer_tells_the_rate_and_retry_after_even_on_success(site):
    answer = site.me.get(f"{site.api}/vocabularies/resourcetypes?size=1")
    assert answer.status_code == 200
    names = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"}
    assert names <= answer.headers.keys() and int(answer.headers["Retry-After"]) <= 60
