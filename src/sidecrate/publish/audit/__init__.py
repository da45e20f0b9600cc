# SPDX-License-Identifier: Apache-2.0
"""Auditing a project, a bag (folder or archive) or an OCFL object: every finding, never only the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sidecrate.errors import Finding, InputError
from sidecrate.provenance.crate import CONFIG, METADATA
from sidecrate.publish.audit.judges import ask_bagit
from sidecrate.publish.audit.ocfl import check_ocfl
from sidecrate.publish.audit.package import check_content, check_package
from sidecrate.publish.audit.references import check_references
from sidecrate.publish.audit.subject import Subject
from sidecrate.publish.bag import DECLARATION, PAYLOAD
from sidecrate.publish.package import bag_tree
from sidecrate.publish.repositories.base import Receipt
from sidecrate.publish.trees import FolderTree, Progress, open_tree

_ORDER = {"error": 0, "warning": 1, "advice": 2}


def audit(target: Path | str, *, receipts: Sequence[Receipt] = (), progress: Progress | None = None) -> list[Finding]:
    """Return everything found wanting, errors first.

    Parameters
    ----------
    target : Path or str
        A project folder, a bag as folder, tar or zip, an OCFL object or a whole storage root, the receipt of a
        deposit, or its DOI or address.
    receipts : sequence of Receipt
        Those of the project at hand, for a DOI or an address.
    progress : callable, optional
        Called with (bytes hashed, bytes in all, file).

    Raises
    ------
    InputError
        There is nothing at the path that could be audited.
    """
    from sidecrate.publish.audit import deposits  # late: only a deposit on a server needs the network

    if deposits.is_address(str(target)) and not Path(target).exists():
        found = dict.fromkeys(deposits.check_address(str(target), receipts))
    elif (receipt := deposits.receipt_at(Path(target))) is not None:
        found = dict.fromkeys(deposits.check_receipt(receipt))
    else:
        found = dict.fromkeys(_findings(Path(target), progress))
    return sorted(found, key=lambda finding: (_ORDER[finding.severity], finding.code, finding.where))


def _findings(target: Path, progress: Progress | None) -> Iterator[Finding]:
    if not target.exists():
        raise InputError(f"{target.name}: there is nothing there; check the path")
    if target.is_dir() and any(target.glob("0=ocfl*")):
        yield from check_ocfl(target, progress)
    elif target.is_dir() and not _is_bag(target):
        yield from _project(target, progress)
    else:
        try:
            tree = open_tree(target)
        except InputError as error:
            yield Finding("error", "archive.unreadable", target.name, str(error), "ask the sender for it again")
            return
        yield from check_package(bag_tree(tree), progress)
        if target.is_dir():
            yield from ask_bagit(target)


def _is_bag(folder: Path) -> bool:
    """Return whether a folder is meant as a bag, even if its declaration was lost."""
    return (folder / DECLARATION).is_file() or ((folder / PAYLOAD).is_dir() and any(folder.glob("manifest-*.txt")))


def _project(root: Path, progress: Progress | None) -> Iterator[Finding]:
    if not any((root / name).exists() for name in (CONFIG, METADATA)):
        raise InputError(f"{root.name}: neither a project, a bag nor an OCFL object; check the path")
    tree = FolderTree(root, hidden=False)
    yield from tree.problems
    yield from check_content(Subject(tree, {}, whole=True, progress=progress))
    yield from check_references(root, progress)
