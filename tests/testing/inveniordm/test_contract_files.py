# SPDX-License-Identifier: Apache-2.0
"""What a client may rely on in files; each holds for the fake and for a real InvenioRDM."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from testing.digests import md5
from testing.inveniordm.site import OCTETS, bad_fields


def test_start_content_commit(site):
    draft = site.create()
    started = site.start(draft, {"key": "a"}, {"key": "b"})
    assert started.status_code == 201 and [one["key"] for one in started.json()["entries"]] == ["a", "b"]
    more = site.start(draft, {"key": "c"}).json()["entries"]
    assert len(more) == 3 and all(one["status"] == "pending" for one in more), "all entries, not only the new ones"
    assert "checksum" not in more[0] and more[0]["transfer"] == {"type": "L"}
    filled = site.put(more[0]["links"]["content"], b"abc").json()
    assert filled["status"] == "pending" and "checksum" not in filled
    done = site.me.post(more[0]["links"]["commit"]).json()
    assert (done["status"], done["size"], done["checksum"]) == ("completed", 3, f"md5:{md5(b'abc')}")
    assert site.me.post(more[0]["links"]["commit"]).status_code == 200, "committing again changes nothing"
    site.drop(draft)


def test_what_the_client_declares_is_not_compared(site):
    draft = site.create()
    site.start(draft, {"key": "a", "size": 99, "checksum": "md5:" + "0" * 32})
    links = site.entry(draft, "a")["links"]
    site.put(links["content"], b"abc")
    done = site.me.post(links["commit"]).json()
    assert done["size"] == 3 and done["checksum"] == f"md5:{md5(b'abc')}"
    site.drop(draft)


@pytest.mark.parametrize("key", ["tables/pores per nucleus.csv", "a?b#c.txt", "Übersicht.csv", "x" * 200])
def test_keys_of_all_kinds_by_their_links(site, key):
    draft = site.create()
    assert site.upload(draft, key, b"abc")["key"] == key
    assert site.me.get(site.entry(draft, key)["links"]["content"]).content == b"abc"
    site.drop(draft)


def test_content_may_be_sent_again_before_the_commit(site):
    draft = site.create()
    site.start(draft, {"key": "a"})
    links = site.entry(draft, "a")["links"]
    site.put(links["content"], b"first")
    site.put(links["content"], b"second")
    assert site.me.post(links["commit"]).json()["size"] == 6
    site.drop(draft)


def test_content_for_a_file_that_is_complete_answers_200_and_loses_the_file(site):
    draft = site.create()
    site.upload(draft, "a", b"abc")
    answer = site.put(site.entry(draft, "a")["links"]["content"], b"abcd")
    assert answer.status_code == 200 and answer.json()["errors"] == "File upload transfer failed."
    assert site.me.get(draft["links"]["files"]).json()["entries"] == []
    site.drop(draft)


def test_refusals(site):
    draft = site.create()
    files = draft["links"]["files"]
    site.start(draft, {"key": "a"})
    links = site.entry(draft, "a")["links"]
    assert site.start(draft, {"key": "a"}).json()["message"] == "File with key a already exists."
    assert "0.key" in bad_fields(site.start(draft, {}).json())
    assert site.me.post(files, json={"key": "x"}).status_code == 400
    assert site.put(f"{files}/b/content", b"x").status_code == 404
    assert site.me.get(f"{files}/b").json()["message"].endswith("has no file 'b'.")
    assert site.put(links["content"], b"{}", **{"Content-Type": "application/json"}).status_code == 415
    assert site.me.post(links["commit"]).status_code == 500, "nothing was put: a fault of the server"
    assert site.me.get(links["content"]).status_code == 500
    unknown = site.start(draft, {"key": "q", "transfer": {"type": "Q"}})
    assert "Unsupported value" in bad_fields(unknown.json())["0.transfer.type"]
    site.drop(draft)


def test_pending_and_missing_files_stop_a_publication(site):
    draft = site.create()
    assert "files.enabled" in bad_fields(site.publish(draft).json())
    site.start(draft, {"key": "a"})
    assert "not completed their transfer" in bad_fields(site.publish(draft).json())["files"]
    assert site.me.delete(f"{draft['links']['files']}/a").status_code == 204
    assert "files.enabled" in bad_fields(site.publish(draft).json())
    site.drop(draft)


def test_a_hundred_files_all_or_nothing(site):
    draft = site.create()
    too_many = site.start(draft, *({"key": f"f{number}"} for number in range(101)))
    assert too_many.status_code == 400 and "exceeding the max amount" in too_many.json()["message"]
    assert site.me.get(draft["links"]["files"]).json()["entries"] == []
    assert site.start(draft, *({"key": f"f{number}"} for number in range(100))).status_code == 201
    assert site.start(draft, {"key": "one more"}).status_code == 400
    site.drop(draft)


def test_quota_and_file_size_are_400(site):
    if site.admin.headers.get("Authorization") is None:
        pytest.skip("no token of an administrator")
    draft = site.create()
    limits = {"quota_size": 1000, "max_file_size": 600, "notes": "tests"}
    address = f"{site.api}/records/{draft['id']}/quota"
    assert site.me.post(address, json=limits).status_code == 403
    assert site.admin.post(address, json=limits).status_code == 200
    site.start(draft, {"key": "a"}, {"key": "b"})
    first, second = (site.entry(draft, key)["links"] for key in "ab")
    large = site.put(first["content"], bytes(601))
    assert large.status_code == 400 and large.json()["message"] == "Maximum file size exceeded."
    assert site.put(first["content"], bytes(600)).status_code == 200
    assert site.me.post(first["commit"]).status_code == 200
    full = site.put(second["content"], bytes(500))
    assert full.status_code == 400 and full.json()["message"] == "Bucket quota exceeded."
    site.drop(draft)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(site):
    draft = site.create()
    site.start(draft, {"key": "big"})
    parts = urlsplit(site.entry(draft, "big")["links"]["content"])
    wire = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    wire.putrequest("PUT", parts.path)
    for name, value in {**site.me.headers, **OCTETS, "Content-Length": str(200 << 30)}.items():
        wire.putheader(name, value)
    wire.endheaders()
    wire.send(bytes(1024))
    assert wire.getresponse().status == 413
    wire.close()
    site.drop(draft)


def test_files_can_be_disabled(site):
    draft = site.create(files={"enabled": False})
    refused = site.start(draft, {"key": "a"})
    assert refused.status_code == 403 and refused.json()["message"] == "Files are not enabled."
    record = site.published(draft)
    assert record["files"]["enabled"] is False and record["access"]["status"] == "metadata-only"


# --------------------------------------------------------------------------------------------------- multipart

PARTS = {"type": "M", "parts": 3, "part_size": 1 << 20}


def started(site, size, **changed):
    draft = site.create()
    answer = site.start(draft, {"key": "m", "size": size, "transfer": {**PARTS, **changed}})
    assert answer.status_code == 201, answer.text
    return draft, site.entry(draft, "m")["links"]


def test_parts_in_any_order(site):
    content = bytes(range(256)) * (9 << 10)
    draft, links = started(site, len(content))
    assert [part["part"] for part in links["parts"]] == [1, 2, 3] and "content" not in links
    for part in reversed(links["parts"]):
        start = (part["part"] - 1) << 20
        assert site.put(part["url"], content[start : start + (1 << 20)]).status_code == 200
    assert site.me.post(links["commit"]).status_code == 200
    done = site.eventually(lambda: (one := site.entry(draft, "m"))["checksum"] and one)
    assert (
        done["checksum"] == f"md5:{md5(content)}" and done["size"] == len(content) and done["transfer"]["type"] == "L"
    )
    late = site.put(links["parts"][0]["url"], content[: 1 << 20])
    assert late.status_code == 400 and "does not support multipart" in late.json()["message"]
    site.drop(draft)


def test_a_commit_with_parts_missing_is_accepted_and_the_holes_are_zeros(site):
    draft, links = started(site, (2 << 20) + 5)
    site.put(links["parts"][2]["url"], b"12345")
    assert site.me.post(links["commit"]).status_code == 200
    done = site.eventually(lambda: (one := site.entry(draft, "m"))["checksum"] and one)
    assert done["checksum"] == f"md5:{md5(bytes(2 << 20) + b'12345')}"
    site.drop(draft)


def test_multipart_needs_size_and_parts(site):
    draft = site.create()
    assert site.start(draft, {"key": "m", "transfer": PARTS}).status_code == 400
    assert site.start(draft, {"key": "m", "size": 5, "transfer": {"type": "M"}}).status_code == 400
    site.drop(draft)
