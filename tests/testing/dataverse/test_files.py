# SPDX-License-Identifier: Apache-2.0
"""Native uploads: zips are unpacked, tables ingested, names changed, and all the refusals (contract §3 and §7)."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile

import pytest

from sidecrate.testing import FakeDataverse
from sidecrate.testing.dataverse.filenames import RO_CRATE
from testing.dataverse.client import Client, message
from testing.digests import md5

TABLE = b"nucleus,pores\n1,2\n2,30\n"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def names(client, dataset):
    return {
        "/".join(filter(None, [one.get("directoryLabel"), one["label"]])) for one in client.version(dataset)["files"]
    }


def test_an_added_file_keeps_its_bytes_folder_and_digest(client):
    dataset = client.create()
    content = bytes(range(256)) * 1000
    shown = client.added(dataset, "a b.bin", content, directoryLabel="data/raw", description="D", categories=["Data"])
    assert shown["label"] == "a b.bin" and shown["directoryLabel"] == "data/raw"
    file = shown["dataFile"]
    assert file["filesize"] == len(content) and file["rootDataFileId"] == -1 and file["persistentId"] == ""
    assert file["checksum"] == {"type": "MD5", "value": md5(content)} and file["md5"]
    assert client.get(f"/access/datafile/{file['id']}").content == content


def test_the_digest_is_of_the_algorithm_that_is_set():
    with FakeDataverse(checksum_algorithm="SHA-256") as server:
        client = Client(server)
        assert client.get("/files/fixityAlgorithm").json()["data"]["message"] == "SHA-256"
        file = client.added(client.create(), "a", b"abc")["dataFile"]
    assert file["checksum"] == {"type": "SHA-256", "value": hashlib.sha256(b"abc").hexdigest()} and "md5" not in file


@pytest.mark.parametrize(("version", "is_object"), [("5.13", True), ("6.11", True), ("6.12", False)])
def test_equal_content_is_added_with_a_warning(version, is_object):
    with FakeDataverse(version=version) as server:
        client = Client(server)
        dataset = client.create()
        client.added(dataset, "a.bin", b"same")
        answer = client.add(dataset, "b.bin", b"same")
        said = answer.json()["message"]
        assert answer.status_code == 200 and isinstance(said, dict) is is_object
        assert "same content as a.bin" in (said["message"] if is_object else said)
        assert names(client, dataset) == {"a.bin", "b.bin"}


def test_a_name_that_is_taken_is_changed_in_the_same_folder_only(client):
    dataset = client.create()
    sent = [("x.txt", "a"), ("x.txt", "a"), ("x.txt", "a"), ("x.txt", "b")]
    for number, (name, folder) in enumerate(sent):
        client.added(dataset, name, bytes([number]), directoryLabel=folder)
    assert names(client, dataset) == {"a/x.txt", "a/x-1.txt", "a/x-2.txt", "b/x.txt"}


def test_a_zip_is_unpacked_with_its_folders(client):
    dataset = client.create()
    content = zipped(
        **{"one.bin": b"1", "dé p/t+o.bin": b"2", "x/._junk": b"3", ".DS_Store": b"4", "inner.zip": zipped(a=b"5")}
    )
    answer = client.add(dataset, "all.zip", content)
    assert len(answer.json()["data"]["files"]) == 3
    assert names(client, dataset) == {"one.bin", "d. p/t+o.bin", "inner.zip"}, "only the outer zip is opened"


def test_a_directory_label_flattens_the_tree_of_a_zip(client):
    dataset = client.create()
    client.add(dataset, "all.zip", zipped(**{"a/one": b"1", "b/one": b"2"}), directoryLabel="flat")
    assert names(client, dataset) == {"flat/one", "flat/one-1"}


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("m.pt", "application/octet-stream", 1), ("m.pt", "application/zip", 2), ("b.eln", "application/octet-stream", 1)],
)
def test_a_zip_by_another_name_stays_whole_unless_the_client_calls_it_one(client, name, kind, count):
    assert len(client.add(client.create(), name, zipped(a=b"1", b=b"2"), kind).json()["data"]["files"]) == count


def test_zips_that_are_refused_leave_nothing(server, client):
    server.settings.zip_members, server.settings.max_file_bytes = 2, 500
    dataset = client.create()
    for content in (zipped(a=b"1", b=b"2", c=b"3"), zipped(a=b"0" * 501), b"PK broken"):
        assert client.add(dataset, "a.zip", content).status_code == 400
    assert names(client, dataset) == set()


def test_a_zipped_bag_is_checked_where_the_bag_handler_is_on(server, client):
    server.settings.is_bag_handler_on = True
    good = md5(b"x")
    bag = {"bag/bagit.txt": b"BagIt-Version: 1.0\n", "bag/data/x": b"x"}
    right = zipped(**bag, **{"bag/manifest-md5.txt": f"{good}  data/x\n".encode()})
    wrong = zipped(**bag, **{"bag/manifest-md5.txt": f"{'0' * 32}  data/x\n".encode()})
    dataset = client.create()
    assert client.add(dataset, "bag.zip", wrong).status_code == 400
    assert client.add(dataset, "bag.zip", right).status_code == 200


def test_a_csv_becomes_a_tab_after_the_answer(client):
    dataset = client.create()
    shown = client.added(dataset, "pores.csv", TABLE, "text/csv")
    assert shown["label"] == "pores.csv" and client.locks(dataset) == ["Ingest"]
    assert client.publish(dataset).status_code == 403, "Ingest stops publication"
    client.unlocked(dataset)
    (entry,) = client.version(dataset)["files"]
    file = entry["dataFile"]
    assert entry["label"] == "pores.tab" and file["contentType"] == "text/tab-separated-values" and file["tabularData"]
    assert file["originalFileName"] == "pores.csv" and file["originalFileSize"] == len(TABLE) and file["UNF"]
    assert file["checksum"]["value"] == md5(TABLE), "that of the upload"
    assert client.get(f"/access/datafile/{file['id']}").content == b"1\t2\n2\t30\n"
    assert client.get(f"/access/datafile/{file['id']}?format=original").content == TABLE


@pytest.mark.parametrize("said", [False, "false"])
def test_a_csv_stays_one_with_tab_ingest_false(client, said):
    dataset = client.create()
    client.added(dataset, "pores.csv", TABLE, "text/csv", tabIngest=said)
    assert client.locks(dataset) == [] and names(client, dataset) == {"pores.csv"}


def test_releases_before_tab_ingest_ingest_anyway():
    with FakeDataverse(version="5.10") as server:
        client = Client(server)
        dataset = client.create()
        client.added(dataset, "pores.csv", TABLE, "text/csv", tabIngest=False)
        assert client.locks(dataset) == ["Ingest"]
        assert client.add(dataset, "x", b"x").status_code == 400, "before 5.14 Ingest stops edits too"


def test_a_csv_that_is_no_table_stays_as_it_is(client):
    dataset = client.create()
    client.added(dataset, "odd.csv", b"a,b\n1\n", "text/csv")
    client.unlocked(dataset)
    assert names(client, dataset) == {"odd.csv"}


def test_types(client):
    dataset = client.create()
    assert (
        client.added(dataset, "ro-crate-metadata.json", b"{}", "application/json")["dataFile"]["contentType"]
        == RO_CRATE
    )
    assert client.added(dataset, "a.eln", b"x")["dataFile"]["contentType"] == "application/vnd.eln+zip"


@pytest.mark.parametrize("name", ["a:b", "a<b", "a;b", "a#b", "a*b", "a|b"])
def test_names_with_these_characters_are_refused(client, name):
    assert client.add(client.create(), name, b"x").status_code == 400


@pytest.mark.parametrize(
    ("folder", "status"), [("a/b c_d.e-f", 200), ("a\\b", 200), ("é", 400), ("a+b", 400), ("a:b", 400)]
)
def test_folders(client, folder, status):
    assert client.add(client.create(), "x", b"x", directoryLabel=folder).status_code == status


def test_limits_are_400_and_can_be_asked_for(server, client):
    server.settings.max_file_bytes, server.settings.quota_bytes, server.settings.max_files = 10, 15, 2
    dataset = client.create()
    assert "exceeds the size limit" in message(client.add(dataset, "a", b"0" * 11))
    client.added(dataset, "a", b"0" * 10)
    assert "quota" in message(client.add(dataset, "b", b"1" * 6))
    limits = client.get(f"/datasets/{dataset}/uploadlimits").json()["data"]["uploadLimits"]
    assert limits == {"storageQuotaRemaining": 5, "numberOfFilesRemaining": 1}
    client.added(dataset, "b", b"1")
    assert "limited to 2 files" in message(client.add(dataset, "c", b"2"))


def test_requests_without_a_file_or_with_broken_json(server, client):
    dataset = client.create()
    path = f"/datasets/{dataset}/add"
    assert client.post(path, files={"jsonData": (None, "{}")}).status_code == 400
    assert client.post(path, files={"file": ("x", b"x"), "jsonData": (None, "{oops")}).status_code == 400
    assert (
        client.post(path, data=b"no form", headers={"Content-Type": "multipart/form-data; boundary=x"}).status_code
        == 400
    )
    server.settings.is_http_upload_on = False
    assert client.add(dataset, "x", b"x").status_code == 503


def test_two_adds_at_a_time_collide_without_a_reason(server, client):
    dataset = client.create()
    is_open, may_go = threading.Event(), threading.Event()

    def slowly():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow"\r\n\r\n'
        is_open.set()
        may_go.wait(10)
        yield b"x\r\n--b--\r\n"

    def send():
        answers.append(
            Client(server).post(
                f"/datasets/{dataset}/add", data=slowly(), headers={"Content-Type": "multipart/form-data; boundary=b"}
            )
        )

    answers: list = []
    other = threading.Thread(target=send)
    other.start()
    is_open.wait(10)
    while len(server.journal.find("POST", "*/add")) < 1:
        pass
    answer = client.add(dataset, "fast", b"y")
    may_go.set()
    other.join()
    assert answer.status_code == 400 and message(answer) == "Failed to add file to dataset."
    assert answers[0].status_code == 200 and names(client, dataset) == {"slow"}


# ---------------------------------------------------------------------------------------------- what is there


def test_replace_points_back_to_a_published_file_and_forgets_folder_and_description(client):
    dataset = client.create()
    old = client.added(dataset, "x.bin", b"1", directoryLabel="a", description="D")["dataFile"]["id"]
    client.published(dataset)
    answer = client.post(f"/files/{old}/replace", files={"file": ("x.bin", b"2")})
    assert answer.status_code == 200, answer.text
    new = answer.json()["data"]["files"][0]
    assert "directoryLabel" not in new and "description" not in new
    assert new["dataFile"]["previousDataFileId"] == new["dataFile"]["rootDataFileId"] == old
    assert names(client, dataset) == {"x.bin"} and client.version(dataset)["versionState"] == "DRAFT"
    assert client.version(dataset, ":latest-published")["files"][0]["dataFile"]["id"] == old
    third = client.post(f"/files/{new['dataFile']['id']}/replace", files={"file": ("x.bin", b"3")}).json()["data"][
        "files"
    ][0]
    assert third["dataFile"]["rootDataFileId"] == old, "a draft file can be replaced too"


def test_replacements_that_are_refused(client):
    dataset = client.create()
    file = client.added(dataset, "x.bin", b"1")["dataFile"]["id"]
    path = f"/files/{file}/replace"
    assert client.post("/files/999/replace", files={"file": ("x", b"2")}).status_code == 400
    assert "duplicate content" in message(client.post(path, files={"file": ("x.bin", b"1")}))
    assert client.post(path, files={"file": ("x.png", b"2", "image/png")}).status_code == 400
    assert client.post(path, files={"file": ("x.zip", zipped(a=b"1", b=b"2"))}).status_code == 400
    forced = {"file": ("x.png", b"2", "image/png"), "jsonData": (None, '{"forceReplace": true}')}
    assert client.post(path, files=forced).status_code == 200
    assert client.post(path, files={"file": ("x.bin", b"3")}).status_code in (400, 404), "not in the latest version"


def test_the_original_type_counts_for_an_ingested_file(client):
    dataset = client.create()
    file = client.added(dataset, "pores.csv", TABLE, "text/csv")["dataFile"]["id"]
    client.unlocked(dataset)
    assert (
        client.post(f"/files/{file}/replace", files={"file": ("pores.csv", TABLE + b"3,4\n", "text/csv")}).status_code
        == 200
    )


def test_file_metadata_is_answered_in_plain_text(client):
    dataset = client.create()
    file = client.added(dataset, "x", b"1", description="D")["dataFile"]["id"]
    client.added(dataset, "y", b"2")
    path = f"/files/{file}/metadata"
    answer = client.post(path, files={"jsonData": (None, '{"directoryLabel": "a", "description": ""}')})
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("File Metadata update has been completed: {")
    entry = next(one for one in client.version(dataset)["files"] if one["label"] == "x")
    assert entry["directoryLabel"] == "a" and "description" not in entry, "from 6.8 empty values clear"
    taken = client.post(path, files={"jsonData": (None, '{"directoryLabel": "", "label": "y"}')})
    assert taken.status_code == 400 and "already used" in message(taken)


def test_file_metadata_of_a_locked_dataset_is_500(server, client):
    dataset = client.create()
    file = client.added(dataset, "x", b"1")["dataFile"]["id"]
    server.world.datasets[dataset].lock("finalizePublication", "curator")
    assert client.post(f"/files/{file}/metadata", files={"jsonData": (None, "{}")}).status_code == 500


def test_deleting_files(client):
    dataset = client.create()
    ids = [client.added(dataset, name, name.encode())["dataFile"]["id"] for name in "abc"]
    client.published(dataset)
    assert client.delete(f"/files/{ids[0]}").status_code == 200
    assert client.put(f"/datasets/{dataset}/deleteFiles", json=[ids[1]]).status_code == 200
    assert client.put(f"/datasets/{dataset}/deleteFiles", json=[ids[1]]).status_code == 400
    assert names(client, dataset) == {"c"}
    assert len(client.version(dataset, ":latest-published")["files"]) == 3


def test_downloads_give_ranges_where_the_store_does(server, client):
    file = client.added(client.create(), "x", b"0123456789")["dataFile"]["id"]
    path = f"/access/datafile/{file}"
    part = client.get(path, headers={"Range": "bytes=2-4"})
    assert part.status_code == 206 and part.content == b"234" and part.headers["Content-Range"] == "bytes 2-4/10"
    assert client.get(path, headers={"Range": "bytes=-3"}).content == b"789"
    assert client.get(path, headers={"Range": "bytes=10-"}).status_code == 416
    server.settings.honours_range = False
    whole = client.get(path, headers={"Range": "bytes=2-4"})
    assert whole.status_code == 200 and whole.content == b"0123456789"


def test_restricted_and_unpublished_files_are_not_for_everyone(server, client):
    dataset = client.create()
    file = client.added(dataset, "x", b"1")["dataFile"]["id"]
    secret = client.added(dataset, "y", b"2", restrict=True)["dataFile"]["id"]
    guest = Client(server, token="")
    assert guest.get(f"/access/datafile/{file}").status_code == 403
    client.published(dataset)
    assert guest.get(f"/access/datafile/{file}").content == b"1"
    assert guest.get(f"/access/datafile/{secret}").status_code == 403
    assert client.get(f"/access/datafile/{secret}").content == b"2"


def test_files_come_in_pages(client):
    dataset = client.create()
    for name in "cab":
        client.added(dataset, name, name.encode())
    page = client.get(f"/datasets/{dataset}/versions/:draft/files?limit=2&offset=1").json()
    assert [one["label"] for one in page["data"]] == ["b", "c"] and page["totalCount"] == 3
