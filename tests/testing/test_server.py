# SPDX-License-Identifier: Apache-2.0
"""The frame of the fakes: forms are read as a stream, faults strike where aimed, the journal tells the truth."""

from __future__ import annotations

import random
import socket
import tracemalloc
from email.message import Message

import pytest
import requests

from sidecrate.testing import FakeDataverse, faults
from sidecrate.testing.blobs import Spool
from sidecrate.testing.multipart import BadFormError, boundary_of, read_form
from sidecrate.testing.routes import Route, find
from testing.dataverse.client import Client
from testing.digests import md5

ADD = {"method": "POST", "path": "*/add"}


@pytest.fixture
def server():
    with FakeDataverse(publish_seconds=0) as running:
        yield running


@pytest.fixture
def client(server):
    return Client(server)


def labels(client, dataset):
    return [one["label"] for one in client.version(dataset)["files"]]


# ------------------------------------------------------------------------------------------------------- forms


def parts(body, boundary, tmp_path, seed=0):
    """Read a form in pieces of random sizes."""
    rng, position, number = random.Random(seed), 0, 0  # noqa: S311

    def read_some(most):
        nonlocal position
        size = min(rng.randint(1, 9), most)
        position += size
        return body[position - size : position]

    def spool(is_file):
        nonlocal number
        number += 1
        return Spool(tmp_path / f"{seed}-{number}", ("md5",))

    return list(read_form(read_some, boundary, spool))


@pytest.mark.parametrize("seed", range(5))
def test_a_form_is_the_same_however_it_arrives(tmp_path, seed):
    content = random.Random(seed).randbytes(500) + b"\r\n--B\r\n--Boundar\r\n-"  # noqa: S311
    body = (
        b'preamble\r\n--Boundary\r\nContent-Disposition: form-data; name="file"; filename="a%22\\"b;c.bin"\r\n'
        b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--Boundary\r\n"
        b'content-disposition: form-data; name="jsonData"\r\n\r\n\r\n--Boundary--\r\nepilogue'
    )
    file, data = parts(body, "Boundary", tmp_path, seed)
    assert (file.name, file.filename, file.content_type) == ("file", 'a""b;c.bin', "image/png")
    assert file.blob.read() == content and file.blob.digests["md5"] == md5(content)
    assert (data.name, data.filename, data.content_type, data.text()) == ("jsonData", None, None, "")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('filename="Kern übersicht.csv"', "Kern übersicht.csv"),
        ("filename*=utf-8''Kern%20%C3%BCbersicht.csv", "Kern übersicht.csv"),
        ("filename=plain.csv", "plain.csv"),
    ],
)
def test_file_names_are_read_whichever_way_they_are_written(tmp_path, written, name):
    body = f'--b\r\nContent-Disposition: form-data; name="file"; {written}\r\n\r\nx\r\n--b--\r\n'.encode()
    assert parts(body, "b", tmp_path)[0].filename == name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary",
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nno end',
        b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nx\r\n--bad',
        b"--b\r\n" + b"h: " + b"x" * 20_000,
    ],
)
def test_what_is_no_form_is_refused(tmp_path, body):
    with pytest.raises(BadFormError):
        parts(body, "b", tmp_path)
    assert [path for path in tmp_path.iterdir() if path.stat().st_size and b"no end" in path.read_bytes()] == []


@pytest.mark.parametrize("header", ["multipart/form-data", "multipart/form-data; boundary=", 'x/y; boundary="a\n"'])
def test_boundaries_that_are_none(header):
    message = Message()
    message["Content-Type"] = header.replace("\n", " ")
    with pytest.raises(BadFormError):
        boundary_of(message["Content-Type"])


def test_a_large_upload_takes_little_memory(client):
    dataset, size = client.create(), 64 << 20

    def body():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n'
        for _ in range(size >> 20):
            yield bytes(1 << 20)
        yield b"\r\n--b--\r\n"

    tracemalloc.start()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post(f"/datasets/{dataset}/add", data=body(), headers=headers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.json()["data"]["files"][0]["dataFile"]["filesize"] == size
    assert peak < 8 << 20, peak


# ------------------------------------------------------------------------------------------------------ routes


def _nothing(server, request):
    raise NotImplementedError


def test_routes_by_method_path_and_release():
    table = (
        Route("GET", "/a/{id}", _nothing),
        Route("GET", "/a/{id}/:new", _nothing, (6, 1)),
        Route("PUT", "/f/{key:path}/content", _nothing),
    )
    assert find(table, "GET", "/a/x%2Fy", (6,))[1] == {"id": "x/y"}
    assert find(table, "PUT", "/f/a/b%3F/content", (6,))[1] == {"key": "a/b?"}
    assert find(table, "GET", "/a/1/:new", (6, 2))[0] is table[1]
    for method, path, status in (("GET", "/a/1/:new", 404), ("POST", "/a/1", 405), ("GET", "/a/1/2", 404)):
        with pytest.raises(Exception) as caught:
            find(table, method, path, (6,))
        assert caught.value.status == status


# ------------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("fault", "has_effect"),
    [
        (faults.drop_before(), False),
        (faults.drop_mid_body(100), False),
        (faults.drop_after(), True),
        (faults.drop_mid_answer(10), True),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_dropped_connections(server, client, fault, has_effect):
    dataset = client.create()
    server.fail(fault, **ADD)
    with pytest.raises(requests.RequestException):
        client.add(dataset, "x", bytes(1000))
    exchange = server.journal.find(**ADD)[0]
    assert exchange.status is None and exchange.fault == fault.name
    assert exchange.bytes_received == {"drop_before": 0, "drop_mid_body": 100}.get(fault.name, exchange.bytes_received)
    assert labels(client, dataset) == (["x"] if has_effect else [])


@pytest.mark.parametrize(
    ("fault", "status", "has_effect"),
    [
        (faults.fail_after(500), 500, True),
        (faults.status(503), 503, False),
        (faults.status(429, retry_after="7"), 429, False),
        (faults.refuse(400, "Not today."), 400, False),
        (faults.proxy_page(504, takes_effect=True), 504, True),
        (faults.proxy_page(200), 200, False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_answers_of_others(server, client, fault, status, has_effect):
    dataset = client.create()
    server.fail(fault, **ADD)
    answer = client.add(dataset, "x", b"x")
    assert answer.status_code == status
    assert labels(client, dataset) == (["x"] if has_effect else [])
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
    if fault.page:
        assert answer.text.startswith("<html>")
    else:
        assert answer.json()["status"] == "ERROR"
    assert client.add(dataset, "y", b"y").status_code == 200, "a fault strikes once"


def test_half_of_the_json(server, client):
    server.fail(faults.truncated_json(), method="GET")
    answer = client.get("/licenses")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"line 1"):
        answer.json()


def test_a_wrong_checksum_in_the_answer_and_wrong_bytes_on_disk(server, client):
    dataset, right = client.create(), md5(b"abc")
    server.fail(faults.wrong_checksum(), **ADD)
    first = client.added(dataset, "x", b"abc")["dataFile"]
    assert first["checksum"]["value"] != right and first["md5"] != right
    assert client.version(dataset)["files"][0]["dataFile"]["checksum"]["value"] == right
    server.fail(faults.corrupt(), **ADD)
    second = client.added(dataset, "y", b"abc")["dataFile"]
    assert second["checksum"]["value"] == md5(b"`bc")
    assert client.get(f"/access/datafile/{second['id']}").content == b"`bc"


def test_faults_are_aimed_by_number_and_count(server, client):
    server.fail(faults.status(503), at=2)
    server.fail(faults.status(429), path="/api/licenses", skip=1, times=2)
    codes = [client.get("/licenses").status_code for _ in range(6)]
    assert codes == [200, 503, 429, 429, 200, 200], "the second never reached the other fault"


def test_redirects_go_where_they_are_told(server, client):
    server.fail(faults.redirect("http://localhost:9/x"), method="GET")
    answer = client.get("/licenses", allow_redirects=False)
    assert answer.status_code == 302 and answer.headers["Location"] == "http://localhost:9/x"


# ----------------------------------------------------------------------------------------------------- journal


def test_the_journal_knows_tokens_wherever_they_are(server):
    api = f"{server.url}/api/info/version"
    requests.get(api, timeout=5)
    requests.get(api, headers={"Authorization": "Basic eDp5"}, timeout=5)
    requests.get(api, headers={"X-Other": server.token}, timeout=5)
    requests.get(api, params={"key": server.token}, timeout=5)
    assert [exchange.token_sent for exchange in server.journal] == [False, True, True, True]
    first = server.journal[0]
    assert (first.number, first.service, first.method, first.path) == (1, "api", "GET", "/api/info/version")
    assert "user-agent" in first.header_names and first.host == server.url.partition("//")[2]
    assert first.status == 200 and first.bytes_sent > 0


def test_the_journal_counts_bytes_of_bodies(server, client):
    dataset = client.create()
    before = server.journal.bytes_received()
    client.added(dataset, "x", bytes(5000))
    assert 5000 < server.journal.bytes_received() - before < 6000
    assert server.journal.bytes_received("store") == 0


def test_connections_are_kept_and_continue_is_answered(server):
    host, _, port = server.url.partition("//")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as wire:
        head = f"POST /api/dataverses/root/datasets?key={server.token} HTTP/1.1\r\nHost: x\r\n"
        wire.sendall(
            f"{head}Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode()
        )
        assert wire.recv(1000).startswith(b"HTTP/1.1 100 ")
        wire.sendall(b"{}")
        assert b" 500 " in wire.recv(10_000)
        wire.sendall(b"GET /api/info/version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in wire.recv(10_000)


def test_nothing_is_left_behind():
    with FakeDataverse() as server:
        Client(server).added(Client(server).create(), "x", b"x")
        folder = server.folder
        assert len(list(folder.iterdir())) == 1, "only what is in the dataset is kept"
    assert not folder.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=2)


def test_a_failure_of_the_fake_itself_is_not_hidden():
    with pytest.raises(AssertionError, match="ZeroDivisionError"), FakeDataverse() as server:
        server.later(0, lambda: 1 / 0)
        assert requests.get(f"{server.url}/api/licenses", timeout=5).status_code == 500
