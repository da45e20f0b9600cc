# SPDX-License-Identifier: Apache-2.0
"""Packing: a planned package becomes a BagIt 1.0 bag (RFC 8493), crate root = ``data/``.

Digests come from the manifests of the versions; bytes are hashed once, while they are copied, and compared with what
is known, so that a damaged source stops the packing. They are copied, not linked: a bag that shares inodes with a
folder people work in could change after it was sealed.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sidecrate.artifacts import Artifact
from sidecrate.errors import InputError
from sidecrate.provenance import schemas
from sidecrate.provenance.records import Record
from sidecrate.publish import bag
from sidecrate.publish.archive import Add, CheckedReader, Form, sealed
from sidecrate.publish.package import Package, open_package
from sidecrate.publish.plan import Plan, human, payload_manifest, plan
from sidecrate.publish.trees import Progress

PROFILE = "bagit-profile.json"
_SPARE = 16 << 20  # room for the file system's own needs


def pack(
    root: Path,
    target: Path,
    *,
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    chosen: Sequence[Artifact] | None = None,
    form: Form = "folder",
    sha512: bool = False,
    progress: Progress | None = None,
) -> Package:
    """Write a package and return it: `plan`, then `write`."""
    planned = plan(root, project=project, records=records, artifacts=artifacts, chosen=chosen)
    return write(planned, target, form=form, sha512=sha512, progress=progress)


def write(
    planned: Plan, target: Path, *, form: Form = "folder", sha512: bool = False, progress: Progress | None = None
) -> Package:
    """Write a planned package and return it, opened again.

    Parameters
    ----------
    planned : Plan
    target : Path
        A new folder or file outside the project.
    form : {"folder", "tar", "zip"}
    sha512 : bool
        Whether to add sha512 manifests; sha256 is always there, it is what the versions are known by.
    progress : callable, optional
        Called with (bytes done, bytes in all, file).

    Raises
    ------
    InputError
        The plan has leaks, the target is unusable, the disk is too small, or a source is damaged.
    """
    if planned.problems:
        first, more = planned.problems[0], len(planned.problems) - 1
        rest = f" (and {more} more)" if more else ""
        raise InputError(f"{first.where}: {first.message}{rest}; {first.advice}")
    if _real(target).is_relative_to(_real(planned.root)):
        raise InputError(f"{target.name}: lies inside the project; a package goes outside of it")
    _check_room(target, planned.bytes)
    name = target.name.removesuffix(f".{form}")
    prefix = "" if form == "folder" else f"{name}/"
    with sealed(target, form, planned.stamp) as add:
        _write_bag(planned, prefix, add, "sha512" if sha512 else None, progress)
    return open_package(target)


def _real(path: Path) -> Path:
    """Return a path without links; one that leads in a circle stays (`Path.resolve` would raise)."""
    return Path(os.path.realpath(path))


def _check_room(target: Path, needed: int) -> None:
    parent = next(folder for folder in _real(target).parents if folder.is_dir())
    free = shutil.disk_usage(parent).free
    if free < needed + _SPARE:
        raise InputError(f"{target.name}: needs {human(needed)}, {human(free)} are free; choose another place")


def _write_bag(planned: Plan, prefix: str, add: Add, also: str | None, progress: Progress | None) -> None:
    """Add the files of a bag in the order of their names: bag-info … data … manifests."""
    tags = {
        bag.INFO: bag.info_bytes(planned.info),
        PROFILE: (schemas.folder() / PROFILE).read_bytes(),
        bag.DECLARATION: bag.declaration_bytes(),
    }
    for name, data in tags.items():
        _add_bytes(add, prefix + name, data)
    manifests = {"manifest-sha256.txt": bag.manifest_bytes(payload_manifest(planned.items))}
    second = _write_payload(planned, f"{prefix}{bag.PAYLOAD}/", add, also, progress)
    if also is not None:
        manifests[f"manifest-{also}.txt"] = bag.manifest_bytes(second)
    for name, data in manifests.items():
        _add_bytes(add, prefix + name, data)
    for algorithm in ("sha256", also) if also else ("sha256",):
        listed = {name: hashlib.new(algorithm, data).hexdigest() for name, data in (tags | manifests).items()}
        _add_bytes(add, f"{prefix}tagmanifest-{algorithm}.txt", bag.manifest_bytes(listed))


def _write_payload(planned: Plan, prefix: str, add: Add, also: str | None, progress: Progress | None) -> dict[str, str]:
    """Copy every payload file, checked, and return path → second digest."""
    done, second = 0, {}
    for item in planned.items:
        with item.open() as file:
            reader = CheckedReader(file, item.path, planned.forbidden, also)
            add(prefix + item.path, item.size, reader)
        reader.check(item.sha256)
        second[f"{bag.PAYLOAD}/{item.path}"] = reader.also()
        done += item.size
        if progress is not None:
            progress(done, planned.bytes, item.path)
    return second


def _add_bytes(add: Add, name: str, data: bytes) -> None:
    add(name, len(data), CheckedReader(io.BytesIO(data), name))
