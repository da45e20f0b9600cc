# SPDX-License-Identifier: Apache-2.0
"""The little project, a copy for each test, and a short way to pack it."""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import little_project
from sidecrate.artifacts import Artifact, Files
from sidecrate.project import Project
from sidecrate.publish.audit import audit
from sidecrate.publish.pack import pack
from sidecrate.publish.package import Package
from sidecrate.store import draft


@dataclass
class Made:
    """A project and what tests do with it."""

    project: Project

    @property
    def root(self) -> Path:
        return self.project.root

    def get(self, place: str) -> Artifact:
        return next(artifact for artifact in self.project.artifacts() if artifact.place == place)

    def known(self) -> dict[str, Any]:
        """Return what plan, pack and citation are told."""
        found = self.project
        return {"project": found.config, "records": found.records(), "artifacts": found.artifacts()}

    def pack(self, target: Path, *places: str, **options: Any) -> Package:
        chosen = [self.get(place) for place in places] or None
        return pack(self.root, target, chosen=chosen, **self.known(), **options)

    def step(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self.project.recording():
            return little_project.step(function)(*args, **kwargs)

    def keep(self, **contents: bytes) -> Artifact:
        """Add files as a recorded version; ``__`` in a name stands for a dot."""

        def keep(into: Path) -> Files:
            with draft(Files, into) as new:
                for name, data in contents.items():
                    new.write(name.replace("__", "."), data)
                return new.finish({})

        return self.step(keep, self.root / "files/kept")


class MemoryTree:
    """Files held in memory, for trees that no file system would keep."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.problems = files, []
        self.sizes = {name: len(data) for name, data in files.items()}

    def open(self, name: str) -> io.BytesIO:
        return io.BytesIO(self.files[name])


@pytest.fixture
def made(one_of_everything, tmp_path) -> Made:
    shutil.copytree(one_of_everything.root, tmp_path / "cell")
    return Made(Project(tmp_path / "cell"))


@pytest.fixture
def outside(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def killed(act: Callable[[], object]) -> None:
    """Call something in a forked process that must end by SIGKILL."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def codes(target: Path, *severities: str) -> set[str]:
    """Return the codes of what an audit finds: errors when no severity is named."""
    return {finding.code for finding in audit(target) if finding.severity in (severities or ("error",))}
