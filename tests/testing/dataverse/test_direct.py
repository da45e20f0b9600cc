# SPDX-License-Identifier: Apache-2.0
"""Direct upload: the pre-signed URL is the credential, and the checksum is believed (contract §4)."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sidecrate.testing import FakeDataverse
from testing.dataverse.client import Client, message
from testing.digests import md5

TAG = {"x-amz-tagging": "dv-state=temp"}


def urls(client, dataset, size):
    answer = client.get(f"/datasets/{dataset}/uploadurls?size={size}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def stored(client, dataset, content, name="x.bin", **more):
    """Put bytes and return the entry for their registration."""
    data = urls(client, dataset, len(content))
    answer = requests.put(data["url"], data=content, headers=TAG, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == f'"{md5(content)}"'
    checksum = {"@type": "SHA-256", "@value": hashlib.sha256(content).hexdigest()}
    entry = {"storageIdentifier": data["storageIdentifier"], "fileName": name, "mimeType": "application/octet-stream"}
    return {**entry, "checksum": checksum, **more}


def register(client, dataset, *entries, call="addFiles"):
    return client.post(f"/datasets/{dataset}/{call}", files={"jsonData": (None, json.dumps(entries))})


def test_a_single_put_and_its_registration(server, client):
    dataset = client.create()
    entry = stored(client, dataset, b"abc", directoryLabel="a")
    assert len(server.store.objects) == 1 and all(one.is_temporary for one in server.store.objects.values())
    answer = register(client, dataset, entry)
    assert answer.json()["data"]["Result"] == {"Total number of files": 1, "Number of files successfully added": 1}
    (shown,) = answer.json()["data"]["Files"]
    assert shown["successMessage"] and shown["fileDetails"]["directoryLabel"] == "a"
    assert shown["fileDetails"]["dataFile"]["checksum"]["type"] == "SHA-256"
    assert not any(one.is_temporary for one in server.store.objects.values())
    assert client.get(f"/access/datafile/{shown['fileDetails']['dataFile']['id']}").content == b"abc"


def test_the_store_is_another_host_and_needs_no_token(server, client):
    dataset = client.create()
    url = urls(client, dataset, 3)["url"]
    assert urlsplit(url).hostname == "localhost" and urlsplit(server.url).hostname == "127.0.0.1"
    requests.put(url, data=b"abc", headers=TAG, timeout=10)
    assert not server.journal.find(service="store")[0].token_sent
    client.http.put(url, data=b"abc", headers=TAG, timeout=10)
    assert server.journal.find(service="store")[1].token_sent
    other_host = url.replace("localhost", "127.0.0.1")
    assert requests.put(other_host, data=b"abc", headers=TAG, timeout=10).status_code == 403, "the host is signed"


def test_headers_must_be_those_that_are_signed(server, client):
    dataset = client.create()
    url = urls(client, dataset, 3)["url"]
    assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == ["host;x-amz-tagging"]
    for headers in ({}, {"x-amz-tagging": "dv-state=other"}, {**TAG, "x-amz-acl": "private"}):
        answer = requests.put(url, data=b"abc", headers=headers, timeout=10)
        assert answer.status_code == 403 and "<Code>" in answer.text
    assert requests.put(url, data=b"abc", headers={**TAG, "Authorization": "Bearer x"}, timeout=10).status_code == 400
    assert requests.put(url + "0", data=b"abc", headers=TAG, timeout=10).status_code == 403
    server.settings.is_tagging_on = False
    plain = urls(client, dataset, 3)["url"]
    assert requests.put(plain, data=b"abc", headers=TAG, timeout=10).status_code == 403
    assert requests.put(plain, data=b"abc", timeout=10).status_code == 200
    assert requests.put(plain, data=iter([b"abc"]), timeout=10).status_code == 501, "chunked"


def test_urls_expire(server, client):
    server.settings.url_seconds = 0
    dataset = client.create()
    answer = requests.put(urls(client, dataset, 3)["url"], data=b"abc", headers=TAG, timeout=10)
    assert answer.status_code == 403 and "expired" in answer.text


def parts_of(client, dataset, content, part_bytes):
    data = urls(client, dataset, len(content))
    etags = {}
    for number, url in data["urls"].items():
        start = (int(number) - 1) * part_bytes
        answer = requests.put(url, data=content[start : start + part_bytes], timeout=10)
        assert answer.status_code == 200, answer.text
        etags[number] = answer.headers["ETag"]
    return data, etags


def complete(client, data, etags):
    return client.http.put(client.server.url + data["complete"], json=etags, timeout=10)


def test_multipart(server, client):
    server.settings.part_bytes = 100
    dataset, content = client.create(), bytes(range(250)) * 5
    data, etags = parts_of(client, dataset, content, 100)
    assert len(etags) == 13 and data["partSize"] == 100 and data["complete"].startswith("/api/")
    assert "x-amz-tagging" not in next(iter(data["urls"].values())), "never on part URLs"
    answer = complete(client, data, etags)
    assert answer.status_code == 200 and answer.json()["data"]["message"].startswith("Multipart")
    entry = {
        "storageIdentifier": data["storageIdentifier"],
        "fileName": "x",
        "md5Hash": md5(content),
    }
    file = register(client, dataset, entry).json()["data"]["Files"][0]["fileDetails"]["dataFile"]
    assert file["filesize"] == len(content) and file["checksum"]["type"] == "MD5"
    assert client.get(f"/access/datafile/{file['id']}").content == content


@pytest.mark.parametrize("trouble", ["text order", "missing", "wrong"])
def test_trouble_at_completion_aborts_the_upload(server, client, trouble):
    server.settings.part_bytes = 10
    dataset = client.create()
    data, etags = parts_of(client, dataset, b"0" * 105, 10)
    broken = {
        "text order": dict(sorted(etags.items())),
        "missing": {**etags, "12": etags["1"]},
        "wrong": {**etags, "2": etags["11"]},
    }[trouble]
    assert complete(client, data, broken).status_code == 500
    assert complete(client, data, etags).status_code == 500, "it is gone"
    assert not server.store.uploads and not server.store.objects
    assert requests.put(data["urls"]["1"], data=b"0", timeout=10).status_code == 404


def test_abort(server, client):
    server.settings.part_bytes = 10
    data = urls(client, client.create(), 25)
    assert client.http.delete(server.url + data["abort"], timeout=10).status_code == 204
    assert not server.store.uploads


def test_each_file_of_a_registration_succeeds_or_fails_for_itself(client):
    dataset = client.create()
    good = stored(client, dataset, b"1", "good")
    same = stored(client, dataset, b"1", "same")
    late = stored(client, dataset, b"2", "late")
    absent = {**stored(client, dataset, b"3", "absent"), "storageIdentifier": "s3://bucket:0-0"}
    badly_named = stored(client, dataset, b"4", "a:b")
    answer = register(client, dataset, good, absent, badly_named, same, late)
    assert answer.status_code == 200
    files = answer.json()["data"]["Files"]
    assert "successMessage" in files[0] and "errorMessage" in files[1] and "errorMessage" in files[2]
    assert "warningMessage" in files[3] and "warningMessage" in files[4], "never reset once one was a duplicate"
    counts = {"Total number of files": 5, "Number of files successfully added": 3}
    assert answer.json()["data"]["Result"] == counts


def test_registrations_that_are_refused_add_nothing(server, client):
    dataset = client.create()
    entry = stored(client, dataset, b"1")
    misspelled = {**entry, "checksum": {"@type": "sha256", "@value": "0"}}
    bare = {key: value for key, value in entry.items() if key != "checksum"}
    assert register(client, dataset, entry, misspelled).status_code == 400
    assert register(client, dataset, entry, bare).status_code == 400
    assert client.post(f"/datasets/{dataset}/addFiles", files={"jsonData": (None, "{oops")}).status_code == 400
    single = client.post(f"/datasets/{dataset}/add", files={"jsonData": (None, json.dumps(misspelled))})
    assert single.status_code == 500
    server.world.datasets[dataset].lock("finalizePublication", "curator")
    assert register(client, dataset, entry).status_code == 500
    assert client.version(dataset)["files"] == []


def test_the_single_form_and_no_unpacking(client):
    dataset = client.create()
    entry = stored(client, dataset, b"PK whatever", "bag.zip", mimeType="application/zip")
    answer = client.post(f"/datasets/{dataset}/add", files={"jsonData": (None, json.dumps(entry))})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["files"][0]["label"] == "bag.zip"


def test_a_csv_is_ingested_here_too(client):
    dataset = client.create()
    register(client, dataset, stored(client, dataset, b"a,b\n1,2\n", "x.csv", mimeType="text/csv"))
    assert client.locks(dataset) == ["Ingest"]
    client.unlocked(dataset)
    assert client.version(dataset)["files"][0]["label"] == "x.tab"


def test_a_lie_about_the_checksum_is_believed_until_a_major_publication(server, client):
    dataset = client.create()
    entry = {**stored(client, dataset, b"1"), "checksum": {"@type": "SHA-1", "@value": "0" * 40}}
    assert "successMessage" in register(client, dataset, entry).json()["data"]["Files"][0]
    assert client.publish(dataset).status_code == 200
    server.hurry()
    assert client.locks(dataset) == ["FileValidationFailed"]
    assert client.version(dataset)["versionState"] == "DRAFT"
    assert client.delete(f"/datasets/{dataset}/locks").status_code == 403


def test_replace_files(client):
    dataset = client.create()
    old = register(client, dataset, stored(client, dataset, b"1")).json()["data"]["Files"][0]["fileDetails"]
    client.published(dataset)
    new = stored(client, dataset, b"2", fileToReplaceId=old["dataFile"]["id"], forceReplace=True)
    answer = register(client, dataset, new, call="replaceFiles").json()["data"]
    assert answer["Result"]["Number of files successfully replaced"] == 1
    assert answer["Files"][0]["fileDetails"]["dataFile"]["previousDataFileId"] == old["dataFile"]["id"]
    assert len(client.version(dataset)["files"]) == 1


def test_stores_without_direct_upload_and_limits(server, client):
    dataset = client.create()
    server.settings.max_file_bytes = 10
    assert client.get(f"/datasets/{dataset}/uploadurls?size=11").status_code == 400
    server.settings.is_direct_upload_on = False
    answer = client.get(f"/datasets/{dataset}/uploadurls?size=1")
    assert answer.status_code == 404 and "not supported" in message(answer)


def test_replace_files_came_with_5_13():
    with FakeDataverse(version="5.12") as server:
        client = Client(server)
        assert register(client, client.create(), call="replaceFiles").status_code == 404
