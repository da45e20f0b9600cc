# SPDX-License-Identifier: Apache-2.0
"""The token stays where it belongs, what is safe is repeated, and every odd answer becomes one plain line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from publish.loopback import Reply, Server
from sidecrate.errors import InputError, NetworkError, RepositoryError
from sidecrate.publish import tokens
from sidecrate.publish.repositories import answers
from sidecrate.publish.repositories.http import ATTEMPTS, Http

TOKEN = "abcDEF0123456789secret"
BUSY = Reply(503, b"<html><title>503 Service Unavailable</title>", {"Content-Type": "text/html"})


def client(server, token=TOKEN):
    waited = []
    return Http(server.url, token, pause=waited.append), waited


# ---------------------------------------------------------------------------------------------- the token


def test_the_token_is_sent_to_its_own_server():
    with Server(Reply(body=b'{"a": 1}')) as server:
        assert client(server)[0].call("GET", "api/records").data == {"a": 1}
        assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_to_another_server_loses_the_token_and_does_not_get_it_back():
    with Server(Reply()) as other, Server(Reply()) as own:
        own.replies = [Reply(302, headers={"Location": f"{other.url}/bucket?sig=1"}), Reply(body=b'{"back": 1}')]
        other.replies = [Reply(302, headers={"Location": f"{own.url}/again"})]
        assert client(own)[0].call("GET", "file").data == {"back": 1}
        assert "Authorization" in own.asked[0].headers
        assert "Authorization" not in other.asked[0].headers
        assert "Authorization" not in own.asked[1].headers


def test_an_address_of_another_server_gets_no_token():
    with Server(Reply()) as own, Server(Reply()) as store:
        client(own)[0].call("PUT", f"{store.url}/part?signature=x", body=b"data")
        assert "Authorization" not in store.asked[0].headers
        assert (store.asked[0].body, store.asked[0].headers["Content-Length"]) == (b"data", "4")


def test_a_netrc_file_does_not_replace_the_token(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Server(Reply()) as server:
        client(server)[0].call("GET", "")
        assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_body_is_not_sent_on_to_another_server():
    with Server(Reply()) as other, Server(Reply(307, headers={"Location": other.url})) as own:
        with pytest.raises(RepositoryError, match="correct the address"):
            client(own)[0].call("POST", "api", json={"title": "x"})
        assert other.asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_is_told_with_its_variable_and_never_shown(status):
    with Server(Reply(status, f'{{"message": "Bad API key {TOKEN}"}}'.encode())) as server:
        with pytest.raises(RepositoryError) as caught:
            client(server)[0].call("GET", "api/user/records")
        port = server.url.rpartition(":")[2]
        assert f"SIDECRATE_TOKEN_127_0_0_1_{port}" in str(caught.value)
        assert TOKEN not in str(caught.value)
        assert caught.value.status == status
        with pytest.raises(RepositoryError, match="put a token of 127"):
            client(server, None)[0].call("GET", "api/user/records")


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://zenodo.org", "without encryption"),
        ("https://me:secret@zenodo.org", "user name or password"),
        ("ftp://zenodo.org", "not the address"),
        ("https://host:port", "not an address"),
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(url, wrong):
    with pytest.raises(InputError, match=wrong) as caught:
        Http(url, TOKEN)
    assert "me:secret" not in str(caught.value)


def test_each_host_has_a_variable_of_its_own(monkeypatch):
    assert tokens.variable("https://zenodo.org/api") == "SIDECRATE_TOKEN_ZENODO_ORG"
    assert tokens.variable("http://127.0.0.1:5000") == "SIDECRATE_TOKEN_127_0_0_1_5000"
    assert tokens.variable("https://Data-Verse.example:443") == "SIDECRATE_TOKEN_DATA__VERSE_EXAMPLE"
    hosts = ["sandbox.zenodo.org", "sandbox-zenodo.org", "sandbox_zenodo.org", "sandbox.zenodo.org:8443"]
    assert len({tokens.variable(f"https://{name}") for name in hosts}) == len(hosts)
    monkeypatch.setenv("SIDECRATE_TOKEN_ZENODO_ORG", f" {TOKEN}\n")
    assert tokens.find("https://zenodo.org") == TOKEN
    assert tokens.find("https://elsewhere.org", ask=False) is None
    monkeypatch.setenv("SIDECRATE_TOKEN_ZENODO_ORG", "a\nb")
    with pytest.raises(InputError, match="SIDECRATE_TOKEN_ZENODO_ORG: holds characters") as caught:
        tokens.find("https://zenodo.org")
    assert "a\nb" not in str(caught.value)


# ---------------------------------------------------------------------------------------------- repeating


@pytest.mark.parametrize("trouble", [Reply(502), Reply(504), BUSY, Reply(drop=True)])
def test_what_is_safe_is_repeated_with_growing_pauses(trouble):
    with Server(trouble, trouble, Reply(body=b'{"done": true}')) as server:
        http, waited = client(server)
        assert http.call("PUT", "file", body=b"same bytes").data == {"done": True}
        assert [asked.body for asked in server.asked] == [b"same bytes"] * 3
        assert 0 < waited[0] <= 1 < waited[1] * 2 <= 4


@pytest.mark.parametrize("trouble", [Reply(502), Reply(504), BUSY, Reply(drop=True)])
def test_what_may_have_been_done_is_not_repeated(trouble):
    with Server(trouble, Reply()) as server:
        with pytest.raises(NetworkError):
            client(server)[0].call("POST", "api/records", json={})
        assert len(server.asked) == 1


def test_too_many_requests_were_not_done_and_are_repeated_when_the_server_says():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90))
    with Server(Reply(429, headers={"Retry-After": "7"}), Reply(429, headers={"Retry-After": soon}), Reply()) as server:
        http, waited = client(server)
        http.call("POST", "api/records", json={"a": 1})
        assert 7 <= waited[0] < 8
        assert 80 < waited[1] < 91
        assert [asked.body for asked in server.asked] == [b'{"a": 1}'] * 3


def test_a_pause_that_comes_with_every_answer_is_not_obeyed():
    with Server(Reply(502, headers={"Retry-After": "500"}), Reply()) as server:
        http, waited = client(server)
        http.call("GET", "x")
        assert waited[0] <= 1


def test_it_gives_up_with_a_network_error_that_says_what_the_server_said():
    with Server(BUSY) as server:
        http, waited = client(server)
        with pytest.raises(NetworkError, match=r"GET /x got 503: 503 Service Unavailable; the server is busy"):
            http.call("GET", "x")
        assert len(server.asked) == ATTEMPTS
        assert len(waited) == ATTEMPTS - 1


def test_nobody_there_is_a_network_error_and_was_tried_again_even_for_a_post():
    with Server(Reply()) as server:
        http, waited = client(server)
    with pytest.raises(NetworkError, match=r"no answer to POST /x \(Connection refused\)"):
        http.call("POST", "x", json={})
    assert len(waited) == ATTEMPTS - 1


# ------------------------------------------------------------------------------------------- odd answers


@pytest.mark.parametrize("kind", ["text/html", "text/plain"])
def test_a_web_page_instead_of_json_is_named_as_one(kind):
    page = Reply(200, b"<!DOCTYPE html><title>Log in</title>", {"Content-Type": kind})
    with (
        Server(page) as server,
        pytest.raises(RepositoryError, match="with a web page; is the address that of its API"),
    ):
        client(server)[0].call("GET", "api")


def test_a_refusal_has_the_servers_own_words_the_field_and_the_status():
    body = b'{"message":"A validation error occurred.","errors":[{"field":"metadata.title","messages":["M."]}]}'
    with Server(Reply(400, body)) as server:
        with pytest.raises(RepositoryError, match=r"A validation error occurred. metadata.title: M\.") as caught:
            client(server)[0].call("POST", "api/records", json={})
        assert (caught.value.status, caught.value.field) == (400, "metadata.title")


@pytest.mark.parametrize("body", [b"", b"null", b"[1]", b"\xff\xfe", b'{"errors": [1, {}], "message": 3}'])
def test_a_refusal_of_any_shape_is_one_line(body):
    with Server(Reply(400, body)) as server:
        with pytest.raises(RepositoryError, match="got 400") as caught:
            client(server)[0].call("GET", "x")
        assert "\n" not in str(caught.value)


def test_an_empty_answer_is_no_data():
    with Server(Reply(204, b"", {"Content-Type": "text/html"})) as server:
        assert client(server)[0].call("DELETE", "x").data is None


def test_an_answer_without_end_is_not_kept_in_memory(monkeypatch):
    monkeypatch.setattr(answers, "_ANSWER_LIMIT", 1000)
    with Server(Reply(200, bytes(2000))) as server, pytest.raises(RepositoryError, match="no end"):
        client(server)[0].call("GET", "x")


def test_a_status_that_was_asked_for_is_an_answer():
    with Server(Reply(404, b'{"message": "gone"}')) as server:
        assert client(server)[0].call("GET", "x", allow=(404,)).status == 404


# --------------------------------------------------------------------------------------------- downloads


def test_a_download_that_ends_early_is_noticed():
    with (
        Server(Reply(200, b"0123456789", cut=4)) as server,
        pytest.raises(NetworkError),
        client(server)[0].download("f") as (_, blocks),
    ):
        list(blocks)


def test_a_download_goes_on_where_it_stopped_when_the_server_can():
    with Server(Reply(206, b"456789"), Reply(200, b"0123456789")) as server:
        http = client(server)[0]
        for start in (4, 0):
            with http.download("f", start=4) as (begins, blocks):
                assert (begins, b"".join(blocks)) == (start, b"0123456789"[start:])
        assert server.asked[0].headers["Range"] == "bytes=4-"
