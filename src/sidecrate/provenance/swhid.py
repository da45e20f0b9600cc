# SPDX-License-Identifier: Apache-2.0
"""Software Hash Identifiers (ISO/IEC 18670): what exactly ran, computed from its source and from nothing else.

They are git's object ids, so any git can check them; as a URL they lead to the source once it is archived.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

RESOLVER = "https://archive.softwareheritage.org/"
_COMPILED = "__pycache__"


def of_file(path: Path) -> str:
    """Return ``swh:1:cnt:<hex>`` of a file."""
    return f"swh:1:cnt:{_object_id('blob', path.read_bytes()).hex()}"


def of_folder(path: Path) -> str:
    """Return ``swh:1:dir:<hex>`` of a folder; what Python compiled into it is left out."""
    return f"swh:1:dir:{_object_id('tree', _tree(path)).hex()}"


@cache
def of_sidecrate() -> str:
    """Return the identifier of the installed sidecrate, computed once in a process."""
    return of_folder(Path(str(files("sidecrate"))))


def _object_id(kind: str, content: bytes) -> bytes:
    header = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).digest()


def _tree(folder: Path) -> bytes:
    """Return a folder as git stores it; git sorts a folder inside as if its name ended in ``/``."""
    return b"".join(entry for _, entry in sorted(_entries(folder)))


def _entries(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield (sort key, tree entry) of what lies in a folder; empty folders are left out, as git does."""
    for item in os.scandir(folder):
        name, path = os.fsencode(item.name), Path(item.path)
        if item.is_symlink():
            yield name, b"120000 " + name + b"\0" + _object_id("blob", os.fsencode(path.readlink()))
        elif item.is_dir():
            if item.name != _COMPILED and (tree := _tree(path)):
                yield name + b"/", b"40000 " + name + b"\0" + _object_id("tree", tree)
        else:
            mode = b"100755 " if os.access(path, os.X_OK) else b"100644 "
            yield name, mode + name + b"\0" + _object_id("blob", path.read_bytes())
