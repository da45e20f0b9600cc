# SPDX-License-Identifier: Apache-2.0
"""A zip archive that is never written: its size is known before, its bytes are made when they are read, from anywhere.

Members are stored, not compressed, with fixed times and modes, so the same files give the same bytes. The checksum of
a member follows its data (a data descriptor, APPNOTE 4.3.9): one pass over the files is enough. Checksums that a pass
found are kept, so that a later piece, the central directory above all, does not read the members again.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import IO

from sidecrate.errors import InputError
from sidecrate.publish.archive import CheckedReader
from sidecrate.store import BLOCK

MEDIA_TYPE = "application/zip"
_LARGE = 0xFFFFFFFF
_MANY = 0xFFFF
_FLAGS = 0x0808  # data descriptor, UTF-8 name
_DATE, _TIME = 0x0021, 0  # 1980-01-01 00:00, the first moment a zip knows
_MODE = 0o100644 << 16
_UNIX = 3 << 8


@dataclass(frozen=True)
class Member:
    """A file to be in the archive: its name there, size and hex sha256, and how to open it."""

    name: str
    size: int
    sha256: str
    open: Callable[[], IO[bytes]]

    @property
    def is_large(self) -> bool:
        """Return whether its size needs zip64."""
        return self.size >= _LARGE

    @property
    def cost(self) -> int:
        """Return what it takes in the archive, directory entry included, whatever comes before it."""
        name = len(self.name.encode())
        return self.size + 30 + name + (20 + 24 if self.is_large else 16) + 46 + name + 28


class VirtualZip:
    """An archive of some members, in the order given.

    Parameters
    ----------
    members : sequence of Member
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)
        extents = [len(_header(m)) + m.size + (24 if m.is_large else 16) for m in self.members]
        self._starts = list(accumulate(extents, initial=0))
        self._crcs: dict[int, int] = {}
        self.size = self._starts[-1] + len(self._directory([0] * len(self.members)))

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of the archive from `start` up to `stop`.

        Raises
        ------
        InputError
            A member cannot be read, or is not what its size and digest say; only known when it is read in one go.
        """
        stop = self.size if stop is None else min(stop, self.size)
        number = max(bisect_right(self._starts, start) - 1, 0)
        while number < len(self.members) and self._starts[number] < stop:
            yield from self._member(number, start - self._starts[number], stop - self._starts[number])
            number += 1
        if stop > self._starts[-1]:
            directory = self._directory([self._crc(number) for number in range(len(self.members))])
            yield directory[max(start - self._starts[-1], 0) : stop - self._starts[-1]]

    def _member(self, number: int, start: int, stop: int) -> Iterator[bytes]:
        """Yield a member with its header and descriptor; `start` and `stop` count from its header."""
        member, header = self.members[number], _header(self.members[number])
        if start < len(header):
            yield header[max(start, 0) : stop]
        begin, end = len(header), len(header) + member.size
        if stop > begin and start < end:
            yield from self._data(number, max(start - begin, 0), min(stop, end) - begin)
        if stop > end:
            yield _descriptor(member, self._crc(number))[max(start - end, 0) : stop - end]

    def _data(self, number: int, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes of a member's data; what is read from end to end is checked and its checksum kept."""
        member, crc = self.members[number], 0
        with member.open() as source:
            reader = CheckedReader(source, member.name)
            _skip(source, start)
            left = stop - start
            while left and (block := reader.read(min(BLOCK, left))):
                crc, left = zlib.crc32(block, crc), left - len(block)
                yield block
            if left:
                raise InputError(f"{member.name}: is shorter than its {member.size} bytes; run `sidecrate audit`")
        if (start, stop) == (0, member.size):
            reader.check(member.sha256)
            self._crcs[number] = crc

    def _crc(self, number: int) -> int:
        if number not in self._crcs:
            for _ in self._data(number, 0, self.members[number].size):
                pass
        return self._crcs[number]

    def _directory(self, crcs: Sequence[int]) -> bytes:
        """Return the central directory and what ends the archive."""
        entries = b"".join(map(_entry, self.members, crcs, self._starts))
        return entries + _end(len(self.members), len(entries), self._starts[-1])


def _skip(source: IO[bytes], count: int) -> None:
    if count and source.seekable():
        source.seek(count)
        return
    while count:
        block = source.read(min(BLOCK, count))
        if not block:
            return
        count -= len(block)


def _header(member: Member) -> bytes:
    """Return the local header (4.3.7): sizes and checksum follow in the descriptor."""
    name = member.name.encode()
    size, extra, version = 0, b"", 20
    if member.is_large:
        size, extra, version = _LARGE, struct.pack("<HHQQ", 1, 16, 0, 0), 45
    fields = (version, _FLAGS, 0, _TIME, _DATE, 0, size, size, len(name), len(extra))
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields) + name + extra


def _descriptor(member: Member, crc: int) -> bytes:
    layout = "<4sIQQ" if member.is_large else "<4sIII"
    return struct.pack(layout, b"PK\x07\x08", crc, member.size, member.size)


def _entry(member: Member, crc: int, offset: int) -> bytes:
    """Return the entry of the central directory (4.3.12)."""
    name = member.name.encode()
    far = offset >= _LARGE
    large = [member.size] * 2 if member.is_large else []
    wide = [*large, *([offset] if far else [])]
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    version, size = (45, _LARGE if member.is_large else member.size) if wide else (20, member.size)
    fields = (_UNIX | version, version, _FLAGS, 0, _TIME, _DATE, crc, size, size, len(name), len(extra), 0, 0, 0)
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields, _MODE, min(offset, _LARGE)) + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    """Return the end of the central directory (4.3.16), with zip64's own (4.3.14 and 4.3.15) where it is needed."""
    zip64 = b""
    if count >= _MANY or size >= _LARGE or offset >= _LARGE:
        record = (44, _UNIX | 45, 45, 0, 0, count, count, size, offset)
        zip64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", *record)
        zip64 += struct.pack("<4sIQI", b"PK\x06\x07", 0, offset + size, 1)
    counted = min(count, _MANY)
    return zip64 + struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, counted, counted, min(size, _LARGE), min(offset, _LARGE), 0
    )
