# SPDX-License-Identifier: Apache-2.0
"""A command line to call, and projects to call it on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sidecrate.surfaces.cli import main
from sidecrate.testing import synthetic

Cli = Callable[..., tuple[int, str, str]]

PERSON = "Josiah Carberry <0000-0002-1825-0097>; author; Brown University; 05gq02987"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Call the command line in this process: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture
def project(run: Cli, tmp_path: Path) -> Path:
    """An empty project."""
    folder = tmp_path / "project"
    assert run("init", folder, "--title", "Pores", "--license", "CC-BY-4.0", "--person", PERSON)[0] == 0
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic cell as files a person would have."""
    folder = tmp_path_factory.mktemp("source")
    cell = synthetic.cell(5, shape=(64, 72, 130))
    np.save(folder / "cell.npy", cell.raw)
    np.save(folder / "truth.npy", cell.classes)
    for z in (24, 32):
        np.save(folder / f"z{z}.npy", cell.classes[z])
    return folder


@pytest.fixture
def with_image(run: Cli, project: Path, source: Path) -> Path:
    """A project with one image."""
    assert run("-C", project, "add", source / "cell.npy", "--voxel-nm", 16, 16, 16)[0] == 0
    return project
