# SPDX-License-Identifier: Apache-2.0
"""Received bytes, kept in a folder and not in memory, with the digests that were taken while they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

BLOCK_BYTES = 1 << 16
MEMORY_BYTES = 64 << 20  # most that `Blob.read` takes into memory: metadata, never a data file


@dataclass
class Blob:
    """Bytes in a file.

    Attributes
    ----------
    path : Path
    size : int
        In bytes.
    digests : dict of str to str
        Name of the algorithm in hashlib → hex digest, as far as known.
    is_kept : bool
        False while nobody but the request that brought it needs it; such a blob is deleted after the answer.
    """

    path: Path
    size: int
    digests: dict[str, str] = field(default_factory=dict)
    is_kept: bool = False

    def digest(self, algorithm: str) -> str:
        """Return the hex digest, reading the file when it was not taken on arrival."""
        if algorithm not in self.digests:
            with self.path.open("rb") as file:
                self.digests[algorithm] = hashlib.file_digest(file, algorithm).hexdigest()
        return self.digests[algorithm]

    def read(self) -> bytes:
        """Return all bytes of a small blob.

        Raises
        ------
        ValueError
            It is larger than metadata ever is.
        """
        if self.size > MEMORY_BYTES:
            raise ValueError(f"{self.size} bytes are too many to be read into memory")
        return self.path.read_bytes()

    def blocks(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start`, `length` of them or to the end, block by block."""
        left = self.size - start if length is None else length
        with self.path.open("rb") as file:
            file.seek(start)
            while left and (block := file.read(min(left, BLOCK_BYTES))):
                left -= len(block)
                yield block

    def keep(self) -> Blob:
        """Return the blob, which now outlives the request."""
        self.is_kept = True
        return self


class Spool:
    """A blob that is being written.

    Parameters
    ----------
    path : Path
        Where; must not exist.
    algorithms : iterable of str
        Digests to take on the way.
    is_corrupt : bool
        Flip one bit of the first byte, as a bad disk would; the digests are those of the bytes that are kept.
    """

    def __init__(self, path: Path, algorithms: Iterable[str] = (), is_corrupt: bool = False) -> None:
        self._path = path
        self._file: BinaryIO = path.open("xb")
        self._hashes: dict[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._is_corrupt = is_corrupt
        self._size = 0

    def write(self, block: bytes) -> None:
        """Append bytes."""
        if self._is_corrupt and block and not self._size:
            block = bytes([block[0] ^ 1]) + block[1:]
        self._file.write(block)
        self._size += len(block)
        for digest in self._hashes.values():
            digest.update(block)

    def done(self) -> Blob:
        """Return the blob, complete."""
        self._file.close()
        digests = {name: digest.hexdigest() for name, digest in self._hashes.items()}
        return Blob(self._path, self._size, digests)

    def discard(self) -> None:
        """Forget what was written."""
        self._file.close()
        self._path.unlink(missing_ok=True)
