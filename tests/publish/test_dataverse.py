# SPDX-License-Identifier: Apache-2.0
"""Deposits in a Dataverse: what arrives is what was sent, once, whatever happened on the way."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sidecrate.digests import files_below
from sidecrate.errors import InputError, NetworkError, RepositoryError
from sidecrate.publish import tokens
from sidecrate.publish.cite import Citation, Name, Relation
from sidecrate.publish.memory import Memory
from sidecrate.publish.package import Package, open_package
from sidecrate.publish.parcels import Parcel
from sidecrate.publish.repositories import dataverse_api, http
from sidecrate.publish.repositories.base import Receipt, Work
from sidecrate.publish.repositories.dataverse import DataverseRepository
from sidecrate.publish.repositories.dataverse_files import DatasetFiles
from sidecrate.testing import FakeDataverse, faults

TABLE = {"contact_email": "josiah@example.org"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "backoff", lambda _: 0.01)
    monkeypatch.setattr(dataverse_api, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(dataverse_api, "PATIENCE_S", 5.0)


@pytest.fixture(params=["5.13", "6.12"])
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(release: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDataverse]:
    with FakeDataverse(version=release, publish_seconds=0.02, ingest_seconds=0.02, workflow_seconds=0.02) as running:
        monkeypatch.setenv(tokens.variable(running.url), running.token)
        yield running


def direct(server: FakeDataverse, part_bytes: int = 1 << 30) -> None:
    server.settings.is_direct_upload_on = True
    server.settings.part_bytes = part_bytes


def native(server: FakeDataverse) -> None:
    server.settings.is_direct_upload_on = False


WAYS: dict[str, Callable[[FakeDataverse], None]] = {
    "native": native,
    "direct": direct,
    "parts": lambda server: direct(server, 4_000),
}


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, server: FakeDataverse) -> str:
    WAYS[request.param](server)
    return str(request.param)


JOSIAH = Name("Josiah Carberry", "Josiah", "Carberry", "0000-0002-1825-0097", "Brown University", "05gq02987")
PROJECT = "urn:uuid:5a1c1a1e-6f0f-4d53-9b2b-0d3c5b6a7f10"
CITED = Citation(
    ref="Cell", kind="Package", title="Cell", description="A cell.", version="1", digest=PROJECT, date="2026-11-01",
    authors=(JOSIAH,), contributors=((JOSIAH, "DataCollector"),), license="CC-BY-4.0", doi=None, publisher=None,
    url=None, keywords=("testing",), funding=({"funder": "Brown University", "award": "PSYCHO-1929"},),
    relations=(Relation("IsPartOf", "Cell", urn=PROJECT),), missing=(),
)  # fmt: skip


class Project:
    """Files that grow, and bags of them."""

    def __init__(self) -> None:
        self.files = {"data/ro-crate-metadata.json": b"{}", "data/table.csv": b"a,b\n1,2\n"}

    def keep(self, name: str, data: bytes) -> None:
        self.files[f"data/{name}"] = data

    def pack(self, target: Path) -> Package:
        info = (
            f"External-Identifier: {target.name}\nInternal-Sender-Identifier: {PROJECT}\nExternal-Description: Cell\n"
        )
        tags = {
            "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
            "bag-info.txt": info.encode(),
            "manifest-sha256.txt": lines(self.files),
        }
        for name, data in {**self.files, **tags, "tagmanifest-sha256.txt": lines(tags)}.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(data)
        return open_package(target)


def lines(files: dict[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())).encode()


@pytest.fixture
def made() -> Project:
    made = Project()
    made.keep("more.bin", os.urandom(10_000))
    return made


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., Work]:
    return lambda *earlier: Work(CITED, tmp_path / "memory", earlier)


@pytest.fixture
def package(made: Project, tmp_path: Path) -> Package:
    return made.pack(tmp_path / "first")


def repository(server: FakeDataverse, **options: Any) -> DataverseRepository:
    return DataverseRepository(server.url, {**TABLE, **options})


def only(server: FakeDataverse) -> Any:
    """Return the one dataset there is."""
    with server.lock:
        (dataset,) = server.world.datasets.values()
        return dataset


def held(server: FakeDataverse) -> dict[str, Any]:
    return {entry.path: entry for entry in only(server).latest.entries}


def assert_whole(server: FakeDataverse, receipt: Receipt) -> None:
    """The newest version holds what the receipt says, each file once, byte for byte."""
    entries = only(server).latest.entries
    assert sorted(entry.path for entry in entries) == sorted(receipt.parcels)
    for entry in entries:
        known = receipt.parcels[entry.path]  # of a list that was carried over one digest is known
        assert [entry.file.blob.digest(name) for name in ("md5", "sha256") if name in known] == [
            known[name] for name in ("md5", "sha256") if name in known
        ], entry.path
        assert not entry.file.is_tabular


def no_token_left(server: FakeDataverse) -> bool:
    return not any(exchange.token_sent for exchange in server.journal.find(service="store"))


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files_below(folder)}


# ------------------------------------------------------------------------------------------------ the whole way


def test_reserve_deposit_publish_next_version_and_back(made, tmp_path, server, way, package, work):
    there = repository(server)
    reserved = there.reserve(work())
    assert (reserved.status, reserved.version, f"doi:{reserved.doi}") == ("reserved", "1.0", only(server).pid)
    assert there.reserve(work(reserved)).record == reserved.record
    draft = there.deposit(package, work=work(reserved))
    assert (draft.doi, draft.status) == (reserved.doi, "draft")
    assert_whole(server, draft)
    assert [one for one in there.check(draft, package) if one.severity != "advice"] == []
    published = there.deposit(package, work=work(reserved, draft), publish=True)
    assert (published.status, published.version) == ("published", "1.0")
    assert there.deposit(package, work=work(reserved, draft, published)) == published
    planned = there.plan(package, work(reserved, draft, published))
    assert (planned.is_new, planned.version, planned.new_bytes) == (False, "1.0", 0)

    made.keep("other.bin", os.urandom(3_000))
    second = made.pack(tmp_path / "second")
    receipt = there.deposit(second, work=work(published), publish=True)
    assert (receipt.version, receipt.object_id, receipt.doi) == ("2.0", published.object_id, published.doi)
    assert_whole(server, receipt)
    assert list(receipt.parcels.keys() & published.parcels.keys()) != []
    assert [found.version for found in there.versions(receipt.object_id)] == ["1.0", "2.0"]
    assert digests(there.fetch(receipt.object_id, tmp_path / "one", version="1.0")) == package.digests
    assert digests(there.fetch(receipt.object_id, tmp_path / "two")) == second.digests
    assert no_token_left(server)


def test_the_next_version_sends_only_what_is_new(made, tmp_path, server, way, package, work):
    there = repository(server)
    published = there.deposit(package, work=work(), publish=True)
    part = next(name for name in published.parcels if name.endswith(".zip"))
    kept = held(server)[part].file.id
    made.keep("other.bin", b"small")
    second = made.pack(tmp_path / "second")
    planned = there.plan(second, work(published))
    assert {u.path for u in planned.uploads if u.is_held} >= {part}
    before = server.journal.bytes_received()
    there.deposit(second, work=work(published))
    assert held(server)[part].file.id == kept
    assert server.journal.bytes_received() - before < planned.new_bytes + 40_000


def test_a_plan_asks_the_server_and_makes_nothing(server, way, package, work):
    there = repository(server)
    planned = there.plan(package, work())
    assert planned.is_new
    assert not server.world.datasets
    assert [exchange.method for exchange in server.journal if exchange.method != "GET"] == []
    receipt = there.deposit(package, work=work())
    assert {upload.path for upload in planned.uploads} == set(receipt.parcels)
    again = there.plan(package, work(receipt))
    assert [upload.path for upload in again.uploads if not upload.is_held] == []
    assert not again.is_new


def test_a_changed_package_replaces_what_the_draft_holds(made, tmp_path, server, way, package, work):
    there = repository(server)
    draft = there.deposit(package, work=work())
    made.keep("other.bin", b"other")
    again = there.deposit(made.pack(tmp_path / "again"), work=work(draft))
    assert again.record == draft.record
    assert_whole(server, again)


def test_what_somebody_added_by_hand_stays_and_a_file_that_came_twice_goes(made, tmp_path, server, package, work):
    there = repository(server)
    draft = there.deposit(package, work=work())
    for name in ("by hand.pdf", "restore.py"):
        place = f"{server.url}/api/datasets/{draft.record}/add"
        answer = requests.post(
            place, files={"file": (name, b"new")}, headers={"X-Dataverse-key": server.token}, timeout=9
        )
        assert answer.status_code == 200
    assert {"by hand.pdf", "restore-1.py"} <= held(server).keys()
    made.keep("other.bin", b"other")
    again = there.deposit(made.pack(tmp_path / "again"), work=work(draft))
    assert held(server).keys() == {*again.parcels, "by hand.pdf"}
    found = {(one.severity, one.code, one.where) for one in there.check(again) if one.code.startswith("deposit")}
    assert found == {("warning", "deposit.extra", "by hand.pdf")}


# ------------------------------------------------------------------------------------------------------- faults

CUTS = {
    "drop_before": faults.drop_before,
    "drop_after": faults.drop_after,
    "fail_after": faults.fail_after,
    "status_503": lambda: faults.status(503),
    "status_429": lambda: faults.status(429),
    "truncated": faults.truncated_json,
    "login_page": lambda: faults.proxy_page(200),
    "login_page_after": lambda: faults.proxy_page(200, takes_effect=True),
    "wrong_checksum": faults.wrong_checksum,
    "corrupt": faults.corrupt,
}


def requests_of(server: FakeDataverse, deposit: Callable[[], Any]) -> int:
    deposit()
    return len(server.journal)


@pytest.mark.slow
@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_fault_at_any_request_is_overcome_by_repeating(made, tmp_path, monkeypatch, name, way):
    """At every third request in turn: after a repeat there is one dataset, published, each file once and right."""
    package = made.pack(tmp_path / "bag")
    at, total = 1, 1
    while at <= total:
        with FakeDataverse(version="6.12" if at % 2 else "5.13", publish_seconds=0.01) as server:
            monkeypatch.setenv(tokens.variable(server.url), server.token)
            WAYS[way](server)
            server.fail(CUTS[name](), at=at)
            work = Work(CITED, tmp_path / f"memory{at}")
            for _ in range(3):
                try:
                    receipt = repository(server).deposit(package, work=work, publish=True)
                    break
                except (NetworkError, RepositoryError) as error:
                    assert "\n" not in str(error)
                    assert server.token not in str(error)
            assert receipt.status == "published", at
            assert_whole(server, receipt)
            assert only(server).latest.number == (1, 0)
            assert no_token_left(server)
            total = max(total, len(server.journal) if at == 1 else total)
        at += 3


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_killed_after_any_request_and_run_again(made, tmp_path, monkeypatch, way):
    """A process that ends at any request leaves what the next one completes, with no second dataset or file."""
    package = made.pack(tmp_path / "bag")
    original, calls = http.Http._redirected, [0]

    class Killed(BaseException):
        pass

    def until(limit: int) -> Callable[..., Any]:
        calls[0] = 0

        def ask(self: Any, *args: Any) -> Any:
            answer = original(self, *args)
            calls[0] += 1
            if calls[0] == limit:
                raise Killed
            return answer

        return ask

    for limit in range(1, 200, 2):
        with FakeDataverse(version="6.12", publish_seconds=0.01) as server:
            monkeypatch.setenv(tokens.variable(server.url), server.token)
            WAYS[way](server)
            work = Work(CITED, tmp_path / f"memory{limit}")
            monkeypatch.setattr(http.Http, "_redirected", until(limit))
            try:
                repository(server).deposit(package, work=work, publish=True)
                break
            except Killed:
                pass
            monkeypatch.setattr(http.Http, "_redirected", original)
            receipt = repository(server).deposit(package, work=work, publish=True)
            assert receipt.status == "published"
            assert_whole(server, receipt)
            assert only(server).latest.number == (1, 0)
    assert limit > 20


def test_a_lock_that_hangs_ends_in_a_message_and_a_repeat_goes_on(server, package, work, monkeypatch):
    monkeypatch.setattr(dataverse_api, "PATIENCE_S", 0.05)
    server.fail(faults.hang_lock(), path="*/actions/:publish")
    with pytest.raises(NetworkError, match=r"finalizePublication.*ask its people"):
        repository(server).deposit(package, work=work(), publish=True)
    with server.lock:
        only(server).locks.clear()
    assert repository(server).deposit(package, work=work(), publish=True).status == "published"


def test_a_publication_that_releases_nothing_is_told(server, package, work):
    server.settings.registration_fails = True
    with pytest.raises(RepositoryError, match="did not release"):
        repository(server).deposit(package, work=work(), publish=True)
    server.settings.registration_fails = False
    assert repository(server).deposit(package, work=work(), publish=True).version == "1.0"


def test_a_workflow_before_publication_is_waited_for(server, package, work):
    server.settings.has_workflow = True
    assert repository(server).deposit(package, work=work(), publish=True).status == "published"


def test_whoever_may_not_publish_submits_for_review(server, package, work, monkeypatch):
    monkeypatch.setenv(tokens.variable(server.url), server.contributor_token)
    receipt = repository(server).deposit(package, work=work(), publish=True)
    assert receipt.status == "review"
    assert only(server).has_lock("InReview")
    assert repository(server).deposit(package, work=work(receipt), publish=True).status == "review"


def test_addresses_that_expire_are_asked_for_again(server, package, work):
    WAYS["parts"](server)
    server.fail(faults.refuse(403, "Request has expired"), service="store", skip=1)
    assert_whole(server, repository(server).deposit(package, work=work()))
    assert not server.store.uploads


# ----------------------------------------------------------------------------------------------------- messages


def test_nothing_is_made_when_something_is_lacking(server, package, work):
    server.add_collection("strict", required=("producer",) if not server.since(6, 3) else ("alternativeURL",))
    with pytest.raises(RepositoryError, match=r"datasetContactEmail.*contact_email"):
        DataverseRepository(server.url).deposit(package, work=work())
    if server.since(6, 3):
        with pytest.raises(RepositoryError, match="alternativeURL"):
            repository(server, collection="strict").deposit(package, work=work())
    assert not server.world.datasets


@pytest.mark.parametrize("which", ["expired", "none"])
def test_a_wrong_token_names_the_variable(server, package, work, monkeypatch, which):
    if which == "expired":
        monkeypatch.setenv(tokens.variable(server.url), server.expired_token)
    else:
        monkeypatch.delenv(tokens.variable(server.url))
    with pytest.raises(RepositoryError, match=tokens.variable(server.url)) as caught:
        repository(server).deposit(package, work=work())
    assert server.expired_token not in str(caught.value)


def test_limits_are_the_servers_and_stop_a_deposit_before_a_byte_is_sent(server, package, work):
    server.settings.quota_bytes = 5_000
    if not server.since(6, 9):
        pytest.skip("this release does not tell its limits")
    there = repository(server)
    reserved = there.reserve(work())
    planned = there.plan(package, work(reserved))
    assert (planned.limits.bytes, planned.limits.source) == (5_000, "the server")
    assert "deposit.quota" in {finding.code for finding in planned.findings}
    with pytest.raises(RepositoryError, match="5000"):
        there.deposit(package, work=work(reserved))
    assert held(server) == {}


def test_unknown_options_and_other_projects_are_refused(server, package, work, made):
    with pytest.raises(InputError, match="colection"):
        repository(server, colection="x")


# ------------------------------------------------------------------------------------------------------- files


def files_of(server: FakeDataverse, work: Callable[..., Work], tmp_path: Path) -> DatasetFiles:
    there = repository(server)
    dataset = int(str(there.reserve(work()).record))
    return DatasetFiles(there._api, dataset, Memory(tmp_path / "memory.json"))


def test_a_table_in_a_folder_stays_the_table_it_is(server, way, work, tmp_path):
    files = files_of(server, work, tmp_path)
    files.put(Parcel("tables/pores.csv", b"a,b\n1,2\n"), None, lambda _: None)
    server.hurry()
    entry = held(server)["tables/pores.csv"]
    assert entry.file.blob.read() == b"a,b\n1,2\n"
    files.put(Parcel("tables/pores.csv", b"a,b\n3,4\n"), files.entries()["tables/pores.csv"], lambda _: None)
    assert [one.path for one in only(server).latest.entries] == ["tables/pores.csv"]
    assert held(server)["tables/pores.csv"].file.blob.read() == b"a,b\n3,4\n"


def test_names_that_dataverse_would_change_are_refused(server, work, tmp_path):
    files = files_of(server, work, tmp_path)
    for name in ("a:b.csv", "Pörén/x.csv", "x?.txt", "folder/"):
        with pytest.raises(RepositoryError, match="rename"):
            files.put(Parcel(name, b"x"), None, lambda _: None)


def test_what_the_server_then_holds_otherwise_is_found(server, way, package, work):
    there = repository(server)
    receipt = there.deposit(package, work=work())
    with server.lock:
        version = only(server).latest
        entries = {entry.path: entry for entry in version.entries}
        entries["README.md"].label = "LIESMICH.md"
        entries["CITATION.cff"].file.checksum = "0" * len(entries["CITATION.cff"].file.checksum)
        version.entries.remove(entries["restore.py"])
        version.fields["author"]["value"].clear()
    found = {(one.code, one.where) for one in there.check(receipt, package)}
    assert {
        ("deposit.renamed", "README.md"),
        ("deposit.digest", "CITATION.cff"),
        ("deposit.missing", "restore.py"),
        ("metadata.dropped", "metadata.author.0"),
    } <= found


def test_the_metadata_says_who_what_and_under_which_licence(server, made, package, work):
    receipt = repository(server).deposit(package, work=work())
    with server.lock:
        version = only(server).latest
        author = version.fields["author"]["value"][0]
        assert version.terms.licence["name"] == "CC BY 4.0"
    assert author["authorName"]["value"] == "Carberry, Josiah"
    assert author["authorIdentifier"]["value"] == "0000-0002-1825-0097"
    assert version.fields["otherId"]["value"][0]["otherIdValue"]["value"] == PROJECT
    assert [one["contributorType"]["value"] for one in version.fields["contributor"]["value"]] == ["Data Collector"]
    assert version.fields["grantNumber"]["value"][0]["grantNumberValue"]["value"] == "PSYCHO-1929"
    cited = json.loads(held(server)["datacite.json"].file.blob.read())
    assert cited["doi"] == receipt.doi
