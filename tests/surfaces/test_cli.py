# SPDX-License-Identifier: Apache-2.0
"""The command line: the whole loop typed by a person, and what happens when it is typed wrong."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sidecrate.surfaces.cli import COMMANDS, cli

Cli = Callable[..., tuple[int, str, str]]


def test_the_loop_from_image_to_citation(run: Cli, project: Path, source: Path, tmp_path: Path) -> None:
    def ok(*arguments: object) -> str:
        code, out, err = run("-C", project, *arguments)
        assert code == 0, err
        return out

    classes = ["--class", "2=pore", "--class", "3=nucleus"]
    ok("add", source / "cell.npy", "--voxel-nm", 16, 16, 16)
    ok("label", "add", f"z:24={source / 'z24.npy'}", *classes, "--name", "pores", "--minutes", 12)
    ok("label", "add", f"z:32={source / 'z32.npy'}", "--name", "pores", "--tool", "napari")
    ok("--who", "Another Person", "label", "add", f"@0,0,0={source / 'truth.npy'}", *classes, "--name", "truth")
    ok("train", "--labels", "pores", "--iterations", 2, "--widths", "4,8", "--batch", 1)
    ok("predict")
    assert "precision" in ok("evaluate", "--truth", "truth")
    assert "doubt" in ok("suggest", "--labels", "pores", "--count", 1)
    assert "density_per_um2" in ok("measure", "--labels", "truth", "--objects", "pore", "--hosts", "nucleus")
    status = json.loads(ok("status", "--json"))
    assert status["next"].startswith("sidecrate pack")
    assert not any(thing["stale"] for thing in status["things"])
    chain = json.loads(ok("why", "predictions/pores", "--json"))
    assert {use["role"]: use["ref"] for use in chain["from"]} == {"image": "cell@v1", "model": "pores@v1"}
    package = tmp_path / "package.zip"
    assert "nothing was written" in ok("pack", package, "--dry-run")
    assert not package.exists()
    ok("pack", package)
    assert "nothing was sent" in ok("deposit", package, "--to", f"ocfl:{tmp_path / 'archive'}", "--dry-run")
    assert not (tmp_path / "archive").exists()
    ok("deposit", package, "--to", f"ocfl:{tmp_path / 'archive'}")
    for target in ([], [package], [tmp_path / "archive"]):
        assert "0 errors" in ok("audit", *target)
    assert "Another Person" in ok("cite", "labels/truth")
    assert json.loads(ok("cite", "labels/pores", "--format", "datacite"))["version"] == "2"
    assert "Josiah Carberry" in ok("log")


def test_which_file_an_image_came_from_is_answered(run: Cli, with_image: Path, source: Path) -> None:
    digest = f"sha256:{hashlib.sha256((source / 'cell.npy').read_bytes()).hexdigest()}"
    why = json.loads(run("-C", with_image, "why", "cell", "--json")[1])
    assert [(node["ref"], node["digest"]) for node in why["from"]] == [("cell.npy", digest)]
    graph = json.loads((with_image / "ro-crate-metadata.json").read_text())["@graph"]
    (entity,) = (one for one in graph if one.get("name") == "cell.npy")
    assert entity["identifier"] == digest
    (action,) = (one for one in graph if one.get("name") == "add (completed)")
    assert {"@id": entity["@id"]} in action["object"]


def test_painting_goes_out_and_comes_back(run: Cli, project: Path, source: Path, tmp_path: Path) -> None:
    import tifffile

    assert run("-C", project, "add", source / "cell.npy", "--voxel-nm", 16, 16, 16)[0] == 0
    paint = tmp_path / "paint"
    assert run("-C", project, "label", "export", "--index", 10, "--to", paint, "--class", "2=pore")[0] == 0
    mask = next(paint.glob("*mask*.tif"))
    painted = tifffile.imread(mask)
    painted[20:30, 20:30] = 2
    tifffile.imwrite(mask, painted)
    code, out, err = run("-C", project, "label", "import", paint, "--class", "2=pore", "--name", "pores")
    assert (code, err) == (0, "")
    assert "100 pore" in out


def test_merging_what_two_people_see_differently_is_refused_with_the_conflicts(
    run: Cli, project: Path, source: Path, tmp_path: Path
) -> None:
    run("-C", project, "add", source / "cell.npy", "--voxel-nm", 16, 16, 16)
    for name, value in (("mine", 1), ("theirs", 2)):
        np.save(tmp_path / f"{name}.npy", np.full((72, 130), value, np.uint8))
        place = f"z:5={tmp_path / name}.npy"
        assert run("-C", project, "label", "add", place, "--class", "2=pore", "--name", name)[0] == 0
    code, out, err = run("-C", project, "label", "merge", "mine", "theirs", "--json")
    assert code == 3
    assert "--prefer" in err
    assert [(c["mine"], c["theirs"], c["voxels"]) for c in json.loads(out)] == [("background", "pore", 72 * 130)]
    assert not (project / "labels" / "mine" / "v2").exists()
    assert run("-C", project, "label", "merge", "mine", "theirs", "--prefer", "theirs")[0] == 0


def test_a_command_that_nobody_wrote_for_sidecrate_is_in_the_graph(run: Cli, project: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    script = "import sys; open(sys.argv[2], 'w').write(open(sys.argv[1]).read() * 2)"
    command = [sys.executable, "-c", script, "{it}", tmp_path / "out.txt"]
    options = ["--input", f"it={tmp_path / 'in.txt'}", "--output", tmp_path / "out.txt", "--step", "double"]
    assert run("-C", project, "run", *options, "--", *command)[0] == 0
    chain = json.loads(run("-C", project, "why", "files/out.txt", "--json")[1])
    assert chain["step"] == "double"
    assert [use["ref"] for use in chain["from"]] == ["in.txt"]
    assert (project / "files" / "out.txt" / "v1" / "out.txt").read_text() == "a\na\n"


def test_a_failed_command_ends_with_its_own_code_and_a_record(run: Cli, project: Path) -> None:
    code, _, err = run("-C", project, "run", "--", sys.executable, "-c", "raise SystemExit(7)")
    assert code == 7
    assert "recorded as failed" in err
    assert json.loads(run("-C", project, "log", "--json")[1])[-1]["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "{source}/cell.npy"], "voxel"),
        (["add", "{source}/nothing.tif", "--voxel-nm", "8", "8", "8"], "nothing.tif"),
        (["train"], "sidecrate label"),
        (["predict"], "sidecrate add"),
        (["evaluate", "--truth", "nobody"], "sidecrate predict"),
        (["cite", "nothing"], "nothing of that name"),
        (["show", "99"], "sidecrate log"),
        (["why", "pores@v9"], "nothing of that name"),
        (["--who", "A <0000-0002-1825-0098>", "add", "x"], "check digit"),
        (["deposit", "{source}/cell.npy", "--to", "ocfl:there"], "cell.npy"),
        (["run", "--", "no-such-command-here"], "no such command"),
        (["label", "add", "w:3=mask.npy"], "z:INDEX=FILE"),
    ],
)
def test_what_cannot_work_is_said_in_one_line_with_what_to_do(
    run: Cli, project: Path, source: Path, arguments: list[str], says: str
) -> None:
    words = [word.format(source=source) for word in arguments]
    code, out, err = run("-C", project, *words)
    assert code in (3, 4)
    assert says in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err


def test_usage_errors_end_with_2(run: Cli, project: Path) -> None:
    assert run("-C", project, "add")[0] == 2
    assert run("statsu")[0] == 2


def test_outside_a_project_the_way_to_make_one_is_said(run: Cli, tmp_path: Path) -> None:
    code, _, err = run("-C", tmp_path, "status")
    assert code == 3
    assert "sidecrate init" in err


def test_a_project_is_not_made_twice_or_over_other_files(run: Cli, project: Path, tmp_path: Path) -> None:
    assert run("init", project, "--title", "Again")[0] == 3
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").touch()
    assert run("init", tmp_path / "full", "--title", "Over it")[0] == 3


def test_gaps_are_shown_and_nothing_is_invented(run: Cli, tmp_path: Path) -> None:
    code, out, _ = run("init", tmp_path / "p", "--title", "T", "--json")
    assert code == 0
    assert {gap["code"] for gap in json.loads(out)["gaps"]} >= {"about.license", "about.people", "about.description"}
    assert "license" not in (tmp_path / "p" / "sidecrate.toml").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str) -> None:
    command = cli.get_command(cli.make_context("sidecrate", ["status"]), name)
    assert command.help is not None
    assert "Example:" in command.help
    assert f"sidecrate {name}" in command.help


def test_help_loads_no_science_library() -> None:
    script = (
        "import sys\n"
        "from sidecrate.surfaces.cli import main\n"
        "try: main(['-h'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'zarr', 'numpy', 'dask', 'napari', 'scipy', 'matplotlib', 'rocrate'} & set(sys.modules)\n"
        "sys.exit(','.join(sorted(heavy)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert done.returncode == 0


def test_python_m_sidecrate_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "sidecrate", "--version"], capture_output=True, text=True, check=True)
    assert "sidecrate" in done.stdout


def test_no_name_leads_out_of_its_folder(run: Cli, project: Path, source: Path) -> None:
    for name in ("../x", "../../x", "/x", ".", "a/b"):
        code, _, err = run("-C", project, "add", source / "cell.npy", "--voxel-nm", 16, 16, 16, "--name", name)
        assert (code, err.count("\n")) == (3, 1), name
        assert "a name is 1-64" in err
    assert not list(project.parent.rglob("x"))


def test_titles_and_names_are_printed_as_they_are(run: Cli, tmp_path: Path) -> None:
    folder, title = tmp_path / "[b]x[/i]", "Pores [/bold] of :bug: [red]cells"
    code, out, err = run("init", folder, "--title", title, "--person", "A [/x] B")
    assert (code, err) == (0, "")
    assert "[b]x[/i]" in out
    code, out, err = run("-C", folder, "status")
    assert (code, err) == (0, "")
    assert title in out
    code, out, err = run("-C", folder, "log")
    assert code == 0
    assert "A [/x] B" in out


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_shows_examples_line_by_line_without_marks_of_the_library(run: Cli, verb: str) -> None:
    code, out, _ = run(verb, "-h")
    assert code == 0
    assert "\\b" not in out
    assert any(line.strip().startswith(f"sidecrate {verb}") for line in out.splitlines())


def test_an_error_is_one_line_whatever_the_file_is_called(run: Cli, project: Path, tmp_path: Path) -> None:
    strange = tmp_path / "two\nlines.npy"
    strange.write_bytes(b"")
    code, _, err = run("-C", project, "add", strange, "--voxel-nm", 8, 8, 8)
    assert (code, err.count("\n")) == (3, 1)


def test_an_address_that_does_not_answer_is_a_network_error(run: Cli, project: Path) -> None:
    address = "http://127.0.0.1:9/cell.zarr"
    code, _, err = run("-C", project, "add", address, "--voxel-nm", 8, 8, 8, "--reference")
    assert (code, err.count("\n")) == (5, 1)
    assert "repeat the command" in err
    code, _, err = run("-C", project, "add", address, "--voxel-nm", 8, 8, 8)
    assert code == 3
    assert "--reference" in err


def test_a_voxel_of_a_kilometre_is_refused(run: Cli, project: Path, source: Path) -> None:
    code, _, err = run("-C", project, "add", source / "cell.npy", "--voxel-nm", "1e12", 8, 8)
    assert code == 3
    assert "voxel size" in err


@pytest.mark.parametrize("damage", ["{}", '{"kind": "Image"}', '{"kind": []}', "null", "[" * 100_000])
def test_damaged_metadata_is_told_and_found_by_the_audit(run: Cli, with_image: Path, damage: str) -> None:
    meta = with_image / "images/cell/v1/artifact.json"
    meta.chmod(0o644)
    meta.write_text(damage)
    (with_image / "ro-crate-metadata.json").unlink()  # the crate is behind, too, and cannot be derived
    for command in (["status"], ["label", "export", "--index", "3", "--to", with_image.parent / "paint"]):
        code, _, err = run("-C", with_image, *command)
        assert (code, err.count("\n"), "unexpected" in err) == (3, 1, False)
    code, out, err = run("-C", with_image, "audit")
    assert (code, err) == (1, "")
    assert "images/cell/v1/artifact.json" in out


@pytest.mark.parametrize("damage", ["", "[]", "null", "{}", '{"step": 1}', "[" * 100_000])
def test_a_damaged_record_is_told_and_found_by_the_audit(run: Cli, with_image: Path, damage: str) -> None:
    (record,) = (with_image / "records").glob("*-add.json")
    record.chmod(0o644)
    record.write_text(damage)
    for command in (["status"], ["log"], ["why", "images/cell"]):
        code, _, err = run("-C", with_image, *command)
        assert (code, err.count("\n"), "unexpected" in err) == (3, 1, False)
        assert record.name in err
    code, out, err = run("-C", with_image, "audit")
    assert (code, err) == (1, "")
    assert record.name in out


def test_a_place_that_cannot_be_written_is_told(run: Cli, with_image: Path) -> None:
    code, _, err = run("-C", with_image, "label", "export", "--index", 3, "--to", "/proc/none")
    assert (code, err.count("\n"), "unexpected" in err) == (3, 1, False)
    assert "check the path" in err


def test_one_class_number_has_one_name(run: Cli, with_image: Path, source: Path) -> None:
    names = ["--class", "2=pore", "--class", "2=vesicle", "--class", "3=nucleus"]
    code, _, err = run("-C", with_image, "label", "add", f"z:24={source / 'z24.npy'}", *names)
    assert code == 3
    assert "'pore' and 'vesicle'" in err


@pytest.mark.parametrize(
    "broken",
    [{"base": -1}, {"base": {}}, {"image": None}, {"image": {"ref": 1}}, {"slices": [{"axis": "q"}]}, {"classes": []}],
)
def test_a_damaged_export_is_told(run: Cli, with_image: Path, broken: dict[str, object], tmp_path: Path) -> None:
    paint = tmp_path / "paint"
    assert run("-C", with_image, "label", "export", "--index", 3, "--to", paint, "--class", "2=pore")[0] == 0
    sidecar = json.loads((paint / "slices.json").read_text())
    (paint / "slices.json").write_text(json.dumps(sidecar | broken))
    code, _, err = run("-C", with_image, "label", "import", paint)
    assert code == 3
    assert "slices.json: broken" in err


def test_a_step_no_record_can_name_is_refused_before_it_runs(run: Cli, project: Path, tmp_path: Path) -> None:
    code, _, err = run("-C", project, "run", "--step", "X/../y", "--", "touch", tmp_path / "ran")
    assert code == 3
    assert "/step" in err
    assert not (tmp_path / "ran").exists()
    assert run("-C", project, "status")[0] == 0


def test_a_command_ended_by_a_signal_ends_as_in_a_shell(run: Cli, project: Path) -> None:
    assert run("-C", project, "run", "--", "sh", "-c", "kill -9 $$")[0] == 137
    assert json.loads(run("-C", project, "log", "--json")[1])[-1]["status"] == "failed"


def test_a_token_in_a_note_is_refused_by_the_name_of_its_variable(
    run: Cli, project: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_API_TOKEN", "planted-7f3a91c55e")
    words = ["add", source / "cell.npy", "--voxel-nm", 16, 16, 16, "--description", "see planted-7f3a91c55e"]
    code, _, err = run("-C", project, *words)
    assert code == 3
    assert "THEIR_API_TOKEN" in err
    assert "planted" not in err
    assert not any(b"planted" in path.read_bytes() for path in project.rglob("*") if path.is_file())


def test_links_made_by_a_command_are_not_followed(run: Cli, project: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "secret.txt").write_text("not yours")
    (tmp_path / "made" / "link").symlink_to(tmp_path / "secret.txt")
    code, _, err = run("-C", project, "run", "--output", tmp_path / "made", "--", sys.executable, "-c", "pass")
    assert code == 3
    assert "link" in err
    assert not (project / "files" / "made" / "v1").exists()


def test_a_file_that_was_only_read_is_not_said_to_be_made(run: Cli, project: Path, source: Path) -> None:
    cell = source / "cell.npy"
    options = ["--input", cell, "--output", cell]
    assert run("-C", project, "run", *options, "--", sys.executable, "-c", "pass")[0] == 0
    assert json.loads(run("-C", project, "log", "--json")[1])[-1]["outputs"] == []
