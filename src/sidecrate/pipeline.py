# SPDX-License-Identifier: Apache-2.0
"""The steps of the loop, observed: science meets provenance here and nowhere else.

Each name is the step of `sidecrate.science` with the same signature; called while a project is being recorded it
leaves a record, else it is just the step. A step is imported when it is first used: `add` need not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sidecrate.provenance.recorder import observe

if TYPE_CHECKING:
    from sidecrate.science.evaluate import evaluate
    from sidecrate.science.images import add
    from sidecrate.science.label import label
    from sidecrate.science.measure import measure
    from sidecrate.science.merge import merge
    from sidecrate.science.predict import predict
    from sidecrate.science.references import refer
    from sidecrate.science.suggest import suggest
    from sidecrate.science.train import train

__all__ = ["add", "evaluate", "label", "measure", "merge", "predict", "refer", "suggest", "train"]

# step → module of sidecrate.science, where it is the function of that name
_MODULES = {
    "add": "images",
    "evaluate": "evaluate",
    "label": "label",
    "measure": "measure",
    "merge": "merge",
    "predict": "predict",
    "refer": "references",
    "suggest": "suggest",
    "train": "train",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'sidecrate.pipeline' has no attribute {name!r}")
    module = importlib.import_module(f"sidecrate.science.{_MODULES[name]}")
    step = globals()[name] = observe(getattr(module, name))
    return step
