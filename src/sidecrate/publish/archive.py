# SPDX-License-Identifier: Apache-2.0
"""Writing a folder, a tar or a zip that appears whole or not at all, with every byte checked on its way.

Archives are deterministic: the caller adds names in order; times, owners and modes are fixed. A zip stores its files
uncompressed: arrays are compressed already, and the bytes of an archive should not depend on somebody's zlib.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal, TypeAlias

from sidecrate.errors import InputError
from sidecrate.publish.trees import UNREADABLE
from sidecrate.store import BLOCK, try_lock

Form: TypeAlias = Literal["folder", "tar", "zip"]
Add: TypeAlias = Callable[[str, int, "CheckedReader"], None]
FORMS: tuple[Form, ...] = ("folder", "tar", "zip")
_MODE = 0o644
_ZIP_EPOCH = 315532800  # zip knows no time before 1980


class CheckedReader:
    """A file on its way into a package: hashed while it is read, searched for what must not leave.

    Parameters
    ----------
    source : binary file
    name : str
        For messages.
    forbidden : sequence of bytes
        Strings that no file may hold.
    also : str, optional
        A second digest algorithm to compute in the same pass.
    """

    def __init__(self, source: IO[bytes], name: str, forbidden: Sequence[bytes] = (), also: str | None = None) -> None:
        self._source, self._name, self._forbidden = source, name, forbidden
        self._sha256 = hashlib.sha256()
        self._also = hashlib.new(also) if also else None
        self._tail = b""
        self._overlap = max((len(needle) for needle in forbidden), default=1) - 1

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises
        ------
        InputError
            They cannot be read, or hold a forbidden string.
        """
        try:
            block = self._source.read(size)
        except UNREADABLE as error:
            raise InputError(f"{self._name}: cannot be read ({error}); run `sidecrate audit`") from error
        self._sha256.update(block)
        if self._also is not None:
            self._also.update(block)
        if self._forbidden:
            self._search(block)
        return block

    def __enter__(self) -> CheckedReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def check(self, sha256: str) -> None:
        """Check that what was read is what was expected.

        Raises
        ------
        InputError
            The bytes have another digest: the source is damaged.
        """
        if self._sha256.hexdigest() != sha256:
            raise InputError(f"{self._name}: its bytes are not those of its manifest; run `sidecrate audit`")

    def also(self) -> str:
        """Return the second digest, hex; empty when none was asked for."""
        return self._also.hexdigest() if self._also is not None else ""

    def _search(self, block: bytes) -> None:
        window = self._tail + block
        if any(needle in window for needle in self._forbidden):
            advice = "make the file again without it"
            raise InputError(f"{self._name}: holds a secret or a path of this machine; {advice}")
        self._tail = window[len(window) - self._overlap :] if self._overlap else b""


@contextmanager
def sealed(target: Path, form: Form, stamp: datetime) -> Iterator[Add]:
    """Open a new folder, tar or zip; it appears at `target` when the block ends well, else nothing does.

    Parameters
    ----------
    target : Path
        Must not exist.
    form : {"folder", "tar", "zip"}
    stamp : datetime
        Modification time of every file in an archive.

    Yields
    ------
    callable
        ``add(name, size, reader)`` writes one file.

    Raises
    ------
    InputError
        The target exists, another process is writing it, or the disk refuses.
    """
    if target.exists() or target.is_symlink():
        raise InputError(f"{target.name}: is there already; choose another name or remove it")
    stage = target.parent / f".{target.name}.partial"
    try:
        stage.mkdir(parents=True, exist_ok=True)
        with (stage / "lock").open("wb") as lock:
            if not try_lock(lock):
                raise InputError(f"{target.name}: another process is writing it; wait for it to end")
            try:
                yield from _staged(stage / "package", target, form, stamp)
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{target.name}: cannot be written ({error.strerror}); nothing was left behind") from error


def _staged(path: Path, target: Path, form: Form, stamp: datetime) -> Iterator[Add]:
    if path.is_dir():  # left by a process that was killed
        shutil.rmtree(path)
    with _WRITERS[form](path, stamp) as add:
        yield add
    os.sync()
    path.rename(target)


@contextmanager
def _folder(path: Path, _stamp: datetime) -> Iterator[Add]:
    path.mkdir()

    def add(name: str, _size: int, reader: CheckedReader) -> None:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as writer:
            shutil.copyfileobj(reader, writer, BLOCK)
        file.chmod(_MODE)

    yield add


@contextmanager
def _tar(path: Path, stamp: datetime) -> Iterator[Add]:
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:

        def add(name: str, size: int, reader: CheckedReader) -> None:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = size, _MODE, int(stamp.timestamp())
            archive.addfile(member, reader)

        yield add


@contextmanager
def _zip(path: Path, stamp: datetime) -> Iterator[Add]:
    moment = datetime.fromtimestamp(max(stamp.timestamp(), _ZIP_EPOCH), UTC)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, size: int, reader: CheckedReader) -> None:
            member = zipfile.ZipInfo(name, moment.timetuple()[:6])
            member.create_system, member.external_attr, member.file_size = 3, (0o100000 | _MODE) << 16, size
            with archive.open(member, "w", force_zip64=size >= 1 << 31) as writer:
                shutil.copyfileobj(reader, writer, BLOCK)

        yield add


_WRITERS = {"folder": _folder, "tar": _tar, "zip": _zip}
