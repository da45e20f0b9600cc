# SPDX-License-Identifier: Apache-2.0
"""The picture of the lineage holds everything it draws."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from provenance.steps import note
from sidecrate.artifacts import Files
from sidecrate.project import About, Project, init
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.lineage_picture import lay_out
from sidecrate.provenance.recorder import observe


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return init(tmp_path / "project", About(title="T"))


def test_no_line_leaves_the_picture_also_between_things_of_one_column(project: Project) -> None:
    with project.recording():
        first = observe(note)("one", project.series(Files, "notes"))
        observe(note)("two", project.series(Files, "notes"), first)
    here = {artifact.digest: artifact for artifact in project.artifacts()}
    picture = lay_out(Lineage(project.records()), {}, here)
    (line,) = [line for arrow in picture.arrows for line in arrow.lines]
    across = [float(x) for x in re.findall(r"(?:[MQ ]|^)(\d+|-\d+) -?\d+", line)] + [
        float(x) for x in re.findall(r"H(-?\d+)", line)
    ]
    assert min(across) > 0 and max(across) < picture.width
