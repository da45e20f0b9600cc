# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a call, and what is not: the promises of observing by type."""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from provenance.steps import note, work, write_note, write_notes
from sidecrate.about import About
from sidecrate.artifacts import Artifact, Files, Person
from sidecrate.errors import InputError, RecordError
from sidecrate.project import Project, init
from sidecrate.provenance import recorder
from sidecrate.provenance.recorder import RecordWarning, observe, recorded

WHO = Person("Josiah Carberry", "0000-0002-1825-0097")
SECRET = "hunter2-hunter2"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return init(tmp_path / "project", About(title="T"))


@pytest.fixture
def notes(project: Project) -> Path:
    return project.series(Files, "notes")


def last(project: Project) -> dict[str, Any]:
    return project.records()[-1]


# ------------------------------------------------------------------------------- what the types decide


def test_an_artifact_is_an_input_a_returned_one_an_output_and_the_rest_are_parameters(
    project: Project, notes: Path
) -> None:
    first = note("one", notes)
    with project.recording():
        second = write_note("two", notes, earlier=first)
    record = last(project)
    assert [(use["role"], use["ref"], use["digest"]) for use in record["inputs"]] == [
        ("earlier", "notes@v1", first.digest)
    ]
    assert [(use["ref"], use["digest"]) for use in record["outputs"]] == [("notes@v2", second.digest)]
    assert record["parameters"] == {"text": "two", "into": "files/notes"}


def test_a_place_to_write_to_is_a_parameter_relative_to_the_project(project: Project, notes: Path) -> None:
    with project.recording():
        write_note("one", notes)
    assert last(project)["parameters"]["into"] == "files/notes"
    assert last(project)["inputs"] == []


def test_artifacts_are_found_in_lists_and_mappings_by_their_role(project: Project, notes: Path) -> None:
    one, two, three = (note(text, notes) for text in "abc")

    def gather(many: list[Files], by_name: dict[str, Files]) -> None: ...

    with project.recording():
        observe(gather)([one, two], {"third": three})
    assert [(use["role"], use["ref"]) for use in last(project)["inputs"]] == [
        ("many", "notes@v1"),
        ("many", "notes@v2"),
        ("third", "notes@v3"),
    ]


def test_a_person_is_the_agent_and_the_operator_only_where_nobody_is_named(tmp_path: Path) -> None:
    operator = Person("The Operator")
    project = init(tmp_path / "p", About(title="T"), operator)

    def paint(who: Person | None) -> None: ...

    with project.recording():
        observe(paint)(WHO)
        assert last(project)["agents"] == [{"name": WHO.name, "orcid": WHO.orcid}]
        observe(paint)(None)
        assert last(project)["agents"] == [{"name": "The Operator"}]


def test_a_returned_argument_is_not_its_own_parent(project: Project, notes: Path) -> None:
    given = note("one", notes)
    with project.recording():
        assert observe(lambda thing: thing, step="pass")(given) is given
    assert last(project)["outputs"] == []
    assert [use["ref"] for use in last(project)["inputs"]] == ["notes@v1"]


def test_a_new_version_with_the_bytes_of_its_input_is_an_output(project: Project, notes: Path) -> None:
    def again(earlier: Files, into: Path) -> Files:
        return note("same", into)

    first = note("same", notes)
    with project.recording():
        second = observe(again)(first, notes)
    assert second.digest == first.digest
    assert [use["place"] for use in last(project)["outputs"]] == ["files/notes/v2"]


def test_an_input_changed_in_place_is_caught(project: Project, notes: Path) -> None:
    def vandal(thing: Files) -> Files:
        (thing.path / "note.txt").chmod(0o644)
        (thing.path / "note.txt").write_text("other words")
        return thing

    with project.recording(), pytest.raises(RecordError, match=r"files/notes/v1: vandal changed its input in place"):
        observe(vandal)(note("one", notes))
    assert last(project)["status"] == "failed"


def test_a_generator_is_consumed_inside_the_run(project: Project, notes: Path) -> None:
    def several(into: Path, count: int) -> Iterator[Files]:
        for number in range(count):
            yield note(f"n{number}", into)

    with project.recording():
        made = observe(several)(notes, 3)
        assert [use["ref"] for use in last(project)["outputs"]] == ["notes@v1", "notes@v2", "notes@v3"]
    assert [artifact.ref for artifact in made] == ["notes@v1", "notes@v2", "notes@v3"]


@dataclass(frozen=True)
class Options:
    rate: float
    boxes: tuple[tuple[int, int, int], ...]


def test_parameters_are_plain_json_that_a_stranger_can_read(project: Project) -> None:
    def tune(options: Options, weights: np.ndarray, limits: Any, folder: Path, report: Callable[[], None]) -> None: ...

    with project.recording() as writing:
        limits = (float("inf"), np.float32("nan"), np.int64(3), {"b", "a"})
        observe(tune)(Options(0.5, ((0, 1, 2),)), np.arange(3, dtype="uint8"), limits, Path("/else/where"), print)
    assert writing.failures == []
    digest = "sha256:ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc"  # of the bytes 0, 1, 2
    assert last(project)["parameters"] == {
        "options": {"rate": 0.5, "boxes": [[0, 1, 2]]},
        "weights": {"shape": [3], "dtype": "uint8", "digest": digest},
        "limits": ["inf", "nan", 3, ["a", "b"]],
        "folder": "where",
    }


# ------------------------------------------------------------------------------------------ who records


def test_without_a_project_a_step_is_just_called(tmp_path: Path) -> None:
    assert write_note("one", tmp_path / "notes").ref == "notes@v1"
    with pytest.raises(RecordError, match="open_project"), recorder.run("step"):
        pass


@pytest.mark.parametrize(
    "workers",
    [
        partial(ThreadPoolExecutor, 1),
        partial(ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context("spawn")),
        partial(ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context("fork")),
    ],
    ids=["thread", "spawned process", "forked process"],
)
def test_workers_return_values_and_the_caller_records(
    project: Project, notes: Path, workers: Callable[[], Executor]
) -> None:
    def shared_out(into: Path) -> Files:
        with workers() as pool:
            return pool.submit(work, into).result()

    before = len(project.records())
    with project.recording():
        observe(shared_out, step="shared-out")(notes)
    assert [record["step"] for record in project.records()[before:]] == ["shared-out"]
    assert last(project)["outputs"][0]["ref"] == "notes@v1"


def test_a_thread_that_carries_the_context_along_still_does_not_record(project: Project, notes: Path) -> None:
    with project.recording():
        before = len(project.records())
        thread = threading.Thread(target=copy_context().run, args=(write_note, "one", notes))
        thread.start()
        thread.join()
    assert len(project.records()) == before


def test_a_forked_child_that_leaves_the_block_writes_no_second_record(project: Project) -> None:
    with project.recording(), recorder.run("fork-in-the-middle"):
        child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [record["step"] for record in project.records()] == ["init", "fork-in-the-middle"]


def test_projects_do_not_mix(tmp_path: Path) -> None:
    one, two = (init(tmp_path / name, About(title=name)) for name in ("one", "two"))
    with one.recording():
        with two.recording():
            write_note("for two", two.series(Files, "notes"))
        write_note("for one", one.series(Files, "notes"))
    assert recorder.active() is None
    assert [record["parameters"].get("text") for record in one.records()] == [None, "for one"]
    assert [record["parameters"].get("text") for record in two.records()] == [None, "for two"]


def test_a_run_inside_a_run_is_a_record_of_its_own(project: Project, notes: Path) -> None:
    def outer(into: Path) -> Files:
        return write_note("inner", into)

    with project.recording():
        observe(outer)(notes)
    inner, whole = project.records()[1:]
    assert (inner["step"], whole["step"]) == ("note", "outer")
    assert inner["outputs"] == whole["outputs"]


# ------------------------------------------------------------------------- when something goes wrong


def test_failure_and_interruption_leave_records_that_say_why(project: Project) -> None:
    def fall(error: type[BaseException]) -> None:
        raise error("it hurts")

    with project.recording():
        with pytest.raises(ValueError, match="it hurts"):
            observe(fall)(ValueError)
        with pytest.raises(KeyboardInterrupt):
            observe(fall)(KeyboardInterrupt)
    failed, interrupted = project.records()[1:]
    assert (failed["status"], failed["error"]) == ("failed", {"type": "ValueError", "message": "it hurts"})
    assert (interrupted["status"], interrupted["error"]["type"]) == ("interrupted", "KeyboardInterrupt")


@contextmanager
def disk_nearly_full() -> Iterator[None]:
    """Let no file grow beyond 200 bytes: what a full disk looks like to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_record_that_cannot_be_written_costs_neither_the_result_nor_the_story(project: Project, notes: Path) -> None:
    def fill_the_disk(into: Path) -> Files:
        made = note("precious", into)
        stack.enter_context(disk_nearly_full())
        return made

    with ExitStack() as stack, project.recording() as writing, pytest.warns(RecordWarning, match="result .* is kept"):
        made = observe(fill_the_disk)(notes)
        assert (made.path / "note.txt").read_text() == "precious\n"
        assert len(writing.failures) == 1
    assert [record["step"] for record in project.records()] == ["init"]
    (recovered,) = Project.find(project.root).records()[1:]
    assert (recovered["step"], recovered["status"]) == ("fill-the-disk", "interrupted")
    assert [use["digest"] for use in recovered["outputs"]] == [made.digest]


def test_a_run_that_cannot_be_journalled_is_not_begun(project: Project, notes: Path) -> None:
    with disk_nearly_full(), project.recording(), pytest.raises(RecordError, match=r"note was not begun.*too large"):
        write_note("one", notes)
    assert not notes.exists()


def test_a_records_folder_that_is_gone_wrong_is_said_and_the_result_kept(project: Project, notes: Path) -> None:
    def misplace(into: Path) -> Files:
        (project.root / "records").rename(project.root / "moved")
        (project.root / "records").write_text("in the way")
        return note("precious", into)

    with project.recording() as writing, pytest.warns(RecordWarning, match="misplace"):
        made = observe(misplace)(notes)
    assert made.path.is_dir()
    assert len(writing.failures) == 1


# ------------------------------------------------------------------------------- what must never be told


def test_no_secret_and_no_path_of_this_machine_is_recorded(
    project: Project, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", SECRET)

    def leak(text: str, where: Path, options: dict[str, str], password: str) -> None:
        raise OSError(f"cannot open {project.root}/files/x and {tmp_path}/deep/down.txt with {SECRET}")

    command = f"sidecrate deposit --api-token argv-secret --to https://me:pass-secret@example.org {tmp_path}/deep/a.npz"
    with project.recording(command) as writing, pytest.raises(OSError, match="cannot open"):
        observe(leak)("uses a token", tmp_path / "deep" / "volume.tif", {"db_password": "dict-secret"}, "arg-secret")
    assert writing.failures == []
    everything = b"".join(path.read_bytes() for path in project.root.rglob("*") if path.is_file())
    for told in (SECRET, "argv-secret", "pass-secret", "dict-secret", "arg-secret", str(tmp_path), str(Path.home())):
        assert told.encode() not in everything
    record = last(project)
    assert record["error"]["message"] == "cannot open files/x and …/down.txt with [removed]"
    assert record["parameters"]["where"] == "volume.tif"
    assert record["command"].endswith("https://[removed]@example.org …/a.npz")


def test_a_text_that_holds_a_token_is_refused_before_anything_is_done(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", SECRET)
    done = []
    with project.recording(), pytest.raises(InputError, match="note: holds the value of SOME_API_TOKEN") as refused:
        observe(lambda note: done.append(note), step="keep")(f"uses {SECRET}")
    assert done == []
    assert SECRET not in str(refused.value)


# ----------------------------------------------------------------------------------- other people's code


@recorded
def convert(source: Path, target: Path, scale: int = 2) -> Path:
    target.write_bytes(source.read_bytes() * scale)
    return target


def test_a_recorded_function_has_its_files_in_the_graph(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("ab")
    with project.recording():
        assert convert(source, tmp_path / "out.txt") == tmp_path / "out.txt"
        convert(tmp_path / "out.txt", tmp_path / "third.txt")
    first, second = project.records()[1:]
    assert first["step"] == "convert"
    assert first["instrument"]["swhid"].startswith("swh:1:cnt:")
    assert [(use["kind"], use["name"], use["bytes"]) for use in first["inputs"]] == [("File", "in.txt", 2)]
    assert first["parameters"] == {"target": "out.txt", "scale": 2}
    assert second["inputs"][0]["digest"] == first["outputs"][0]["digest"]


def test_a_block_is_a_run_with_what_it_was_told(project: Project, notes: Path) -> None:
    with project.recording(), recorder.run("by-hand", instrument={"name": "a script", "version": "3"}) as run:
        run.input(note("one", notes), role="first")
        run.parameter("seed", 7)
        run.agent(WHO)
        run.output(note("two", notes), role="second")
    record = last(project)
    assert record["instrument"] == {"name": "a script", "version": "3"}
    assert ([use["role"] for use in record["inputs"]], [use["role"] for use in record["outputs"]]) == (
        ["first"],
        ["second"],
    )
    assert (record["parameters"], record["agents"][0]["orcid"]) == ({"seed": 7}, WHO.orcid)


def test_every_output_lies_where_its_record_says(project: Project) -> None:
    made: list[Artifact] = [*write_notes(project, 3)]
    recorded_uses = [use for record in project.records() for use in record["outputs"]]
    assert [(use["place"], use["digest"]) for use in recorded_uses] == [(a.place, a.digest) for a in made]
