# SPDX-License-Identifier: Apache-2.0
"""What a clumsy or hostile person types is answered in one line, and a terminal is never driven by a name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Cli = Callable[..., tuple[int, str, str]]


def shell(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own."""
    words = [sys.executable, "-m", "sidecrate", *map(str, arguments)]
    return subprocess.run(words, check=False, **{"capture_output": True, **options})  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("license_id", ["MIT AND", "https://example.org/licence", "(MIT"])
def test_a_licence_that_is_no_expression_is_told(run: Cli, tmp_path: Path, license_id: str) -> None:
    code, _, err = run("init", tmp_path / "p", "--title", "T", "--license", license_id)
    assert (code, err.count("\n")) == (3, 1)
    assert "SPDX" in err


@pytest.mark.parametrize(
    "said", [["--title", " \n"], ["--title", "\x1b[31mred"], ["--title", "T", "--person", "A\x07"]]
)
def test_a_title_or_name_is_one_line_with_something_on_it(run: Cli, tmp_path: Path, said: list[str]) -> None:
    code, _, err = run("init", tmp_path / "p", *said)
    assert (code, err.count("\n")) == (3, 1)
    assert not (tmp_path / "p" / "sidecrate.toml").exists()


def test_links_in_a_circle_are_told(run: Cli, project: Path) -> None:
    loop = project.parent / "loop"
    loop.symlink_to(loop)
    for arguments in (["-C", loop, "status"], ["-C", project, "add", loop, "--reference"]):
        code, _, err = run(*arguments)
        assert (code, err.count("\n"), "unexpected" in err) == (3, 1, False)


def test_what_is_not_utf8_is_refused_before_anything_is_done(run: Cli, project: Path) -> None:
    code, _, err = run("-C", project, "add", os.fsdecode(b"old\xff.npy"), "--voxel-nm", 8, 8, 8)
    assert (code, err.count("\n")) == (3, 1)
    assert "UTF-8" in err
    assert len(list((project / "records").iterdir())) == 1


def test_zarr_metadata_that_leads_out_is_told(run: Cli, project: Path, tmp_path: Path) -> None:
    levels = [{"axes": [{"name": name} for name in "zyx"], "datasets": [{"path": "../../etc"}]}]
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"multiscales": levels}}}
    (tmp_path / "far.zarr").mkdir()
    (tmp_path / "far.zarr" / "zarr.json").write_text(json.dumps(document))
    code, _, err = run("-C", project, "add", tmp_path / "far.zarr", "--reference", "--voxel-nm", 8, 8, 8)
    assert (code, err.count("\n"), "unexpected" in err) == (3, 1, False)


def test_a_voxel_smaller_than_an_atom_is_refused(run: Cli, project: Path, source: Path) -> None:
    code, _, err = run("-C", project, "add", source / "cell.npy", "--voxel-nm", "1e-320", 8, 8)
    assert (code, "voxel size" in err) == (3, True)


def test_a_class_name_is_one_line(run: Cli, with_image: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.full((72, 130), 2, np.uint8))
    code, _, err = run("-C", with_image, "label", "add", f"z:3={tmp_path / 'm.npy'}", "--class", "2=\x1b[31m")
    assert (code, "one line" in err) == (3, True)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_names_of_strangers_do_not_drive_the_terminal(run: Cli, tmp_path: Path, as_json: list[str]) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "bagit.txt").write_bytes(b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    hostile = "data-\x1b[2J\x9b31m\u202e"
    (bag / "manifest-sha256.txt").write_text(f"{'0' * 64}  data/{hostile}\n")
    code, out, err = run("audit", bag, *as_json)
    assert code == 1
    assert not set("\x1b\x9b\u202e") & set(out + err)
    if as_json:
        assert any(hostile in finding["where"] for finding in json.loads(out)["findings"])


def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "sidecrate", "-C", project, "log", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_matter(project: Path, tmp_path: Path, streams: str) -> None:
    np.save(tmp_path / "v.npy", np.zeros((4, 5, 6), np.uint8))
    command = f'"$@" {streams}'
    words = ["-m", "sidecrate", "-C", project, "add", tmp_path / "v.npy", "--voxel-nm", "8", "8", "8"]
    done = subprocess.run(["sh", "-c", command, "sh", sys.executable, *words], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert shell("-C", project, "audit").returncode == 0


def test_output_that_does_not_fit_the_disk_is_told(project: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = shell("-C", project, "status", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)


def test_a_terminal_without_unicode_gets_everything(run: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    assert run("init", folder, "--title", "Zellkerne für Ødegård", "--person", "Åse Ødegård")[0] == 0
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    assert shell("-C", folder, "status", env=plain).returncode == 0
    done = shell("-C", folder, "status", "--json", env=plain)
    assert json.loads(done.stdout)["title"] == "Zellkerne für Ødegård"


def test_two_people_who_label_at_once_both_end_up_in_the_newest_version(
    run: Cli, with_image: Path, source: Path
) -> None:
    words = [
        sys.executable,
        "-m",
        "sidecrate",
        "-C",
        with_image,
        "label",
        "add",
        "--class",
        "2=pore",
        "--class",
        "3=nucleus",
    ]
    both = [subprocess.Popen([*words, f"z:{z}={source / f'z{z}.npy'}"]) for z in (24, 32)]
    assert [process.wait() for process in both] == [0, 0]
    newest = json.loads(run("-C", with_image, "show", "labels/labels", "--json")[1])
    assert newest["ref"] == "labels@v2"
    assert len(newest["meta"]["sessions"]) == 2


def test_labels_that_do_not_build_on_the_newest_say_so(run: Cli, with_image: Path, source: Path) -> None:
    words = ["-C", with_image, "label", "add", "--class", "2=pore", "--class", "3=nucleus"]
    assert run(*words, f"z:24={source / 'z24.npy'}")[2] == ""
    assert run(*words, f"z:32={source / 'z32.npy'}")[2] == ""
    code, _, err = run(*words, f"z:33={source / 'z32.npy'}", "--base", "labels@v1")
    assert (code, err.count("\n")) == (0, 1)
    assert "label merge labels@v3 labels@v2" in err


@pytest.mark.parametrize("words", [[], ["--debug"]])
def test_a_secret_in_an_error_stays_unsaid(
    run: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("LAB_TOKEN", "hush-4711-hush")
    code, _, err = run(*words, "-C", project, "show", "hush-4711-hush")
    assert code == 3
    assert "[removed]" in err and "hush-4711" not in err
    assert ("Traceback" in err) is bool(words)


def test_debug_of_another_program_is_not_ours(run: Cli, project: Path) -> None:
    code, _, err = run("-C", project, "run", "--input", "image=nothing@v1", "--", "true", "--debug")
    assert code == 3
    assert "nothing@v1" in err and "Traceback" not in err


def test_a_folder_that_is_gone_is_told(project: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f'cd {tmp_path / "gone"} && rmdir {tmp_path / "gone"} && "$@"'
    words = [sys.executable, "-m", "sidecrate", "-C", str(project), "status"]
    done = subprocess.run(["sh", "-c", command, "sh", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "is gone" in done.stderr


@pytest.mark.parametrize("arguments", [["status"], ["log"], ["show", "1"], ["audit"]])
def test_a_project_can_be_read_where_nothing_can_be_written(project: Path, arguments: list[str]) -> None:
    (project / "sidecrate.toml").touch()  # newer than the crate, which is thus to be derived again
    before = (project / "ro-crate-metadata.json").read_bytes()
    script = (
        "import resource, sys\n"
        "from sidecrate.surfaces.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "main(sys.argv[1:])\n"
    )
    words = [sys.executable, "-c", script, "-C", project]
    done = subprocess.run([*words, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (project / "ro-crate-metadata.json").read_bytes() == before
    done = subprocess.run([*words, "run", "--", "true"], capture_output=True, text=True, check=False)
    assert (done.returncode, "was not begun" in done.stderr) == (3, True)


@pytest.mark.parametrize("journal", ["{}", "[]", "null", '{"id": 5}', "[" * 100_000, "\xff"])
def test_a_journal_that_is_none_does_not_block_the_project(run: Cli, project: Path, journal: str) -> None:
    (project / ".sidecrate/runs").mkdir(exist_ok=True)
    (project / ".sidecrate/runs/x.json").write_text(journal, encoding="latin-1")
    assert run("-C", project, "status")[0] == 0
    assert not list((project / ".sidecrate/runs").iterdir())
