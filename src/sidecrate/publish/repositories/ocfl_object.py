# SPDX-License-Identifier: Apache-2.0
"""Objects of an OCFL 1.1 storage root: their inventories, and the files of one version."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

from sidecrate.artifacts import Person
from sidecrate.digests import canonical_json, is_inside
from sidecrate.errors import Finding, RepositoryError
from sidecrate.provenance.records import now

OBJECT_DECLARATION = "0=ocfl_object_1.1"
INVENTORY = "inventory.json"
SIDECAR = "inventory.json.sha256"

Inventory: TypeAlias = dict[str, Any]


class OcflTree:
    """The files of one version of an object by their logical paths.

    Parameters
    ----------
    place : Path
        The object's folder.
    inventory : dict
    version : str
    """

    def __init__(self, place: Path, inventory: Inventory, version: str) -> None:
        self.problems: list[Finding] = []
        self._files: dict[str, Path] = {}
        for digest, paths in inventory["versions"][version]["state"].items():
            stored = str(inventory["manifest"][digest][0])
            content = place / stored
            if is_inside(stored) and content.is_file() and content.resolve().is_relative_to(place.resolve()):
                self._files |= dict.fromkeys(paths, content)
        self.sizes: Mapping[str, int] = {path: content.stat().st_size for path, content in self._files.items()}

    def open(self, name: str) -> IO[bytes]:
        """Return one file, open for reading."""
        return self._files[name].open("rb")


def read_inventory(place: Path) -> Inventory | None:
    """Return the newest inventory of an object, None when there is no object.

    It is read from the newest version folder: the copy in the object's root may be one version behind when a process
    was killed at the wrong moment.

    Raises
    ------
    RepositoryError
        The inventory is damaged.
    """
    newest = _newest(place)
    if newest is None:
        return None
    try:
        data = (newest / INVENTORY).read_bytes()
        stated = (newest / SIDECAR).read_bytes().split()[:1]
    except OSError as error:
        raise RepositoryError(f"{place.name}: {INVENTORY} cannot be read ({error.strerror})") from error
    if stated != [hashlib.sha256(data).hexdigest().encode()]:
        raise RepositoryError(f"{place.name}/{newest.name}/{INVENTORY}: damaged; run `sidecrate audit`")
    try:
        inventory: Inventory = json.loads(data)
        whole = inventory["head"] in inventory["versions"] and all(
            isinstance(block["created"], str) and isinstance(block["state"], dict)
            for block in inventory["versions"].values()
        )
        whole = whole and isinstance(inventory["manifest"], dict) and isinstance(inventory["id"], str)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise RepositoryError(f"{place.name}/{newest.name}/{INVENTORY}: not an inventory; run `sidecrate audit`")
    return inventory


def _newest(place: Path) -> Path | None:
    numbers = [int(match[1]) for entry in place.glob("v*") if (match := re.fullmatch(r"v([1-9]\d*)", entry.name))]
    return place / f"v{max(numbers)}" if numbers else None


def settle(place: Path, stage: Path) -> None:
    """Bring the inventory in an object's root up to that of its newest version, by renames out of `stage` only."""
    newest = _newest(place)
    if newest is None:
        return
    names = [name for name in (INVENTORY, SIDECAR) if _bytes(place / name) != _bytes(newest / name)]
    if not names:
        return
    stage.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(newest / name, stage / name)
    os.sync()
    for name in names:
        (stage / name).replace(place / name)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def state_of(digests: Mapping[str, str]) -> dict[str, list[str]]:
    """Return digest → paths: the state block of a version."""
    state: dict[str, list[str]] = {}
    for path, digest in sorted(digests.items()):
        state.setdefault(digest, []).append(path)
    return state


def next_inventory(
    old: Inventory | None, object_id: str, digests: Mapping[str, str], message: str, by: Person | None
) -> Inventory:
    """Return the inventory with one more version: path → hex sha256 of every file in `digests`."""
    version = f"v{int(old['head'][1:]) + 1}" if old else "v1"
    state = state_of(digests)
    manifest = dict(old["manifest"]) if old else {}
    for digest, paths in state.items():
        manifest.setdefault(digest, [f"{version}/content/{paths[0]}"])
    block: dict[str, Any] = {"created": now(), "message": message, "state": state}
    if by is not None:
        block["user"] = {"name": by.name} | ({"address": f"https://orcid.org/{by.orcid}"} if by.orcid else {})
    return {
        "id": object_id,
        "type": "https://ocfl.io/1.1/spec/#inventory",
        "digestAlgorithm": "sha256",
        "head": version,
        "manifest": manifest,
        "versions": {**(old["versions"] if old else {}), version: block},
    }


def write_inventory(folder: Path, inventory: Inventory) -> None:
    """Write an inventory and its sidecar."""
    data = canonical_json(inventory)
    (folder / INVENTORY).write_bytes(data)
    (folder / SIDECAR).write_text(f"{hashlib.sha256(data).hexdigest()} {INVENTORY}\n", encoding="utf-8")
