# SPDX-License-Identifier: Apache-2.0
"""What every test may use."""

from __future__ import annotations

import pytest
from hypothesis import settings

import little_project
from sidecrate.project import Project

settings.register_profile("patient", deadline=None)  # no test asserts how long anything takes
settings.load_profile("patient")


@pytest.fixture(scope="session")
def one_of_everything(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project that holds every kind of thing and of run. Shared: look, do not touch."""
    folder = tmp_path_factory.mktemp("everything")  # no space: roc-validator loses crates in such a folder
    return little_project.build(folder / "project", folder)
