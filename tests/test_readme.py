# SPDX-License-Identifier: Apache-2.0
"""The README's session is run as it is written; only the training is cut short."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile

from sidecrate.surfaces.cli import main
from sidecrate.testing import synthetic

README = Path(__file__).parents[1] / "README.md"


def session() -> list[list[str]]:
    """Return the commands of the README's session, as words."""
    block = re.search(r"## A session.*?```\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    lines = [part for line in block[1].splitlines() for part in line.split(" && ")]
    return [shlex.split(line, comments=True) for line in lines if line]


def paint(folder: Path, classes: np.ndarray) -> None:
    """Paint the exported masks as a person would who knows the truth."""
    for mask in folder.glob("z*-mask.tif"):
        tifffile.imwrite(mask, classes[int(re.sub(r"\D", "", mask.stem))])


def test_the_session_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = synthetic.cell(0)
    (tmp_path / "demo-out" / "source").mkdir(parents=True)
    np.save(tmp_path / "demo-out" / "source" / "cell.npy", cell.raw)
    monkeypatch.chdir(tmp_path)
    for words in session():
        if words[0] == "cd":
            monkeypatch.chdir(tmp_path / words[1])
            continue
        if words[1:3] == ["label", "import"]:
            paint(tmp_path / "paint", cell.classes)
        short = ["--iterations", "2", "--widths", "4,8"] if words[1] == "train" else []
        with pytest.raises(SystemExit) as end:
            main([*words[1:], *short])
        assert (end.value.code or 0) == 0, (words, capsys.readouterr().err)
    assert "Labels painted by Carberry" in capsys.readouterr().out
    assert (tmp_path / "cell.zip").is_file()


def test_every_command_of_the_readme_exists() -> None:
    from sidecrate.surfaces.cli import COMMANDS

    named = re.findall(r"`?sidecrate (?!-)([a-z]+)", re.sub(r"import sidecrate.*", "", README.read_text()))
    assert named
    assert {verb for verb in named if verb not in COMMANDS} <= {"provenance", "command"}
