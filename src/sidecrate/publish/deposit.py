# SPDX-License-Identifier: Apache-2.0
"""Depositing a package, and proving that what arrived is what was sent."""

from __future__ import annotations

from collections.abc import Iterator

from sidecrate.artifacts import Person
from sidecrate.errors import Finding, RepositoryError
from sidecrate.publish.package import Package
from sidecrate.publish.repositories.base import DepositPlan, Receipt, Repository, open_repository
from sidecrate.publish.trees import Progress

_AGAIN = "deposit again; if it stays, ask the people who run the repository"


def plan(package: Package, to: str) -> DepositPlan:
    """Return what `deposit` would do; nothing is sent.

    Parameters
    ----------
    package : Package
    to : str
        ``scheme:location``, such as ``ocfl:/archive``.
    """
    return open_repository(to).plan(package)


def deposit(
    package: Package,
    to: str,
    *,
    by: Person | None = None,
    publish: bool = False,
    progress: Progress | None = None,
) -> Receipt:
    """Deposit a package as the next version, read it back, and return the receipt.

    Parameters
    ----------
    package : Package
    to : str
        ``scheme:location``, such as ``ocfl:/archive``.
    by : Person, optional
        Who deposits.
    publish : bool
        Make it public for good, where the repository keeps drafts first.
    progress : callable, optional
        Called with (bytes done, bytes in all, file).

    Raises
    ------
    RepositoryError
        The repository refuses, or holds something else than what was sent.
    NetworkError
        It does not answer; the deposit can be repeated.
    """
    repository = open_repository(to)
    receipt = repository.deposit(package, by=by, publish=publish, progress=progress)
    if found := list(differences(repository, package, receipt)):
        first = found[0]
        raise RepositoryError(f"{first.where}: {first.message} ({len(found)} differences); {first.advice}")
    return receipt


def differences(repository: Repository, package: Package, receipt: Receipt) -> Iterator[Finding]:
    """Yield a finding for each file that the repository lost, changed or added."""
    held = repository.read_back(receipt.object_id, receipt.version)
    for path in sorted(package.digests.keys() - held.keys()):
        yield Finding("error", "deposit.missing", path, "the repository does not hold the file", _AGAIN)
    for path in sorted(held.keys() - package.digests.keys()):
        yield Finding("error", "deposit.extra", path, "the repository holds a file that was not sent", _AGAIN)
    for path in sorted(held.keys() & package.digests.keys()):
        if held[path] != package.digests[path]:
            yield Finding("error", "deposit.digest", path, "the repository holds other bytes than were sent", _AGAIN)
