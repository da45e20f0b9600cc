#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Put a bag together again from the files of its deposit. Needs Python 3.9 or newer and nothing else.

Download all files of the deposit into one folder and run there: python3 restore.py
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any

LIST = re.compile(r"bag-parts-v([1-9]\d*)\.json")
Index = dict[str, tuple[str, int, str, str]]


def index(folder: Path) -> tuple[Any, Index]:
    """Return the newest list of parts in a folder, and path in the bag -> sha256, bytes, file, name inside the file."""
    lists = {int(m[1]): p for p in folder.iterdir() if (m := LIST.fullmatch(p.name))}
    if not lists:
        raise ValueError("no bag-parts-v….json here: download every file of the deposit into one folder")
    newest = lists[max(lists)].name
    return resolve(newest, lambda name: json.loads((folder / name).read_text("utf-8")))


def resolve(name: str, read: Callable[[str], Any]) -> tuple[Any, Index]:
    """Return a list and its whole index: a list says how it differs from the one of an earlier version."""
    if not LIST.fullmatch(name):
        raise ValueError(f"not a list of parts: {name!r}")
    listed = read(name)
    files = dict(resolve(listed["base"], read)[1]) if listed.get("base") else {}
    for new, old in listed.get("same", []):
        files.update({new + path[len(old) :]: entry for path, entry in files.items() if path.startswith(old)})
    files.update({path: tuple(entry) for path, entry in listed["files"].items()})
    return listed, {path: files[path] for path in sorted(files.keys() - listed.get("gone", []))}


def manifest(files: Index, path: str, below: str) -> bytes:
    """Return a manifest made from the index: a line of digest and path for each file below a folder."""
    root = path[: path.rindex("/") + 1] if "/" in path else ""
    lines = []
    for name in sorted(name for name in files if name.startswith(below) and name != path):
        shown = name[len(root) :].replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
        lines.append(f"{files[name][0]}  {shown}\n")
    return "".join(lines).encode()


def restore(folder: Path, target: Path) -> None:
    """Write the bag of a folder of downloaded files to `target`, every byte checked."""
    files, archives = index(folder)[1], {}  # type: ignore[var-annotated]
    for path, (sha256, size, file, member) in files.items():
        if not is_safe(path) or (file and not is_safe(file)):
            raise ValueError(f"unsafe name, nothing more is written: {path!r} {file!r}")
        source: IO[bytes]
        if not file:
            source = io.BytesIO(manifest(files, path, member))
        elif member:
            archives[file] = archives.get(file) or zipfile.ZipFile(folder / file)
            source = archives[file].open(member)
        else:
            source = (folder / file).open("rb")
        with source:
            copy(source, target / path, size, sha256, f"{path} in {file or 'the list of parts'}")


def copy(source: IO[bytes], target: Path, size: int, sha256: str, what: str) -> None:
    """Copy one file and check its size and digest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), size
    with target.open("xb") as out:
        while left >= 0 and (block := source.read(min(1 << 20, left + 1))):
            digest.update(block)
            out.write(block)
            left -= len(block)
    if left or digest.hexdigest() != sha256:
        raise ValueError(f"damaged: {what}; download that file again")


def is_safe(name: str) -> bool:
    """Return whether a name stays inside its folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and not re.search(r"^/|^[A-Za-z]:|[\\\0]", name)


def main() -> None:
    """Restore the bag beside this script."""
    folder = Path(__file__).resolve().parent
    try:
        name = str(index(folder)[0]["name"])
        if not is_safe(name) or "/" in name or (folder / name).exists():
            raise ValueError(f"{name} is there already, or no name for a folder; move it away first")
        unfinished = folder / f".{name}.partial"
        if unfinished.exists():
            raise ValueError(f"{unfinished.name} was left by an earlier try; remove it first")
        restore(folder, unfinished)
        unfinished.rename(folder / name)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        sys.exit(f"not restored: {error}")
    print(f"restored: {name}; check it again with any BagIt tool")  # noqa: T201


if __name__ == "__main__":
    main()
