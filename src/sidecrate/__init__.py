# SPDX-License-Identifier: Apache-2.0
"""Label, train, predict and measure volume EM; provenance, packages and citations come out on the side.

>>> import sidecrate
>>> with sidecrate.open_project("cell") as project:     # doctest: +SKIP
...     model = sidecrate.pipeline.train(image, labels, project.series(sidecrate.Model, "pores"))

Other people's code joins with ``@sidecrate.recorded`` on a function or ``with sidecrate.run("step") as run:``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sidecrate.artifacts import (
    Artifact,
    Deposit,
    Evaluation,
    Files,
    Image,
    LabelSet,
    Measurements,
    Model,
    Person,
    Prediction,
    Suggestion,
)
from sidecrate.errors import (
    Finding,
    InputError,
    MissingExtra,
    NetworkError,
    ProjectError,
    RecordError,
    RepositoryError,
    SidecrateError,
)

if TYPE_CHECKING:
    from sidecrate import pipeline
    from sidecrate.about import About, Funding, Member
    from sidecrate.project import Project, init, open_project
    from sidecrate.provenance.recorder import Run, recorded, run

__all__ = [
    "About",
    "Artifact",
    "Deposit",
    "Evaluation",
    "Files",
    "Finding",
    "Funding",
    "Image",
    "InputError",
    "LabelSet",
    "Measurements",
    "Member",
    "MissingExtra",
    "Model",
    "NetworkError",
    "Person",
    "Prediction",
    "Project",
    "ProjectError",
    "RecordError",
    "RepositoryError",
    "Run",
    "SidecrateError",
    "Suggestion",
    "init",
    "open_project",
    "pipeline",
    "recorded",
    "run",
]

# Loaded on first use, so that `import sidecrate` and `sidecrate --help` stay fast.
_LATER = {
    "About": "sidecrate.about",
    "Funding": "sidecrate.about",
    "Member": "sidecrate.about",
    "Project": "sidecrate.project",
    "init": "sidecrate.project",
    "open_project": "sidecrate.project",
    "Run": "sidecrate.provenance.recorder",
    "recorded": "sidecrate.provenance.recorder",
    "run": "sidecrate.provenance.recorder",
}


def __getattr__(name: str) -> Any:
    if name == "pipeline":
        return importlib.import_module("sidecrate.pipeline")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'sidecrate' has no attribute {name!r}")
