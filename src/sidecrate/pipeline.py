# SPDX-License-Identifier: Apache-2.0
"""The steps of the loop, observed: science meets provenance here and nowhere else.

Each name is the step of `sidecrate.science` with the same signature; called while a project is being recorded it
leaves a record, else it is just the step. A step is imported when it is first used: `add` need not wait for torch.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sidecrate.artifacts import Artifact, Deposit, Person
from sidecrate.digests import canonical_json
from sidecrate.errors import Finding, RecordError
from sidecrate.project import Project, find_root
from sidecrate.provenance import identity
from sidecrate.provenance.recorder import observe, run
from sidecrate.store import draft

if TYPE_CHECKING:
    from sidecrate.publish.package import Package
    from sidecrate.publish.plan import Plan
    from sidecrate.publish.repositories.base import DepositPlan, Work
    from sidecrate.publish.targets import Target
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
    "is_reserved",
    "label",
    "measure",
    "merge",
    "pack",
    "plan_deposit",
    "plan_package",
    "predict",
    "refer",
    "reserve",
    "suggest",
    "train",
]

_UPLOADS = ".sidecrate/uploads"
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


def _work(project: Project, to: Target, digest: str | None = None) -> Work:
    """Return what a deposit of a project is about, as the project stands now."""
    from sidecrate.publish.cite_whole import whole
    from sidecrate.publish.repositories.base import Receipt, Work

    artifacts = project.artifacts()
    cited = whole(project.config, project.records(), artifacts, digest=digest)
    own = [receipt for receipt in identity.receipts(artifacts) if receipt["repository"] == to.scheme]
    return Work(cited, project.root / _UPLOADS, tuple(map(Receipt.from_dict, own)))


def _target(project: Project, to: str) -> Target:
    """Return the repository a name stands for; a folder in a project's table lies beside the project."""
    from sidecrate.publish.targets import resolved

    return resolved(to, project.config, project.root)


def plan_deposit(project: Project, package: Path | None, to: str) -> DepositPlan:
    """Return what a deposit would do; nothing is sent.

    Parameters
    ----------
    project : Project
    package : Path or None
        The bag; the whole project when not given.
    to : str
        A configured name, or ``scheme:location``.
    """
    from sidecrate.publish.deposit import plan as plan_it

    target = _target(project, to)
    found = _package(project, package, target)
    return plan_it(found, target, _work(project, target, found.digest))


def is_reserved(project: Project, to: str) -> bool:
    """Return whether a deposit of the project needs no new reservation.

    Because the repository gives no DOIs, has given one for what comes next, or holds the project as it is.
    """
    from sidecrate.publish.repositories.base import open_repository

    target = _target(project, to)
    if not open_repository(target).gives_dois:
        return True
    earlier = _work(project, target).earlier
    if earlier and earlier[-1].status in identity.COMING:
        return True
    return bool(earlier) and _frozen(project, target) is not None


def _package(project: Project, package: Path | None, to: Target) -> Package:
    """Return a package: the bag at a path, or the project itself as it was when this deposit began."""
    from sidecrate.publish.frozen import freeze
    from sidecrate.publish.package import open_package

    if package is not None:
        return open_package(package)
    if (found := _frozen(project, to)) is None:
        freeze(plan_package(project), *_state(project, to))
        found = _frozen(project, to)
    if found is None:
        raise RecordError("what is to be deposited cannot be written down; check the free space of the project's disk")
    return found


def _frozen(project: Project, to: Target) -> Package | None:
    """Return the package an earlier call wrote down for the project as it is now."""
    from sidecrate.publish.frozen import thaw

    folder, content = _state(project, to)
    return thaw(folder, project.root, project.config, content)


def _state(project: Project, to: Target) -> tuple[Path, str]:
    """Return where a package for a repository is written down, and what tells whether the project has changed."""
    records, artifacts = project.records(), project.artifacts()
    versions = sorted((a.place, a.digest) for a in artifacts if not isinstance(a, Deposit))
    state = [versions, project.config, identity.doi(records, artifacts), str(to)]
    folder = project.root / _UPLOADS / hashlib.sha256(str(to).encode()).hexdigest()[:24]
    return folder, hashlib.sha256(canonical_json(state)).hexdigest()


def _reserve(to: str, into: Path) -> Deposit:
    """Reserve a DOI for the next version and return the receipt, kept as a version of the project.

    Parameters
    ----------
    to : str
        A configured repository, or ``scheme:location``.
    into : Path
        Series folder of the receipt.

    Raises
    ------
    RepositoryError, NetworkError, InputError
        See `sidecrate.publish.repositories.base.Repository.reserve`.
    """
    from sidecrate.publish.repositories.base import open_repository

    project = Project(find_root(into))
    target = _target(project, to)
    receipt = open_repository(target).reserve(_work(project, target)).as_dict()
    return _kept(receipt, into, f"{receipt.get('doi', 'no DOI')} reserved in {receipt['repository']}", [])


def _deposit(
    package: Path | None,
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
    package : Path or None
        The bag: folder, tar or zip; the whole project, without a copy on disk, when not given.
    to : str
        A configured repository, or ``scheme:location``, such as ``ocfl:/archive``.
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

    project = Project(find_root(into))
    target = _target(project, to)
    found = _package(project, package, target)
    told: list[Finding] = []
    work = _work(project, target, found.digest)
    receipt = send(found, target, work=work, by=by, publish=publish, progress=progress, tell=told.append).as_dict()
    return _kept(receipt, into, f"{receipt['version']} in {receipt['repository']}", told)


def _kept(receipt: dict[str, Any], into: Path, description: str, told: list[Finding]) -> Deposit:
    """Return a receipt as a version; what else the repository was found to have done stays with it."""
    with draft(Deposit, into) as made:
        made.write_json("receipt.json", receipt)
        meta = {"description": description, "receipt": receipt}
        return made.finish(meta | ({"findings": [finding.as_dict() for finding in told]} if told else {}))


reserve = observe(_reserve, step="reserve")
deposit = observe(_deposit, step="deposit")
