# SPDX-License-Identifier: Apache-2.0
"""Publication runs in the background under locks; versions, rights and reviews (contract §0, §5 to §8)."""

from __future__ import annotations

import pytest

from sidecrate.testing import FakeDataverse, faults
from testing.dataverse.client import Client, body, message


def test_publication_is_accepted_then_done(client):
    dataset = client.create()
    answer = client.publish(dataset)
    assert answer.status_code == 200 and "latestVersion" not in answer.json()["data"]
    assert client.locks(dataset) == ["finalizePublication"] and client.version(dataset)["versionState"] == "DRAFT"
    assert client.add(dataset, "x", b"x").status_code == 400
    client.unlocked(dataset)
    version = client.version(dataset)
    assert (version["versionState"], version["versionNumber"], version["versionMinorNumber"]) == ("RELEASED", 1, 0)


def test_numbers_of_versions(client):
    dataset = client.create()
    client.added(dataset, "x", b"1")
    client.published(dataset)
    edit = {"typeName": "title", "value": "New"}
    client.put(f"/datasets/{dataset}/editMetadata?replace=true", json=edit)
    minor = client.published(dataset, "minor")
    assert (minor["versionNumber"], minor["versionMinorNumber"]) == (1, 1)
    client.added(dataset, "y", b"2")
    refused = client.publish(dataset, "minor")
    assert refused.status_code == 403 and "files have changed" in message(refused)
    assert client.published(dataset)["versionNumber"] == 2
    shown = client.get(f"/datasets/{dataset}/versions").json()["data"]
    assert [f"{one['versionNumber']}.{one['versionMinorNumber']}" for one in shown] == ["2.0", "1.1", "1.0"]
    assert len(client.version(dataset, "1.0")["files"]) == 1 and client.version(dataset, "1")["versionMinorNumber"] == 1
    bare = client.get(f"/datasets/{dataset}/versions/2.0?excludeFiles=true&excludeMetadataBlocks=true").json()["data"]
    assert "files" not in bare and "metadataBlocks" not in bare
    assert client.get(f"/datasets/{dataset}/versions/:draft").status_code == 404


def test_what_stops_a_publication(server, client):
    dataset = client.create()
    path = f"/datasets/{dataset}/actions/:publish"
    assert client.post(path).status_code == 400 and client.post(f"{path}?type=huge").status_code == 400
    assert Client(server, "").post(f"{path}?type=major").status_code == 401
    assert Client(server, server.contributor_token).post(f"{path}?type=major").status_code == 401
    assert client.publish(dataset, "minor").status_code == 403, "the first version is major"
    server.settings.needs_files = True
    assert client.publish(dataset).status_code == 403
    server.settings.needs_files = False
    client.published(dataset)
    assert "already released" in message(client.publish(dataset))
    assert client.publish(client.create(license=None)).status_code == 409
    server.add_collection("private", is_published=False)
    hidden = client.post("/dataverses/private/datasets", json=body()).json()["data"]["id"]
    assert client.publish(hidden).status_code == 403


def test_restricted_files_need_terms_of_access(client):
    dataset = client.create()
    client.added(dataset, "x", b"1", restrict=True)
    whole = client.version(dataset)
    blocks = {"license": "CC0 1.0", "metadataBlocks": whole["metadataBlocks"]}
    assert client.put(f"/datasets/{dataset}/versions/:draft", json=blocks).status_code == 409
    assert client.published(dataset)["versionNumber"] == 1


def test_the_index_may_be_behind(server, client):
    server.settings.index_seconds = 100
    dataset = client.create()
    assert client.post(f"/datasets/{dataset}/actions/:publish?type=major&assureIsIndexed=true").status_code == 409
    assert client.publish(dataset).status_code == 200


def test_a_workflow_answers_202(server, client):
    server.settings.has_workflow = True
    dataset = client.create()
    answer = client.publish(dataset)
    assert answer.status_code == 202 and answer.json()["status"] == "WORKFLOW_IN_PROGRESS"
    assert "Workflow" in client.locks(dataset)
    client.unlocked(dataset)
    assert client.version(dataset)["versionState"] == "RELEASED"


def test_datacite_failures_just_unlock(server, client):
    server.settings.registration_fails = True
    dataset = client.create()
    assert client.publish(dataset).status_code == 200
    client.unlocked(dataset)
    assert client.version(dataset)["versionState"] == "DRAFT"


def test_a_lock_can_hang_until_an_administrator_comes(server, client):
    dataset = client.create()
    server.fail(faults.hang_lock(), method="POST", path="*/actions/:publish")
    assert client.publish(dataset).status_code == 200
    server.hurry()
    assert client.locks(dataset) == ["finalizePublication"]
    assert client.delete(f"/datasets/{dataset}/locks").status_code == 403
    assert Client(server, server.admin_token).delete(f"/datasets/{dataset}/locks").status_code == 200
    assert client.locks(dataset) == []


def test_locks_tell_who_and_what(server, client):
    dataset = client.create()
    server.world.datasets[dataset].lock("EditInProgress", "curator", "editing")
    (lock,) = client.get(f"/datasets/{dataset}/locks").json()["data"]
    assert lock.keys() == {"lockType", "date", "user", "dataset", "message"} and lock["dataset"].startswith("doi:")
    assert client.get(f"/datasets/{dataset}/locks?type=Ingest").json()["data"] == []
    assert client.get(f"/datasets/{dataset}/locks?type=Nonsense").status_code == 400
    assert client.get(f"/datasets/{dataset}").json()["data"]["locks"] == [lock]


# ------------------------------------------------------------------------------------------------------ people


def test_reviews_stop_authors_and_not_curators(server, client):
    author = Client(server, server.contributor_token)
    dataset = author.create()
    assert author.post(f"/datasets/{dataset}/submitForReview").json()["data"]["inReview"] is True
    assert author.locks(dataset) == ["InReview"]
    assert author.add(dataset, "x", b"x").status_code == 400
    edit = {"typeName": "title", "value": "New"}
    assert author.put(f"/datasets/{dataset}/editMetadata", json=edit).status_code == 403
    assert client.put(f"/datasets/{dataset}/editMetadata?replace=true", json=edit).status_code == 200
    assert client.post(f"/datasets/{dataset}/returnToAuthor", json={}).status_code == 200
    assert author.add(dataset, "x", b"x").status_code == 200


def test_keys(server, client):
    dataset = client.create()
    client.added(dataset, "x", b"1")
    client.published(dataset)
    guest, stranger = Client(server, ""), Client(server, server.stranger_token)
    assert guest.get("/info/version").status_code == 200
    for key in ("wrong", server.expired_token):
        answer = Client(server, key).get("/info/version")
        assert answer.status_code == 401 and message(answer) == "Bad API key"
    assert guest.get(f"/users/:me?key={server.token}").status_code == 200
    assert guest.get("/users/:me").status_code == 401
    assert "expires on" in client.get("/users/token").json()["data"]["message"]
    assert guest.post("/dataverses/root/datasets", json=body()).status_code == 401
    assert stranger.post("/dataverses/root/datasets", json=body()).status_code == 401
    for other in (guest, stranger):
        assert other.add(dataset, "y", b"2").status_code == 403
        assert other.get(f"/datasets/{dataset}/uploadurls?size=1").status_code == 403
        assert other.get(f"/datasets/{dataset}/versions/:draft").status_code == 401
        assert other.get(f"/datasets/{dataset}").status_code == 200


@pytest.mark.parametrize(("version", "status"), [("5.13", 200), ("6.12", 401)])
def test_a_bad_key_stops_public_downloads_from_6_0_on(version, status):
    with FakeDataverse(version=version, publish_seconds=0) as server:
        client = Client(server)
        dataset = client.create()
        file = client.added(dataset, "x", b"1")["dataFile"]["id"]
        client.published(dataset)
        assert Client(server, "wrong").get(f"/access/datafile/{file}").status_code == status


def test_too_many_calls_are_429_without_retry_after(server, client):
    server.settings.calls_an_hour = 1
    client.create()
    answer = client.post("/dataverses/root/datasets", json=body())
    assert answer.status_code == 429 and "Retry-After" not in answer.headers
    admin = Client(server, server.admin_token)
    assert [admin.create() for _ in range(3)], "superusers are exempt"


# --------------------------------------------------------------------------------------------------- the rest


def test_deleting_drafts_and_datasets(client):
    dataset = client.create()
    client.published(dataset)
    assert client.delete(f"/datasets/{dataset}").status_code == 403
    client.added(dataset, "x", b"1")
    assert client.delete(f"/datasets/{dataset}/versions/:draft").status_code == 200
    assert client.version(dataset)["versionState"] == "RELEASED"
    fresh = client.create()
    assert (
        client.delete(f"/datasets/{fresh}").status_code == 200 and client.get(f"/datasets/{fresh}").status_code == 404
    )


def test_a_lost_creation_is_found_in_the_collection(client):
    dataset = client.create()
    assert dataset in [one["id"] for one in client.get("/dataverses/root/contents").json()["data"]]


def test_citation_and_export(client):
    dataset = client.create()
    pid = client.version(dataset)["datasetPersistentId"]
    export = {"exporter": "dataverse_json", "persistentId": pid}
    assert client.get("/datasets/export", params=export).status_code == 400, "not published"
    client.published(dataset)
    assert "Nuclear pores" in client.get(f"/datasets/{dataset}/versions/1.0/citation").json()["data"]["message"]
    assert client.get(f"/datasets/{dataset}/versions/1.0/citation/BibTeX").text.startswith("@data{")
    assert client.get("/datasets/export", params=export).json()["datasetVersion"]["versionNumber"] == 1
    assert client.get("/datasets/export", params={**export, "exporter": "nonsense"}).status_code == 403
    assert client.get("/datasets/export", params={**export, "persistentId": "doi:1/2"}).status_code == 404
    assert "linkset" in client.get(f"/datasets/{dataset}/versions/1.0/linkset").json()


@pytest.mark.parametrize(
    ("version", "path", "status"),
    [
        ("5.13", "/datasets/{}/uploadlimits", 404),
        ("6.12", "/datasets/{}/uploadlimits", 200),
        ("5.13", "/info/exportFormats", 404),
        ("6.12", "/info/exportFormats", 200),
    ],
)
def test_calls_that_a_release_does_not_have_are_404_in_the_envelope(version, path, status):
    with FakeDataverse(version=version) as server:
        client = Client(server)
        answer = client.get(path.format(client.create()))
        assert answer.status_code == status
        if status == 404:
            assert answer.json()["requestMethod"] == "GET" and "does not exist" in message(answer)


def test_background_work_is_done_in_its_time_without_being_asked():
    with FakeDataverse(publish_seconds=0.01) as server:
        client = Client(server)
        dataset = client.create()
        client.publish(dataset)
        while client.locks(dataset):
            pass
        assert client.version(dataset)["versionState"] == "RELEASED"
