# SPDX-License-Identifier: Apache-2.0
"""Deposits in a real InvenioRDM: what arrives is what was sent, once, whatever happened on the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import bagit
import pytest

from sidecrate.digests import files_below
from sidecrate.errors import RepositoryError
from sidecrate.publish import tokens
from sidecrate.publish.repositories.inveniordm import InvenioRdmRepository

pytestmark = pytest.mark.live


def pack(made, target, *places, **options):
    """Pack what bagit-python can judge: it refuses the % in the name of the little project's picture."""
    kept = [found.place for found in made.project.artifacts() if found.name == "kept"]
    return made.pack(target, "evaluations/pores/v1", "measurements/pores/v1", *kept, *places, **options)


def restored(folder):
    run = subprocess.run([sys.executable, "-I", folder / "restore.py"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (bag,) = [path for path in folder.iterdir() if path.is_dir()]
    assert bagit.Bag(str(bag)).is_valid()
    return {name: hashlib.sha256((bag / name).read_bytes()).hexdigest() for name in files_below(bag)}


def errors(found):
    return [finding for finding in found if finding.severity == "error"]


def test_reserve_deposit_publish_and_the_next_version(made, outside, server, repository, work, monkeypatch):
    reserved = repository.reserve(work())
    assert (reserved.status, reserved.version) == ("reserved", "v1")
    assert repository.reserve(work(reserved)).record == reserved.record
    first = pack(made, outside / "first.zip", form="zip")
    draft = repository.deposit(first, work=work(reserved))
    assert (draft.record, draft.doi, draft.status) == (reserved.record, reserved.doi, "draft")
    assert list(repository.check(draft, first)) == []
    assert restored(server.download(draft.record, "/draft", outside / "draft")) == first.digests
    published = repository.deposit(first, work=work(reserved, draft), publish=True)
    assert (published.doi, published.status) == (reserved.doi, "published")
    assert published.concept_doi not in (None, published.doi)
    assert server.records_of(made.project.id) == [published.record]
    assert repository.deposit(first, work=work(reserved, draft, published)) == published
    monkeypatch.delenv(tokens.variable(server.url))
    assert list(InvenioRdmRepository(server.url).check(published)) == []  # a public record needs no token
    assert list(InvenioRdmRepository(server.url).check_itself(published.record)) == []

    made.keep(more__bin=os.urandom(5_000))
    second = pack(made, outside / "second")
    receipt = repository.deposit(second, work=work(published), publish=True)
    assert (receipt.version, receipt.object_id) == ("v2", published.object_id)
    assert receipt.doi != published.doi
    assert receipt.concept_doi == published.concept_doi
    assert restored(server.download(receipt.record, "", outside / "two")) == second.digests
    assert restored(server.download(published.record, "", outside / "one")) == first.digests
    assert [found.version for found in repository.versions(receipt.object_id)] == ["v1", "v2"]
    back = repository.fetch(receipt.object_id, outside / "back", version="v1")
    assert {n: hashlib.sha256((back / n).read_bytes()).hexdigest() for n in files_below(back)} == first.digests


def test_the_metadata_says_who_what_and_under_which_licence(made, outside, server, repository, work):
    receipt = repository.deposit(pack(made, outside / "bag"), work=work())
    told = server.ask("GET", f"records/{receipt.record}/draft")["metadata"]
    person = told["creators"][0]["person_or_org"]
    assert (person["name"], person["identifiers"][0]["identifier"]) == ("Carberry, Josiah", "0000-0002-1825-0097")
    assert [one["role"]["id"] for one in told["contributors"]] == ["datacollector", "datacollector"]
    assert told["rights"][0]["id"] == "cc-by-4.0"
    assert [one["subject"] for one in told["subjects"]] == ["testing", "RO-Crate"]
    assert told["funding"][0]["award"]["number"] == "PSYCHO-1929"
    assert told["related_identifiers"][0]["identifier"] == made.project.id
    assert told["version"] == "1"
    cited = json.loads((server.download(receipt.record, "/draft", outside / "d") / "datacite.json").read_text())
    assert cited["doi"] == receipt.doi


def test_a_plan_says_what_a_deposit_then_does(made, outside, server, repository, work):
    package = pack(made, outside / "bag")
    planned = repository.plan(package, work())
    assert planned.is_new
    assert not any(upload.is_held for upload in planned.uploads)
    assert server.records_of(made.project.id) == []
    draft = repository.deposit(package, work=work())
    assert {u.path for u in planned.uploads} == set(server.files(draft.record)) == set(draft.parcels)
    again = repository.plan(package, work(draft))
    assert [u.path for u in again.uploads if not u.is_held] == []
    assert not again.is_new


def test_a_changed_package_replaces_what_the_draft_holds(made, outside, server, repository, work):
    draft = repository.deposit(pack(made, outside / "one"), work=work())
    server.put(draft.record, "by hand.pdf", b"%PDF")
    server.put(draft.record, "old-title-v1-part2.zip", b"left by a version under another title")
    made.keep(more__bin=b"more")
    package = pack(made, outside / "two")
    again = repository.deposit(package, work=work(draft))
    assert (again.record, again.doi) == (draft.record, draft.doi)
    assert set(server.files(again.record)) == {*again.parcels, "by hand.pdf"}
    assert [(f.severity, f.code, f.where) for f in repository.check(again)] == [
        ("warning", "deposit.extra", "by hand.pdf")
    ]
    assert restored(server.download(again.record, "/draft", outside / "d")) == package.digests


def test_a_hundred_and_fifty_small_files_are_few(made, outside, server, repository, work):
    made.keep(**{f"f{number}": os.urandom(100) for number in range(150)})
    package = pack(made, outside / "bag")
    receipt = repository.deposit(package, work=work())
    assert len(server.files(receipt.record)) < 12
    assert restored(server.download(receipt.record, "/draft", outside / "d")) == package.digests


def test_a_file_of_more_than_a_hundred_mebibytes_arrives(made, outside, server, repository, work):
    made.keep(large=os.urandom(130 << 20))
    package = pack(made, outside / "bag")
    receipt = repository.deposit(package, work=work())
    assert restored(server.download(receipt.record, "/draft", outside / "d")) == package.digests
    shutil.rmtree(outside)


def test_what_somebody_changed_there_is_found(made, outside, server, repository, work):
    package = pack(made, outside / "bag")
    receipt = repository.deposit(package, work=work())
    place = f"records/{receipt.record}/draft"
    told = server.ask("GET", place)
    body = json.loads(json.dumps(receipt.metadata))
    body["contributors"].pop()
    body["rights"] = [{"id": "cc0-1.0"}]
    server.ask("PUT", place, json={"metadata": body, "files": told["files"] | {"enabled": True}})
    server.ask("DELETE", f"{place}/files/CITATION.cff")
    server.put(receipt.record, "cite.cff", b"other")
    found = {(finding.code, finding.where) for finding in repository.check(receipt)}
    assert found == {
        ("deposit.missing", "CITATION.cff"),
        ("deposit.extra", "cite.cff"),
        ("metadata.dropped", "metadata.contributors.1"),
        ("metadata.dropped", "metadata.rights.0"),
    }


def test_without_or_with_a_wrong_token_the_message_names_the_variable(made, outside, server, work, monkeypatch):
    variable = tokens.variable(server.url)
    package = pack(made, outside / "bag")
    for token, said in ((None, "a deposit needs a token"), ("wrong", "is wrong, expired or has too few rights")):
        monkeypatch.delenv(variable)
        if token:
            monkeypatch.setenv(variable, token)
        with pytest.raises(RepositoryError, match=variable) as caught:
            InvenioRdmRepository(server.url).deposit(package, work=work())
        assert said in str(caught.value)
        monkeypatch.setenv(variable, server.token)
