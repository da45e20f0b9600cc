# SPDX-License-Identifier: Apache-2.0
"""Read-only views of a tree of files: a folder, a tar, a zip, or a part of one of these.

A tree holds regular files below its root and nothing else. Whatever cannot be taken at face value (a path that
leaves the tree, a link, a device, two names that collide, sizes that cannot be true) is left out and listed in
`problems`, so that a reader of hostile packages has one place to look and nothing to remember.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, TypeAlias, cast

from sidecrate.digests import files_below, is_inside
from sidecrate.errors import Finding, InputError, Severity
from sidecrate.store import BLOCK

Progress: TypeAlias = Callable[[int, int, str], None]
Digests: TypeAlias = dict[str, dict[str, str]]

_REMAKE = "do not unpack it; ask the sender for a clean package"
_TEXT_LIMIT = 256 << 20
_ZIP_RATIO = 200  # text compresses to about a tenth; zeros to a thousandth
_ZIP_FREE = 100 << 20
UNREADABLE = (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_ZIP_ENCRYPTED, _ZIP_PATCH, _ZIP_STRONG = 0x01, 0x20, 0x40
_ZIP_KNOWN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}


class Tree(Protocol):
    """Files by relative POSIX path."""

    sizes: Mapping[str, int]
    problems: list[Finding]

    def open(self, name: str) -> IO[bytes]:
        """Return one file, open for reading; safe to call from several threads."""


class _Members:
    """What a scan has accepted so far, and what it refused."""

    def __init__(self, collision: Severity) -> None:
        self.sizes: dict[str, int] = {}
        self.problems: list[Finding] = []
        self._collision = collision
        self._folded: dict[str, str] = {}

    def take(self, raw: str, size: int) -> str | None:
        """Accept a file and return its normal name, or note why not and return None."""
        name = self.safe(raw)
        if name is None or self._taken(name):
            return None
        self.sizes[name] = size
        return name

    def safe(self, raw: str) -> str | None:
        """Return a path in normal form, None (and a finding) when it would leave the tree."""
        name = re.sub(r"^(\./)+|/$", "", raw)
        if not is_inside(name) or re.match(r"[A-Za-z]:", name):
            self.refuse("path.unsafe", raw, "the path leads out of the package")
            return None
        return name

    def refuse(self, code: str, name: str, message: str) -> None:
        """Note why a member is left out."""
        self.problems.append(Finding("error", code, repr(name)[1:-1], message, _REMAKE))

    def _taken(self, name: str) -> bool:
        if name in self.sizes:
            self.refuse("path.duplicate", name, "the name is there twice")
            return True
        folded = unicodedata.normalize("NFC", name).casefold()
        other = self._folded.setdefault(folded, name)
        if other != name:
            message = f"differs from {other} in case or accents only, which many file systems cannot hold"
            self.problems.append(Finding(self._collision, "path.collision", name, message, "rename one of them"))
        return False

    def check_folders(self) -> None:
        """Note each file that another member uses as a folder."""
        parents = {str(parent) for name in self.sizes for parent in PurePosixPath(name).parents}
        for name in sorted(parents & self.sizes.keys()):
            self.refuse("path.duplicate", name, "the name is both a file and a folder")


class FolderTree:
    """The files below a folder on disk.

    Parameters
    ----------
    path : Path
    hidden : bool
        Whether names that begin with a dot count; a project keeps its locks, journals and drafts there.
    """

    def __init__(self, path: Path, *, hidden: bool = True) -> None:
        self._path = path
        members = _Members("warning")
        try:
            names = list(files_below(path))
        except OSError as error:
            raise InputError(f"{path.name}: a folder in it cannot be listed ({error.strerror})") from error
        for name in names:
            if hidden or not any(part.startswith(".") for part in name.split("/")):
                self._take(members, name)
        self.sizes: Mapping[str, int] = members.sizes
        self.problems = members.problems

    def open(self, name: str) -> IO[bytes]:
        """Return one file, open for reading."""
        return (self._path / name).open("rb")

    def _take(self, members: _Members, name: str) -> None:
        status = (self._path / name).lstat()
        if stat.S_ISREG(status.st_mode):
            members.take(name, status.st_size)
        else:
            members.refuse("path.special", name, "a link or device, not a file")


class TarTree:
    """The files of an uncompressed tar, read in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets: dict[str, int] = {}
        members = _Members("error")
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    self._take(members, member)
        except (tarfile.TarError, ValueError) as error:
            raise InputError(f"{path.name}: not a whole uncompressed tar ({error}); unpack it or ask again") from error
        members.check_folders()
        self.sizes: Mapping[str, int] = members.sizes
        self.problems = members.problems

    def open(self, name: str) -> IO[bytes]:
        """Return one file, open for reading."""
        window = _Window(self._path, self._offsets[name], self.sizes[name])
        return cast(IO[bytes], io.BufferedReader(window, BLOCK))

    def _take(self, members: _Members, member: tarfile.TarInfo) -> None:
        if member.isdir():
            members.safe(member.name)
        elif not member.isreg() or member.issparse():
            members.refuse("path.special", member.name, "a link, device or sparse file, not a plain file")
        elif name := members.take(member.name, member.size):
            self._offsets[name] = member.offset_data


class ZipTree:
    """The files of a zip archive, read in place."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(f"{path.name}: not a whole zip archive ({error}); ask for it again") from error
        self._entries: dict[str, zipfile.ZipInfo] = {}
        members = _Members("error")
        for entry in self._archive.infolist():
            self._take(members, entry)
        members.check_folders()
        self._check_sizes(members, path.stat().st_size)
        self.sizes: Mapping[str, int] = members.sizes
        self.problems = members.problems

    def open(self, name: str) -> IO[bytes]:
        """Return one file, open for reading; its CRC is checked at the end."""
        return self._archive.open(self._entries[name])

    def _take(self, members: _Members, entry: zipfile.ZipInfo) -> None:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if entry.orig_filename.endswith("/"):
            members.safe(entry.orig_filename)
        elif kind not in (0, stat.S_IFREG) or entry.flag_bits & (_ZIP_ENCRYPTED | _ZIP_PATCH | _ZIP_STRONG):
            members.refuse("path.special", entry.orig_filename, "a link, device or encrypted file, not a plain file")
        elif entry.compress_type not in _ZIP_KNOWN:
            members.refuse("path.special", entry.orig_filename, f"packed by an unknown method, {entry.compress_type}")
        elif name := members.take(entry.orig_filename, entry.file_size):
            self._entries[name] = entry

    def _check_sizes(self, members: _Members, archive_bytes: int) -> None:
        """Refuse archives that promise far more than they can hold: entries that overlap, or mere repetition."""
        stored = sum(entry.compress_size for entry in self._entries.values())
        promised = sum(entry.file_size for entry in self._entries.values())
        if stored > archive_bytes or promised > max(_ZIP_FREE, _ZIP_RATIO * stored):
            members.refuse("archive.bomb", ".", f"{archive_bytes} bytes promise to become {promised}")


class SubTree:
    """The part of a tree below a folder; its problems are those of the whole."""

    def __init__(self, tree: Tree, folder: str) -> None:
        self._tree, self._prefix = tree, f"{folder}/"
        below = {name: size for name, size in tree.sizes.items() if name.startswith(self._prefix)}
        self.sizes: Mapping[str, int] = {name.removeprefix(self._prefix): size for name, size in below.items()}
        self.problems = tree.problems

    def open(self, name: str) -> IO[bytes]:
        """Return one file, open for reading."""
        return self._tree.open(self._prefix + name)


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._at, self._end = offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = os.pread(self._file.fileno(), min(len(view), self._end - self._at), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_tree(path: Path) -> Tree:
    """Return the tree of a folder, a tar or a zip.

    Raises
    ------
    InputError
        It is none of these, or not whole.
    """
    if path.is_dir():
        return FolderTree(path)
    if not path.is_file():
        raise InputError(f"{path.name}: there is no such folder or archive; check the path")
    if zipfile.is_zipfile(path):
        return ZipTree(path)
    return TarTree(path)


def read_file(tree: Tree, name: str) -> bytes:
    """Return the bytes of a file that is meant to be small.

    Raises
    ------
    InputError
        It is larger than 256 MiB, damaged, or not there.
    """
    if tree.sizes.get(name, 0) > _TEXT_LIMIT:
        raise InputError(f"{name}: {tree.sizes[name]} bytes is too much for metadata; run `sidecrate audit`")
    try:
        with tree.open(name) as file:
            return file.read()
    except UNREADABLE as error:
        raise InputError(f"{name}: cannot be read ({error}); restore it from a copy") from error


def digests(
    tree: Tree, wanted: Mapping[str, Iterable[str]], progress: Progress | None = None
) -> tuple[Digests, list[Finding]]:
    """Return the digests of files, each file read once, several files at a time.

    Parameters
    ----------
    tree : Tree
    wanted : mapping of str to iterable of str
        File → names of the algorithms.
    progress : callable, optional
        Called with (bytes done, bytes in all, file).

    Returns
    -------
    dict of str to dict of str to str
        File → algorithm → lower-case hex; files that cannot be read are left out.
    list of Finding
        One for each file that cannot be read.
    """
    done, total = 0, sum(tree.sizes[name] for name in wanted)
    found: Digests = {}
    problems: list[Finding] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda name: (name, _digest(tree, name, wanted[name])), sorted(wanted))
        for name, result in results:
            if isinstance(result, Finding):
                problems.append(result)
            else:
                found[name] = result
            done += tree.sizes[name]
            if progress is not None:
                progress(done, total, name)
    return found, problems


def _digest(tree: Tree, name: str, algorithms: Iterable[str]) -> dict[str, str] | Finding:
    hashes = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
    try:
        with tree.open(name) as file:
            while block := file.read(BLOCK):
                for one in hashes.values():
                    one.update(block)
    except UNREADABLE as error:
        advice = "restore it from a copy"
        return Finding("error", "fixity.unreadable", name, f"the file cannot be read ({error})", advice)
    return {algorithm: one.hexdigest() for algorithm, one in hashes.items()}
