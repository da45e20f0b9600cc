# SPDX-License-Identifier: Apache-2.0
"""The embedded repository: an OCFL 1.1 storage root in a folder, no server needed.

Each project is one object, each deposit a version of it; a version stores only bytes that no earlier one holds
(forward delta). The digests of the bag are the content addresses, so nothing is hashed but what is copied, while it is
copied. ocfl-py, which judges the result in the audit, is not used to write: it hashes all sources again, validates
the whole object before each version, and writes in place, so that a killed deposit would leave an invalid object.

A version becomes real with one rename of its folder, inventory included. The copy of that inventory in the object's
root follows; `settle` makes up for it when a process was killed between the two.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecrate.artifacts import Person
from sidecrate.digests import canonical_json
from sidecrate.errors import Finding, RepositoryError
from sidecrate.publish.archive import CheckedReader, sealed
from sidecrate.publish.bag import PAYLOAD, manifest_bytes
from sidecrate.publish.package import Package, package_of, unpack
from sidecrate.publish.repositories.base import DepositedVersion, DepositPlan, Receipt, Upload, Work, differences
from sidecrate.publish.repositories.ocfl_object import (
    OBJECT_DECLARATION,
    Inventory,
    OcflTree,
    next_inventory,
    read_inventory,
    settle,
    state_of,
    write_inventory,
)
from sidecrate.publish.trees import Progress, digests
from sidecrate.store import BLOCK, try_lock

ROOT_DECLARATION = "0=ocfl_1.1"
_LAYOUT = "0003-hash-and-id-n-tuple-storage-layout"
_TUPLES, _TUPLE = 3, 3
_STAGING = "extensions/sidecrate-staging"
_PLAIN = re.compile(r"[A-Za-z0-9_-]")


class OcflRepository:
    """A storage root.

    Parameters
    ----------
    location : str
        Its folder; made by the first deposit.
    options : mapping
        None are known.
    """

    gives_dois = False

    def __init__(self, location: str, options: Mapping[str, Any] | None = None) -> None:
        del options
        try:
            self.root = Path(location).expanduser().absolute()
        except RuntimeError:
            raise RepositoryError(f"ocfl:{location}: nobody here has that home folder; write the path out") from None
        if self.root.exists() and not self._is_root() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise RepositoryError(f"{self.root.name}: not an OCFL 1.1 storage root; name one, or an empty folder")

    def reserve(self, work: Work) -> Receipt:
        """Refuse: a storage root gives no DOIs.

        Raises
        ------
        RepositoryError
            Always.
        """
        title = work.citation.title
        raise RepositoryError(f"{self.root.name}: a storage root gives no DOIs; deposit {title!r} without reserving")

    def plan(self, package: Package, work: Work | None = None) -> DepositPlan:
        """Return what a deposit of this package would do; nothing is written."""
        del work
        inventory = read_inventory(self.object_path(package.object_id))
        held = inventory["manifest"].keys() if inventory else ()
        uploads = [
            Upload(path, package.tree.sizes[path], digest, digest in held)
            for path, digest in sorted(package.digests.items())
        ]
        is_new = inventory is None or state_of(package.digests) != inventory["versions"][inventory["head"]]["state"]
        head = int(inventory["head"][1:]) if inventory else 0
        return DepositPlan("ocfl", package.object_id, f"v{head + is_new}", tuple(uploads), is_new)

    def deposit(
        self,
        package: Package,
        *,
        work: Work | None = None,
        by: Person | None = None,
        publish: bool = False,
        progress: Progress | None = None,
    ) -> Receipt:
        """Take a package in as the next version of its object; a storage root has no drafts, `publish` changes nothing.

        Raises
        ------
        RepositoryError
            Another process is writing, or the disk refuses.
        InputError
            A file of the package does not have the digest its bag states.
        """
        del work, publish
        self._make_root()
        with self._locked():
            place = self.object_path(package.object_id)
            settle(place, self.root / _STAGING)
            plan = self.plan(package)
            if plan.is_new:
                self._add_version(place, plan, package, by, progress)
        inventory = read_inventory(place) or {}
        return Receipt(
            repository="ocfl",
            object_id=plan.object_id,
            version=plan.version,
            package=package.identifier,
            digest=package.digest,
            files=len(plan.uploads),
            bytes=package.bytes,
            new_bytes=plan.new_bytes,
            deposited=inventory["versions"][plan.version]["created"],
            contents=package.contents,
        )

    def check(
        self, receipt: Receipt, package: Package | None = None, progress: Progress | None = None
    ) -> Iterator[Finding]:
        """Yield a finding for each file that was lost, changed or added since it was deposited."""
        held = self.read_back(receipt.object_id, receipt.version, progress)
        if package is not None:
            yield from differences(package.digests, held)
            return
        payload = {path: digest for path, digest in held.items() if path.startswith(f"{PAYLOAD}/")}
        if f"sha256:{hashlib.sha256(manifest_bytes(payload)).hexdigest()}" != receipt.digest:
            message = "the payload is not that of the receipt"
            yield Finding("error", "deposit.digest", receipt.version, message, "run `sidecrate audit` on the root")

    def versions(self, object_id: str) -> list[DepositedVersion]:
        """Return the versions of an object, oldest first."""
        inventory = self._known(object_id)
        found = sorted(inventory["versions"].items(), key=lambda item: int(item[0][1:]))
        return [DepositedVersion(name, block["created"], block.get("message")) for name, block in found]

    def fetch(
        self, object_id: str, target: Path, *, version: str | None = None, progress: Progress | None = None
    ) -> Path:
        """Write a version as a bag folder, every byte checked on the way."""
        inventory = self._known(object_id)
        if version is not None and version not in inventory["versions"]:
            there = ", ".join(inventory["versions"])
            raise RepositoryError(f"{object_id} has no version {version}; there is {there}")
        tree = OcflTree(self.object_path(object_id), inventory, version or inventory["head"])
        return unpack(package_of(tree, target), target, progress)

    def read_back(self, object_id: str, version: str, progress: Progress | None = None) -> dict[str, str]:
        """Return path → hex sha256 of a version, computed from the stored bytes."""
        tree = OcflTree(self.object_path(object_id), self._known(object_id), version)
        found, _ = digests(tree, dict.fromkeys(tree.sizes, ("sha256",)), progress)
        return {name: hexes["sha256"] for name, hexes in found.items()}

    def objects(self) -> list[str]:
        """Return the ids of all objects."""
        found = (read_inventory(declaration.parent) for declaration in self.root.rglob(OBJECT_DECLARATION))
        return sorted(inventory["id"] for inventory in found if inventory)

    def object_path(self, object_id: str) -> Path:
        """Return the folder of an object, by layout extension 0003."""
        digest = hashlib.sha256(object_id.encode()).hexdigest()
        tuples = [digest[start : start + _TUPLE] for start in range(0, _TUPLE * _TUPLES, _TUPLE)]
        name = "".join(c if _PLAIN.match(c) else "".join(f"%{byte:02x}" for byte in c.encode()) for c in object_id)
        return self.root.joinpath(*tuples, name if len(name) <= 100 else f"{name[:100]}-{digest}")

    # ---- writing

    def _is_root(self) -> bool:
        return (self.root / ROOT_DECLARATION).is_file()

    def _known(self, object_id: str) -> Inventory:
        inventory = read_inventory(self.object_path(object_id))
        if inventory is None:
            there = ", ".join(self.objects()) or "nothing yet"
            raise RepositoryError(f"{object_id}: not in {self.root.name}; there is {there}")
        return inventory

    def _make_root(self) -> None:
        """Make an empty storage root at one moment."""
        if self._is_root():
            return
        config = {"extensionName": _LAYOUT, "digestAlgorithm": "sha256", "tupleSize": _TUPLE, "numberOfTuples": _TUPLES}
        layout = {"extension": _LAYOUT, "description": "Three tuples of the sha256 of the id, then the id itself."}
        if self.root.is_dir():
            self.root.rmdir()  # empty, or the constructor would have refused
        with sealed(self.root, "folder", datetime.now(UTC)) as add:
            for name, data in (
                (ROOT_DECLARATION, b"ocfl_1.1\n"),
                ("ocfl_layout.json", canonical_json(layout)),
                (f"extensions/{_LAYOUT}/config.json", canonical_json(config)),
            ):
                add(name, len(data), CheckedReader(io.BytesIO(data), name))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.root / ROOT_DECLARATION).open("rb") as lock:
            if not try_lock(lock):
                raise RepositoryError(f"{self.root.name}: another process is depositing; wait for it to end")
            staging = self.root / _STAGING
            shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
            try:
                yield
            except OSError as error:
                message = f"{self.root.name}: cannot be written ({error.strerror}); nothing was changed"
                raise RepositoryError(message) from error
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def _add_version(
        self, place: Path, plan: DepositPlan, package: Package, by: Person | None, progress: Progress | None
    ) -> None:
        """Stage the version where no reader looks, then move it into place."""
        message = f"bag {package.identifier or package.digest}"
        inventory = next_inventory(read_inventory(place), plan.object_id, package.digests, message, by)
        first = plan.version == "v1"
        stage = self.root / _STAGING / place.relative_to(self.root)
        folder = stage / plan.version
        folder.mkdir(parents=True)
        _copy_content(package, inventory, stage, plan, progress)
        for target in (folder, stage) if first else (folder,):
            write_inventory(target, inventory)
        if first:
            (stage / OBJECT_DECLARATION).write_bytes(b"ocfl_object_1.1\n")
        os.sync()
        if first:
            _move_object(self.root / _STAGING, self.root, place)
        else:
            folder.rename(place / plan.version)
            settle(place, self.root / _STAGING)


def _copy_content(
    package: Package, inventory: Inventory, stage: Path, plan: DepositPlan, progress: Progress | None
) -> None:
    """Copy the bytes that no earlier version holds, each checked against its digest."""
    done = 0
    new = {package.digests[upload.path]: upload for upload in reversed(plan.uploads) if not upload.is_held}
    for digest, upload in sorted(new.items(), key=lambda item: item[1].path):
        target = stage / inventory["manifest"][digest][0]
        target.parent.mkdir(parents=True, exist_ok=True)
        with package.open(upload.path) as reader, target.open("xb") as file:
            shutil.copyfileobj(reader, file, BLOCK)
        reader.check(digest)
        done += upload.bytes
        if progress is not None:
            progress(done, plan.new_bytes, upload.path)


def _move_object(staging: Path, root: Path, place: Path) -> None:
    """Rename the highest folder that is not there yet, so that no empty folder is ever seen (OCFL 1.1 E073)."""
    relative = place.relative_to(root)
    highest = next(part for part in (*reversed(relative.parents), relative) if not (root / part).exists())
    (staging / highest).rename(root / highest)
