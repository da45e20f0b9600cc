# SPDX-License-Identifier: Apache-2.0
"""A project is deposited as it was when the deposit began, under the DOI that was reserved for it."""

from __future__ import annotations

import json

import pytest

from sidecrate import pipeline
from sidecrate.artifacts import Deposit
from sidecrate.errors import InputError
from sidecrate.provenance import identity
from sidecrate.provenance.records import now
from sidecrate.publish.cite import citation
from sidecrate.publish.frozen import freeze, thaw
from sidecrate.publish.package import unpack
from sidecrate.publish.plan import plan
from sidecrate.store import draft

DOI = "10.5072/abc-1"


def receive(made, status, doi=DOI, **more):
    """Let a repository give a receipt, as a recorded step."""

    def reserve(into):
        receipt = {
            "schema": "urn:sidecrate:schema:receipt:1", "repository": "inveniordm", "object_id": "p", "version": "v1",
            "files": 1, "bytes": 0, "new_bytes": 0, "deposited": now(), "contents": {}, "doi": doi, "status": status,
            **({} if status == "reserved" else {"digest": f"sha256:{'0' * 64}"}), **more,
        }  # fmt: skip
        with draft(Deposit, into) as new:
            new.write_json("receipt.json", receipt)
            return new.finish({"receipt": receipt})

    return made.step(reserve, made.root / "deposits/deposit")


def known_as(made):
    return identity.doi(made.project.records(), made.project.artifacts())


def planned(made):
    return plan(made.root, **made.known())


def test_a_frozen_package_is_the_one_that_packing_makes(made, outside):
    packed = made.pack(outside / "bag")
    freeze(planned(made), outside / "frozen", "state")
    found = thaw(outside / "frozen", made.root, made.project.config, "state")
    assert found.digests == packed.digests
    assert found.digest == packed.digest
    assert unpack(found, outside / "again")
    assert thaw(outside / "frozen", made.root, made.project.config, "other state") is None
    assert thaw(outside / "nothing", made.root, made.project.config, "state") is None


def test_it_stays_the_same_while_the_project_goes_on(made, outside):
    freeze(planned(made), outside / "frozen", "state")
    before = thaw(outside / "frozen", made.root, made.project.config, "state").digest
    made.keep(a=b"new")
    assert thaw(outside / "frozen", made.root, made.project.config, "state").digest == before


def test_a_project_with_a_leak_is_not_frozen(made, outside, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "Josiah Carberry")
    with pytest.raises(InputError):
        freeze(planned(made), outside / "frozen", "state")
    assert not (outside / "frozen").exists()


def test_a_deposit_without_a_package_takes_the_project_and_sends_nothing_twice(made, outside):
    with made.project.recording():
        series = made.project.series(Deposit, "deposit")
        first = pipeline.deposit(None, f"ocfl:{outside / 'archive'}", series)
        again = pipeline.deposit(None, f"ocfl:{outside / 'archive'}", series)
    assert first.meta["receipt"]["version"] == again.meta["receipt"]["version"] == "v1"
    made.keep(a=b"new")
    with made.project.recording():
        third = pipeline.deposit(None, f"ocfl:{outside / 'archive'}", series)
    assert third.meta["receipt"]["version"] == "v2"


def test_a_relative_folder_in_the_projects_table_lies_beside_the_project(made, outside, monkeypatch):
    monkeypatch.chdir(outside)
    config = made.root / "sidecrate.toml"
    config.write_text(config.read_text() + '\n[repositories.attic]\ntype = "ocfl"\npath = "../attic"\n')
    with made.project.recording():
        pipeline.deposit(None, "attic", made.project.series(Deposit, "deposit"))
    assert (made.root.parent / "attic/0=ocfl_1.1").is_file()


# --------------------------------------------------------------------------------------------- the DOI


def test_a_reserved_doi_is_in_crate_page_and_citations_at_once(made, outside):
    assert known_as(made) is None
    receive(made, "reserved")
    assert known_as(made) == DOI
    made.keep(a=b"still to be part of it")
    assert known_as(made) == DOI
    crate = json.loads((made.root / "ro-crate-metadata.json").read_text())
    root = next(entity for entity in crate["@graph"] if entity["@id"] == "./")
    assert root["identifier"] == [f"https://doi.org/{DOI}", made.project.id]
    assert f'<a href="https://doi.org/{DOI}">' in (made.root / "ro-crate-preview.html").read_text()
    package = made.pack(outside / "bag", "labels/pores/v2")
    assert DOI in (package.path / "data/ro-crate-metadata.json").read_text()
    receipts = identity.receipts(made.project.artifacts())
    assert citation(made.get("labels/pores/v2"), **made.known(), receipts=receipts).doi == DOI


def test_a_published_doi_is_that_of_the_project_until_it_changes(made):
    labels = made.get("labels/pores/v1")
    receive(made, "published", contents={labels.place: labels.digest})
    assert known_as(made) == DOI
    made.keep(a=b"not in that deposit")
    assert known_as(made) is None
    receive(made, "reserved", "10.5072/next-2")
    assert known_as(made) == "10.5072/next-2"
    receipts = identity.receipts(made.project.artifacts())
    assert citation(labels, **made.known(), receipts=receipts).doi == DOI  # it is in the published one
    assert citation(made.get("labels/pores/v2"), **made.known(), receipts=receipts).doi == "10.5072/next-2"
