# SPDX-License-Identifier: Apache-2.0
"""Versions on disk: drafts, manifests, digests.

A version is written into a hidden draft folder beside its siblings and moved into place when it is complete.
Bytes are hashed while they are written, so nothing large is read again. The manifest (``sha256  path`` lines,
sorted by path) is the identity: same bytes, same digest, whatever the scan order, file system or packing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, Generic, TypeVar, cast

from sidecrate.artifacts import KINDS, MANIFEST, META, Artifact, Json, read_meta
from sidecrate.digests import (
    canonical_json,
    decode_path,
    encode_path,
    files_below,
    is_inside,
    manifest_bytes,
    read_manifest,
    sha256_file,
    write_atomic,
)
from sidecrate.errors import Finding, InputError, RecordError

A = TypeVar("A", bound=Artifact)

BLOCK = 1 << 20
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION = re.compile(r"v([1-9][0-9]*)")
_DRAFTS = ".drafts"
_TURN = ".turn"
_RESUMABLE = "resume-"
_FORGOTTEN = "-" * 64  # in the ledger, in the place of a digest
_GRACE_S = 60  # a draft this young may belong to a process that has not locked it yet
_RESUMABLE_S = 30 * 24 * 3600  # an interrupted step that nobody took up for so long is given up


# ------------------------------------------------------------------------------------- reading versions


def open_version(path: Path) -> Artifact:
    """Return the noun in a version folder; costs one read of its manifest and metadata, no payload byte.

    Raises
    ------
    InputError, RecordError
        Not a version, or its metadata is broken or was changed.
    """
    match = _VERSION.fullmatch(path.name)
    if match is None or not path.is_dir():
        raise InputError(f"{path.name}: not a version folder (v1, v2, …)")
    noun = KINDS[read_meta(path)["kind"]]
    manifest = path / MANIFEST
    if read_manifest(manifest).get(META) != sha256_file(path / META):
        where = f"{noun.folder}/{path.parent.name}/{path.name}/{META}"
        raise RecordError(f"{where}: its bytes are not those of its manifest; run `sidecrate audit` and restore it")
    return noun(path, path.parent.name, int(match[1]), f"sha256:{sha256_file(manifest)}")


def version_numbers(series: Path) -> list[int]:
    """Return the version numbers present in a series folder, ascending."""
    if not series.is_dir():
        return []
    found = (_VERSION.fullmatch(entry.name) for entry in series.iterdir())
    return sorted(int(match[1]) for match in found if match)


def versions(series: Path) -> list[Artifact]:
    """Return every version of a series folder such as ``labels/pores``, oldest first."""
    return [open_version(series / f"v{number}") for number in version_numbers(series)]


def verify(artifact: Artifact) -> Iterator[Finding]:
    """Yield a finding for each file of a version that is missing, changed or unknown."""
    expected = read_manifest(artifact.path / MANIFEST)
    present = set(files_below(artifact.path)) - {MANIFEST}
    repair = "restore this version from a package or a backup"
    for name in sorted(expected.keys() - present):
        yield Finding("error", "fixity.missing", f"{artifact.place}/{name}", "the file is missing", repair)
    for name in sorted(present - expected.keys()):
        where = f"{artifact.place}/{name}"
        yield Finding("error", "fixity.extra", where, "the file is not in the manifest", "remove it")
    for name in sorted(expected.keys() & present):
        if sha256_file(artifact.path / name) != expected[name]:
            yield Finding("error", "fixity.digest", f"{artifact.place}/{name}", "the bytes changed", repair)


def check_file(artifact: Artifact, name: str) -> None:
    """Check one file of a version against its manifest, before something is decided by it.

    Raises
    ------
    RecordError
        Its bytes are not those that were written.
    """
    path = artifact.path / name
    if not path.is_file() or sha256_file(path) != read_manifest(artifact.path / MANIFEST).get(name):
        raise RecordError(
            f"{artifact.ref}/{name}: not the bytes of this version; restore it from a package or a backup"
        )


# ------------------------------------------------------------------------------------- writing versions


class _HashingFile(io.BufferedIOBase):
    """A binary file for writing that hashes what passes and tells the draft when it closes."""

    def __init__(self, draft: Draft[Artifact], name: str) -> None:
        self._draft, self._name = draft, name
        self._file: BinaryIO = draft.file(name).open("wb")
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(cast(bytes, data))
        self._hash.update(view)
        return self._file.write(view)

    def close(self) -> None:
        if not self._file.closed:
            self._file.close()
            self._draft.note(self._name, self._hash.hexdigest())
        super().close()


class Draft(Generic[A]):
    """A version in the making: a place to write to.

    Attributes
    ----------
    path : Path
        The folder the files are written in, hidden until the version is complete.
    digests : dict of str to str
        Relative path → hex sha256 of every file written so far. After an interruption it is read back
        from the ledger, so that a resumed step knows which files are whole.
    """

    def __init__(self, noun: type[A], series: Path, folder: Path) -> None:
        self.path = folder / "payload"
        self.path.mkdir(exist_ok=True)
        self._noun, self._series = noun, series
        self._ledger = folder / "ledger"
        self._guard = threading.Lock()
        self.digests = self._read_ledger()
        self.finished: A | None = None

    def file(self, name: str) -> Path:
        """Return the path to write a file of this version to, its folder made; a hard link is cut first."""
        if not is_inside(name) or name in (META, MANIFEST):
            raise InputError(f"{name!r}: not a usable file name inside a version")
        self.forget(name)  # so that a half-written file is never taken for the one it replaces
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    def note(self, name: str, hexdigest: str) -> None:
        """Remember the digest of a file that was written by somebody who hashed it on the way."""
        with self._guard:
            self.digests[name] = hexdigest
            self._append_ledger(hexdigest, name)

    def forget(self, name: str) -> None:
        """Drop a file that was deleted from the draft."""
        with self._guard:
            if self.digests.pop(name, None) is not None:
                self._append_ledger(_FORGOTTEN, name)

    def open(self, name: str) -> IO[bytes]:
        """Return a binary file for writing, hashed on the way."""
        return cast(IO[bytes], _HashingFile(cast("Draft[Artifact]", self), name))

    def write(self, name: str, data: bytes) -> None:
        """Write one small file."""
        with self.open(name) as file:
            file.write(data)

    def write_json(self, name: str, value: object) -> None:
        """Write a value as canonical JSON."""
        self.write(name, canonical_json(value))

    def adopt(self, name: str) -> None:
        """Take in a file that a library wrote into the draft by itself; it is read once to be hashed."""
        self.note(name, sha256_file(self.path / name))

    def copy(self, source: Path, name: str) -> None:
        """Copy a file from elsewhere, hashed on the way."""
        with source.open("rb") as reader, self.open(name) as writer:
            shutil.copyfileobj(reader, writer, BLOCK)

    def share(self, other: Artifact, names: Iterable[str]) -> None:
        """Take files of an earlier version with their known digests, as hard links where that works."""
        known = read_manifest(other.path / MANIFEST)
        for name in names:
            target = self.file(name)
            try:
                os.link(other.path / name, target)
            except OSError:
                shutil.copyfile(other.path / name, target)
            self.note(name, known[name])

    def finish(self, meta: Json) -> A:
        """Seal the version, move it into place and return it.

        Raises
        ------
        RecordError
            A file in the draft was never hashed, or a hashed one is gone (a bug or interference).
        """
        self.digests.pop(META, None)
        data = canonical_json({**meta, "kind": self._noun.kind})
        write_atomic(self.path / META, data)
        self.digests[META] = hashlib.sha256(data).hexdigest()
        self._check_complete()
        manifest = manifest_bytes(self.digests)
        write_atomic(self.path / MANIFEST, manifest)
        _sync_tree(self.path)
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        path, version = _move_into_series(self.path, self._series)
        self.finished = self._noun(path, self._series.name, version, digest)
        return self.finished

    def _check_complete(self) -> None:
        present = set(files_below(self.path)) - {MANIFEST}
        if odd := sorted(present ^ self.digests.keys()):
            raise RecordError(f"{self._series.name}: {odd[0]} in the draft was not hashed; run again")

    def _append_ledger(self, hexdigest: str, name: str) -> None:
        with self._ledger.open("ab") as ledger:
            ledger.write(f"{hexdigest}  {encode_path(name)}\n".encode())

    def _read_ledger(self) -> dict[str, str]:
        """Return what an interrupted run had finished, and delete every file it had not."""
        known: dict[str, str] = {}
        with suppress(FileNotFoundError):
            for line in self._ledger.read_bytes().split(b"\n")[:-1]:  # a line without its end was cut short
                if len(line) > 66:
                    known[decode_path(line[66:].decode())] = line[:64].decode()
        present = set(files_below(self.path))
        known = {name: digest for name, digest in known.items() if name in present and digest != _FORGOTTEN}
        for name in present - known.keys():
            (self.path / name).unlink()
        return known


@contextmanager
def draft(noun: type[A], series: Path, key: str | None = None) -> Iterator[Draft[A]]:
    """Open a new version of `noun` in the folder `series` (``…/labels/pores``) for writing.

    Parameters
    ----------
    noun : type of Artifact
    series : Path
        Its last part is the name of the series; made if missing.
    key : str, optional
        Makes the draft resumable: after an interruption the same key finds the same draft again, with the
        digests of all files that were complete. Without it an interrupted draft is thrown away.

    Raises
    ------
    InputError
        The name is unusable, or another process is writing the same draft.
    """
    check_name(series.name)
    sweep(series)
    folder = series / _DRAFTS / (f"{_RESUMABLE}{key}" if key else uuid.uuid4().hex)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        if not try_lock(lock):
            raise InputError(f"{series.name}: another process is writing this version; wait for it to end")
        made: Draft[A] = Draft(noun, series, folder)
        try:
            yield made
        finally:
            if made.finished is not None or key is None:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def one_at_a_time(series: Path) -> Iterator[None]:
    """Wait until no other process is inside such a block of the series: what is newest stays so until it is built on.

    Raises
    ------
    InputError
        The name is unusable.
    """
    check_name(series.name)
    series.mkdir(parents=True, exist_ok=True)
    with (series / _TURN).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_name(name: str) -> None:
    """Check that a series may have this name.

    Raises
    ------
    InputError
        It may not: it could leave its folder, or would not be portable.
    """
    if NAME.fullmatch(name) is None:
        raise InputError(f"{name!r}: a name is 1-64 of a-z 0-9 . _ - (letter or digit first)")


def sweep(series: Path) -> None:
    """Delete drafts that a killed process left: those nobody can resume, and those nobody did in 30 days."""
    for folder in (series / _DRAFTS).glob("*"):
        kept_s = _RESUMABLE_S if folder.name.startswith(_RESUMABLE) else _GRACE_S
        with suppress(FileNotFoundError), (folder / "lock").open("rb") as lock:
            if time.time() - os.fstat(lock.fileno()).st_mtime > kept_s and try_lock(lock):
                shutil.rmtree(folder, ignore_errors=True)


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file for this process; return False when another one holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _move_into_series(path: Path, series: Path) -> tuple[Path, int]:
    """Rename a draft to the next free version; a rename onto one that exists fails, so no lock is needed."""
    number = max(version_numbers(series), default=0)
    while True:
        number += 1
        target = series / f"v{number}"
        try:
            path.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            continue
        return target, number


def _sync_tree(folder: Path) -> None:
    """Make files read-only and the rename durable: a version that is visible is on disk."""
    for name in files_below(folder):
        (folder / name).chmod(0o444)
    os.sync()


# ------------------------------------------------------------------------- data that lies somewhere else


def set_location(artifact: Artifact, path: Path) -> None:
    """Remember where the data of a reference lies on this machine: beside the version, never inside it.

    So a package of the version holds no path of this machine, and moving the data does not change the version.
    """
    write_atomic(_location_file(artifact), f"{path}\n".encode())


def location(artifact: Artifact) -> Path:
    """Return where the data of a reference lies on this machine.

    Raises
    ------
    InputError
        It was never said here, or the place is gone.
    """
    advice = f"say where it is: `sidecrate add --reference PATH --name {artifact.name}`"
    try:
        path = Path(_location_file(artifact).read_text(encoding="utf-8").strip())
    except OSError:
        raise InputError(f"{artifact.ref} refers to data that is not known on this machine; {advice}") from None
    if not path.exists():
        raise InputError(f"{artifact.ref} refers to data that is no longer where it was; {advice}")
    return path


def _location_file(artifact: Artifact) -> Path:
    return artifact.path.parent / f".v{artifact.version}.location"
