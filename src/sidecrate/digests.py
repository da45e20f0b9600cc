# SPDX-License-Identifier: Apache-2.0
"""Digests of bytes, and manifests: ``sha256  path`` lines sorted by path.

The sha256 of a manifest is the identity of what it lists: same bytes, same digest, whatever the scan order, file
system or packing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from sidecrate.errors import RecordError


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file, read in 1 MiB blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: object) -> bytes:
    """Return JSON as UTF-8 bytes that depend on the value only: sorted keys, indent 1, final newline."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `data` at one moment; after a crash the old or the new bytes are there, whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def encode_path(path: str) -> str:
    """Return a path as a manifest line writes it (RFC 8493 §2.1.3: only LF, CR and % are encoded)."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def decode_path(path: str) -> str:
    """Return the path that `encode_path` was given."""
    return re.sub("%(0A|0D|25)", lambda m: chr(int(m[1], 16)), path, flags=re.IGNORECASE)


def manifest_bytes(digests: Mapping[str, str]) -> bytes:
    """Return the manifest of path → hex digest: one line a file, sorted by path."""
    return "".join(f"{digests[path]}  {encode_path(path)}\n" for path in sorted(digests)).encode()


def read_manifest(path: Path) -> dict[str, str]:
    """Return path → hex digest of a manifest file.

    Raises
    ------
    RecordError
        Missing, or a line is not ``<64 hex>  <relative path>``.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path.parent.name}/{path.name}: not readable; run `sidecrate audit`") from error
    digests: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if match is None or not is_inside(decode_path(match[2])):
            where = f"{path.parent.name}/{path.name}"
            raise RecordError(f"{where}: line {number} is broken; run `sidecrate audit`")
        digests[decode_path(match[2])] = match[1]
    return digests


def is_inside(path: str) -> bool:
    """Return whether a path is relative, POSIX, UTF-8, in its shortest form, and stays below its folder."""
    pure = PurePosixPath(path)
    shortest = pure.as_posix() == path and path != "."
    storable = not re.search("[\\\\\0\ud800-\udfff]", path)  # lone surrogates stand for bytes that are not UTF-8
    return shortest and storable and not pure.is_absolute() and ".." not in pure.parts


def files_below(folder: Path) -> Iterator[str]:
    """Yield the relative POSIX path of each file below a folder; symbolic links are not followed."""
    pending = [("", folder)]
    while pending:
        prefix, current = pending.pop()
        for entry in sorted(os.scandir(current), key=lambda item: item.name):
            if entry.is_dir(follow_symlinks=False):
                pending.append((f"{prefix}{entry.name}/", Path(entry.path)))
            else:
                yield f"{prefix}{entry.name}"
