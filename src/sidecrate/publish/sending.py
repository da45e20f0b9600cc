# SPDX-License-Identifier: Apache-2.0
"""Reading a parcel once while it is sent: in pieces, again where a request failed, with its digests at the end.

Digests are computed by two threads while the network is busy with the same block; hashing and sending let go of the
interpreter's lock. Memory is bounded by a few blocks, whatever the size of the parcel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from sidecrate.publish.parcels import Parcel
from sidecrate.publish.trees import Progress
from sidecrate.store import BLOCK

_ALGORITHMS = ("md5", "sha256")


class Reading:
    """One pass over a parcel from its first byte to its last; use it in a ``with`` block.

    Parameters
    ----------
    parcel : Parcel
    tell : callable, optional
        Called with the number of bytes that were read since the last call.
    also : tuple of str, optional
        Digest algorithms beside md5 and sha256.
    """

    def __init__(self, parcel: Parcel, tell: Callable[[int], None] | None = None, also: tuple[str, ...] = ()) -> None:
        self.parcel, self.at = parcel, 0
        self._tell = tell
        self._source = gathered(parcel.blocks())
        self._rest = b""
        self._names = tuple(dict.fromkeys((*_ALGORITHMS, *also)))
        self._hashes = [hashlib.new(name, usedforsecurity=False) for name in self._names]
        self._pool = ThreadPoolExecutor(len(self._names))
        self._running: list[Future[None]] = []

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def piece(self, start: int, stop: int) -> Piece:
        """Return a part of the parcel as the body of a request."""
        return Piece(self, start, stop)

    def pass_over(self, stop: int) -> None:
        """Read up to `stop` without sending: what the server has, or did not take in the end."""
        for _ in self.advance(stop):
            pass

    def advance(self, stop: int) -> Iterator[bytes]:
        """Yield the next bytes of the pass, up to `stop`."""
        while self.at < stop:
            block = self._rest or next(self._source)
            block, self._rest = block[: stop - self.at], block[stop - self.at :]
            self._settle()
            self._running = [self._pool.submit(one.update, block) for one in self._hashes]
            self.at += len(block)
            if self._tell is not None:
                self._tell(len(block))
            yield block

    def digests(self) -> dict[str, str]:
        """Return the digests of the whole parcel, hex; what was not read yet is read."""
        self.pass_over(self.parcel.size)
        self._settle()
        return {name: one.hexdigest() for name, one in zip(self._names, self._hashes, strict=True)}

    def _settle(self) -> None:
        for one in self._running:
            one.result()


@dataclass
class Told:
    """Progress over all files of a deposit, in bytes."""

    total: int
    progress: Progress | None
    done: int = 0

    def of(self, name: str) -> Callable[[int], None]:
        """Return what is told about one file."""

        def tell(count: int) -> None:
            self.done += count
            if self.progress is not None:
                self.progress(min(self.done, self.total), self.total, name)

        return tell


class Piece:
    """Bytes `start` to `stop` of a parcel; the first time out of the pass, then, for another try, read again."""

    def __init__(self, reading: Reading, start: int, stop: int) -> None:
        self._reading, self._start, self._stop = reading, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[bytes]:
        if self._reading.at == self._start:
            yield from self._reading.advance(self._stop)
        else:
            yield from gathered(self._reading.parcel.blocks(self._start, self._stop))


def gathered(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks that are worth a system call: a zip of small files comes in crumbs."""
    waiting: list[bytes] = []
    size = 0
    for block in blocks:
        if not waiting and len(block) >= BLOCK // 4:
            yield block
            continue
        waiting.append(block)
        size += len(block)
        if size >= BLOCK // 4:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
