# SPDX-License-Identifier: Apache-2.0
"""The ledger: a chain that stays whole under concurrency and after ``kill -9``, and runs that never go unsaid."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from provenance.steps import keep_busy, write_notes
from sidecrate.about import About
from sidecrate.artifacts import Files
from sidecrate.errors import RecordError
from sidecrate.project import Project, init
from sidecrate.provenance import crate
from sidecrate.provenance.records import Ledger, digest_of, now
from sidecrate.store import verify

MOMENTS = 10


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return init(tmp_path / "project", About(title="T"))


def busy(root: Path, name: str, count: int) -> BaseProcess:
    """Start a process that works in a project; forked, because an interpreter takes longer to start than to kill."""
    worker = multiprocessing.get_context("fork").Process(target=keep_busy, args=(root, name, count))
    worker.start()
    return worker


def assert_unbroken(ledger: Ledger) -> None:
    previous = None
    for number, path in enumerate(ledger.paths(), 1):
        record = json.loads(path.read_bytes())
        assert (record["number"], record["previous"]) == (number, previous)
        previous = digest_of(path)
    assert ledger.head() == previous


def assert_valid_crate(root: Path) -> dict[str, Any]:
    """Check that the crate is JSON and that everything it says it holds is there; return it."""
    document: dict[str, Any] = json.loads((root / crate.METADATA).read_bytes())
    parts = [entity["@id"] for entity in document["@graph"] if entity["@type"] in ("File", "Dataset")]
    assert [part for part in parts if not (root / unquote(part)).exists()] == []
    return document


# --------------------------------------------------------------------------------------------- the chain


def test_each_record_holds_the_digest_of_the_one_before(project: Project) -> None:
    write_notes(project, 3)
    assert len(project.ledger.paths()) == 4
    assert_unbroken(project.ledger)


def test_a_record_that_breaks_the_schema_is_not_written(project: Project) -> None:
    before = project.ledger.paths()
    with pytest.raises(RecordError, match="record of train: 'id' is a required property"):
        project.ledger.append({"step": "train", "status": "completed", "instrument": {"name": "x"}})
    assert project.ledger.paths() == before


def test_a_number_is_never_given_twice_even_when_a_record_is_lost(project: Project) -> None:
    write_notes(project, 2)
    project.ledger.paths()[1].unlink()
    write_notes(project, 1)
    assert [path.name[:6] for path in project.ledger.paths()] == ["000001", "000003", "000004"]


def test_a_record_that_cannot_be_read_is_named(project: Project) -> None:
    broken = project.ledger.paths()[0]
    broken.chmod(0o644)
    broken.write_bytes(b"{")
    with pytest.raises(RecordError, match=r"records/000001-init\.json: not readable .* `sidecrate audit`"):
        project.records()


def test_two_processes_at_once_make_one_unbroken_chain(project: Project) -> None:
    workers = [busy(project.root, name, 10) for name in ("one", "two")]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert_unbroken(project.ledger)
    made = [use["ref"] for record in project.records() for use in record["outputs"]]
    assert sorted(made) == sorted(f"{name}@v{number}" for name in ("one", "two") for number in range(1, 11))
    document = assert_valid_crate(project.root)
    assert sum(entity["@type"] == "CreateAction" for entity in document["@graph"]) == 20


# --------------------------------------------------------------------------------- runs that were killed


def journalled(project: Project, **changes: Any) -> dict[str, Any]:
    """Return a journal such as a killed process leaves, written."""
    started = {
        "id": "urn:uuid:00000000-0000-4000-8000-000000000000",
        "step": "note",
        "started": now(),
        "inputs": [],
        "outputs": [],
        "parameters": {},
        "agents": [],
        "instrument": {"name": "note"},
        "environment": project.records()[0]["environment"],
        "cost": {"seconds": 0, "recording_seconds": 0},
        **changes,
    }
    with project.ledger.journal(started):
        pass
    return started


def test_a_killed_run_becomes_an_interrupted_record_once(project: Project) -> None:
    started = journalled(project)
    (record,) = Project.find(project.root).records()[1:]
    assert (record["id"], record["status"], record["started"]) == (started["id"], "interrupted", started["started"])
    assert Project.find(project.root).recover() == []
    action = f"#{started['id'].removeprefix('urn:uuid:')}"
    entities = {entity["@id"]: entity for entity in assert_valid_crate(project.root)["@graph"]}
    assert entities[action]["actionStatus"] == "http://schema.org/FailedActionStatus"


def test_a_run_under_way_is_left_alone(project: Project) -> None:
    started = project.records()[0] | {"id": "urn:uuid:00000000-0000-4000-8000-000000000001", "step": "note"}
    with project.ledger.journal(started):
        assert project.recover() == []


def test_a_version_that_was_complete_but_not_recorded_becomes_the_output_of_its_run(project: Project) -> None:
    (orphan,) = write_notes(project, 1)
    project.ledger.paths()[-1].unlink()
    journalled(project, parameters={"into": "files/other"}, id="urn:uuid:00000000-0000-4000-8000-000000000002")
    journalled(project, parameters={"into": "files/notes"})
    outputs = {record["parameters"]["into"]: record["outputs"] for record in project.recover()}
    assert [use["digest"] for use in outputs["files/notes"]] == [orphan.digest]
    assert outputs["files/other"] == []


def test_a_file_kept_for_somebody_elses_program_is_the_output_of_its_killed_run(project: Project) -> None:
    (orphan,) = write_notes(project, 1)
    project.ledger.paths()[-1].unlink()
    journalled(project, parameters={"scale": 2})
    (record,) = project.recover()
    assert [use["digest"] for use in record["outputs"]] == [orphan.digest]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_moment_the_project_is_whole_and_carries_on(tmp_path: Path, seed: int) -> None:
    keep_busy(tmp_path / "first", "notes", 1)  # imports here what each forked process would import again
    root, chance = tmp_path / "project", random.Random(seed)  # noqa: S311  (moments, not secrets)
    kills = 0
    while kills < MOMENTS or (kills < 20 * MOMENTS and "interrupted" not in statuses(root)):
        kills += 1
        worker = busy(root, "notes", 1000)
        time.sleep(chance.uniform(0, 0.2))
        worker.kill()
        worker.join()
        if (root / crate.CONFIG).is_file():  # else it was killed while it made the project
            assert_whole(root)
    keep_busy(root, "notes", 1)
    assert statuses(root) == {"completed", "interrupted"}


def statuses(root: Path) -> set[str]:
    """Return how the recorded runs ended; nothing before there is a project."""
    return {record["status"] for record in Project(root).records()} if (root / crate.CONFIG).is_file() else set()


def assert_whole(root: Path) -> None:
    """Check a project right after a kill, and again after the next command has opened it."""
    assert_valid_crate(root)
    project = Project.find(root)
    document = assert_valid_crate(root)
    assert_unbroken(project.ledger)
    versions = project.artifacts()
    assert [finding for version in versions for finding in verify(version)] == []
    places = {use["place"] for record in project.records() for use in record["outputs"]}
    assert {version.place for version in versions} == places
    assert {f"{place}/" for place in places} <= {entity["@id"] for entity in document["@graph"]}
    assert list((root / Files.folder).glob("*/v*/*.part")) == []
    assert not [path for path in root.glob(".*") if path.name != ".sidecrate"]
