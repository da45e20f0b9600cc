# SPDX-License-Identifier: Apache-2.0
"""An OCFL object or storage root: ocfl-py judges the storage, then the newest bag of each object is audited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from sidecrate.errors import Finding, RepositoryError
from sidecrate.publish.audit.judges import ask_ocfl
from sidecrate.publish.audit.package import check_package
from sidecrate.publish.repositories.ocfl_object import OBJECT_DECLARATION, OcflTree, read_inventory
from sidecrate.publish.trees import Progress

_RESTORE = "restore the object from a copy; if a deposit was cut off, repeat it first"
# sha256 instead of sha512 is our choice: the digests of the bag are the addresses (OCFL 1.1 section 3.5.1 permits it).
_ACCEPTED = ("W004",)


def check_ocfl(target: Path, progress: Progress | None = None) -> Iterator[Finding]:
    """Yield everything wrong with a storage root, or with one object."""
    if (target / OBJECT_DECLARATION).is_file():
        yield from _object(target, progress)
        return
    yield from _told(ask_ocfl(target, is_root=True))
    for declaration in sorted(target.rglob(OBJECT_DECLARATION)):
        place = declaration.parent
        for finding in _object(place, progress):
            yield replace(finding, where=(place.relative_to(target) / finding.where).as_posix())


def _object(place: Path, progress: Progress | None) -> Iterator[Finding]:
    yield from _told(ask_ocfl(place, is_root=False))
    try:
        inventory = read_inventory(place)
        tree = OcflTree(place, inventory, inventory["head"]) if inventory else None
    except (RepositoryError, ValueError, KeyError, TypeError, IndexError) as error:
        yield Finding("error", "ocfl.inventory", "inventory.json", f"cannot be read ({error})", _RESTORE)
        return
    if inventory is not None and tree is not None:
        for finding in check_package(tree, progress):
            yield replace(finding, where=f"{inventory['head']}/{finding.where}")


def _told(messages: Iterable[str]) -> Iterator[Finding]:
    """Yield what ocfl-py says, under its own codes."""
    for message in messages:
        match = re.match(r"\[([EW]\w+)\] ", message)
        code, text = (match[1], message[match.end() :]) if match else ("E000", message)
        if code not in _ACCEPTED:
            yield Finding("warning" if code[0] == "W" else "error", f"ocfl.{code}", ".", text, _RESTORE)
