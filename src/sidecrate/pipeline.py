# SPDX-License-Identifier: Apache-2.0
"""The steps of the loop, observed: science meets provenance here and nowhere else.

Each name is the step of `sidecrate.science` with the same signature; called while a project is being recorded it
leaves a record, else it is just the step. A step is imported when it is first used: `add` need not wait for torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sidecrate.artifacts import Artifact, Deposit, Person
from sidecrate.project import Project
from sidecrate.provenance.recorder import observe, run
from sidecrate.store import draft

if TYPE_CHECKING:
    from sidecrate.publish.package import Package
    from sidecrate.publish.plan import Plan
    from sidecrate.science.evaluate import evaluate
    from sidecrate.science.images import add
    from sidecrate.science.label import label
    from sidecrate.science.measure import measure
    from sidecrate.science.merge import merge
    from sidecrate.science.predict import predict
    from sidecrate.science.references import refer
    from sidecrate.science.suggest import suggest
    from sidecrate.science.train import train

__all__ = [
    "add",
    "deposit",
    "evaluate",
    "label",
    "measure",
    "merge",
    "pack",
    "plan_package",
    "predict",
    "refer",
    "suggest",
    "train",
]

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


def plan_package(project: Project, chosen: Sequence[Artifact] | None = None) -> Plan:
    """Return what a package of a project, or of chosen versions and all they depend on, will hold."""
    from sidecrate.publish.plan import plan

    return plan(
        project.root,
        project=project.config,
        records=project.records(),
        artifacts=project.artifacts(),
        chosen=chosen,
    )


def pack(
    plan: Plan,
    target: Path,
    *,
    form: Literal["folder", "tar", "zip"] = "folder",
    sha512: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Package:
    """Write a planned package and record which versions went into it.

    The record comes after the package and is not in it; the next package holds it.

    Raises
    ------
    InputError
        The plan has leaks, the target is unusable, the disk is too small, or a source is damaged.
    RecordError
        No project is being recorded.
    """
    from sidecrate.publish.pack import write

    with run("pack") as under_way:
        under_way.parameter("form", form)
        under_way.parameter("versions", sorted(plan.reasons))
        package = write(plan, target, form=form, sha512=sha512, progress=progress)
        made = {"name": target.name, "digest": package.digest, "identifier": package.identifier}
        under_way.parameter("package", made)
    return package


def _deposit(
    package: Path,
    to: str,
    into: Path,
    *,
    by: Person | None = None,
    publish: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Deposit:
    """Deposit a package and return the receipt, kept as a version of the project.

    Parameters
    ----------
    package : Path
        The bag: folder, tar or zip.
    to : str
        ``scheme:location``, such as ``ocfl:/archive``.
    into : Path
        Series folder of the receipt.
    by : Person, optional
        Who deposits.
    publish : bool
        Make it public for good, where the repository keeps drafts first.
    progress : callable, optional
        Called with (bytes done, bytes in all, file).

    Raises
    ------
    RepositoryError, NetworkError, InputError
        See `sidecrate.publish.deposit.deposit`.
    """
    from sidecrate.publish.deposit import deposit as send
    from sidecrate.publish.package import open_package

    receipt = send(open_package(package), to, by=by, publish=publish, progress=progress).as_dict()
    with draft(Deposit, into) as made:
        made.write_json("receipt.json", receipt)
        return made.finish({"description": f"{receipt['version']} in {receipt['repository']}", "receipt": receipt})


deposit = observe(_deposit, step="deposit")
