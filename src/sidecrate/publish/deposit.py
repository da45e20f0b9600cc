# SPDX-License-Identifier: Apache-2.0
"""Depositing a package, and proving that what arrived is what was sent."""

from __future__ import annotations

from collections.abc import Callable

from sidecrate.artifacts import Person
from sidecrate.errors import Finding, RepositoryError
from sidecrate.publish.package import Package
from sidecrate.publish.repositories.base import DepositPlan, Receipt, Work, open_repository
from sidecrate.publish.targets import Target
from sidecrate.publish.trees import Progress


def plan(package: Package, to: str | Target, work: Work | None = None) -> DepositPlan:
    """Return what `deposit` would do; nothing is sent.

    Parameters
    ----------
    package : Package
    to : str or Target
        ``scheme:location``, such as ``ocfl:/archive``, or a configured repository.
    work : Work, optional
        What it is about.
    """
    return open_repository(to).plan(package, work)


def deposit(
    package: Package,
    to: str | Target,
    *,
    work: Work | None = None,
    by: Person | None = None,
    publish: bool = False,
    progress: Progress | None = None,
    tell: Callable[[Finding], object] = lambda _: None,
) -> Receipt:
    """Deposit a package as the next version, read it back, and return the receipt.

    Parameters
    ----------
    package : Package
    to : str or Target
        ``scheme:location``, such as ``ocfl:/archive``, or a configured repository.
    work : Work, optional
        What it is about; repositories on a server need it.
    by : Person, optional
        Who deposits.
    publish : bool
        Make it public for good, where the repository keeps drafts first.
    progress : callable, optional
        Called with (bytes done, bytes in all, file).
    tell : callable, optional
        Called with everything that is worth knowing and no error: what the repository holds otherwise than it was told.

    Raises
    ------
    RepositoryError
        The repository refuses, or holds something else than what was sent.
    NetworkError
        It does not answer; the deposit can be repeated.
    """
    repository = open_repository(to)
    receipt = repository.deposit(package, work=work, by=by, publish=publish, progress=progress)
    found = list(repository.check(receipt, package))
    for finding in found:
        if finding.severity != "error":
            tell(finding)
    if errors := [finding for finding in found if finding.severity == "error"]:
        first = errors[0]
        raise RepositoryError(f"{first.where}: {first.message} ({len(errors)} differences); {first.advice}")
    return receipt
