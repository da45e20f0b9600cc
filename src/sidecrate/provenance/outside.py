# SPDX-License-Identifier: Apache-2.0
"""Files of other people's programs, brought into the graph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sidecrate.artifacts import MANIFEST, Artifact, Files
from sidecrate.digests import files_below, read_manifest, sha256_file
from sidecrate.errors import InputError, RecordError
from sidecrate.store import draft, open_version, versions

FILE = "File"  # kind of a plain file in a record


def recognise(path: Path, root: Path) -> Artifact | None:
    """Return the version a path belongs to: it lies inside one, or an earlier run made exactly this file."""
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents):
        if re.fullmatch(r"v[1-9]\d*", folder.name) and folder.is_relative_to(root):
            return open_version(folder)
    if not resolved.is_file():
        return None
    digest = sha256_file(resolved)
    kept = (artifact for series in sorted((root / Files.folder).glob("*")) for artifact in versions(series))
    return next((artifact for artifact in kept if digest in read_manifest(artifact.path / MANIFEST).values()), None)


def keep(path: Path, root: Path) -> Files:
    """Copy a file or folder into the project as a new version of ``files/<name>`` and return it.

    A copy, because the program that made it may write to it again, and a version never changes.

    Raises
    ------
    InputError
        Nothing is there, or there are links in it.
    """
    if not path.exists():
        raise InputError(f"{path.name}: the run was to make it, and it is not there")
    if linked := [item for item in (path, *path.rglob("*")) if item.is_symlink()]:
        raise InputError(f"{linked[0].name}: a link, which may lead anywhere; let the command write the file itself")
    name = re.sub(r"[^a-z0-9._-]+", "-", path.name.lower()).strip("-._")[:64] or "result"
    with draft(Files, root / Files.folder / name) as made:
        if path.is_dir():
            for file in files_below(path):
                made.copy(path / file, f"{path.name}/{file}")
        else:
            made.copy(path, path.name)
        return made.finish({"description": f"{path.name}, made by another program"})


def use_of_file(path: Path, role: str) -> dict[str, Any]:
    """Return how a record names a plain file: by name, size and digest.

    Raises
    ------
    RecordError
        It cannot be read.
    """
    try:
        size, digest = path.stat().st_size, sha256_file(path)
    except OSError as error:
        raise RecordError(f"{path.name}: cannot be read for the record ({error.strerror})") from error
    return {"role": role, "kind": FILE, "name": path.name, "bytes": size, "digest": f"sha256:{digest}"}
