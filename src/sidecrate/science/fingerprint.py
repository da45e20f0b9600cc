# SPDX-License-Identifier: Apache-2.0
"""The digest of a source, taken by a thread of its own while the voxels are copied.

So that "which file was this?" has an answer years later. Reading ahead in order warms the file cache for the copy,
and compressing is slower than hashing, so the copy hardly waits for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from sidecrate.artifacts import Json
from sidecrate.digests import files_below, manifest_bytes

_BLOCK = 1 << 22


@contextmanager
def fingerprint(source: Path) -> Iterator[Callable[[], Json]]:
    """Read a file or folder while the block lasts, and give a function that waits for what was found.

    It returns ``bytes`` and ``sha256``; of a folder also ``files``, their number, and the sha256 is that of the
    manifest of all of them (``sha256  path`` lines sorted by path). Nothing when a file cannot be read: the
    volume may be whole without it.
    """
    enough = Event()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(_take, source, enough)
        try:
            yield found.result
        finally:
            enough.set()  # an answer that nobody has waited for is not wanted


def _take(source: Path, enough: Event) -> Json:
    try:
        if not source.is_dir():
            digest, size = _hash(source, enough)
            return {"bytes": size, "sha256": digest}
        found = {name: _hash(source / name, enough) for name in files_below(source)}
    except OSError:
        return {}
    listed = manifest_bytes({name: digest for name, (digest, _) in found.items()})
    total = sum(size for _, size in found.values())
    return {"bytes": total, "files": len(found), "sha256": hashlib.sha256(listed).hexdigest()}


def _hash(path: Path, enough: Event) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while not enough.is_set() and (block := file.read(_BLOCK)):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size
