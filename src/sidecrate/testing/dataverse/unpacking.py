# SPDX-License-Identifier: Apache-2.0
"""A zip that was uploaded natively becomes its members."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from sidecrate.testing.blobs import BLOCK_BYTES, Blob, Spool
from sidecrate.testing.dataverse.filenames import unzipped_directory
from sidecrate.testing.messages import RefusalError

Member = tuple[str, str, Blob]  # name, folder, bytes


def unpack(blob: Blob, most: int, max_bytes: int | None, new_spool: Callable[[], Spool]) -> list[Member]:
    """Return the members of a zip that become files.

    Parameters
    ----------
    blob : Blob
    most : int
        Members allowed.
    max_bytes : int or None
        Size of a member allowed.
    new_spool : callable

    Raises
    ------
    RefusalError
        400 for too many, too large, or a broken zip; nothing is kept.
    """
    members: list[Member] = []
    try:
        with zipfile.ZipFile(blob.path) as archive:
            wanted = list(_wanted(archive))
            if len(wanted) > most:
                raise RefusalError(
                    400,
                    f"The zip archive holds more files than the limit ({most}); please upload a zip with fewer files.",
                )
            for info in wanted:
                if max_bytes is not None and info.file_size > max_bytes:
                    raise RefusalError(400, f"One of the zipped files exceeds the size limit of {max_bytes} bytes.")
                members.append(_extract(archive, info, new_spool()))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        _throw_away(members)
        raise RefusalError(400, f"Failed to process the zip archive: {error}") from error
    except RefusalError:
        _throw_away(members)
        raise
    return members


def _throw_away(members: list[Member]) -> None:
    for _, _, blob in members:
        blob.path.unlink(missing_ok=True)


def _wanted(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if not info.is_dir() and not path.name.startswith("._") and path.name != ".DS_Store":
            yield info


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, spool: Spool) -> Member:
    path = PurePosixPath(info.filename.lstrip("/"))
    folder = "" if path.parent == PurePosixPath(".") else unzipped_directory(path.parent.as_posix())
    try:
        with archive.open(info) as file:
            while block := file.read(BLOCK_BYTES):
                spool.write(block)
    except BaseException:
        spool.discard()
        raise
    return path.name, folder, spool.done().keep()


def check_bag(blob: Blob) -> None:
    """Refuse a zipped bag whose payload is not what its manifests say; other zips pass.

    Raises
    ------
    RefusalError
        400.
    """
    if not zipfile.is_zipfile(blob.path):
        return
    with zipfile.ZipFile(blob.path) as archive:
        names = archive.namelist()
        roots = [name.removesuffix("bagit.txt") for name in names if re.fullmatch(r"([^/]+/)?bagit\.txt", name)]
        for root in roots:
            for name in names:
                if found := re.fullmatch(rf"{re.escape(root)}manifest-(md5|sha1|sha256|sha512)\.txt", name):
                    _check_manifest(archive, root, found[1], archive.read(name).decode())


def _check_manifest(archive: zipfile.ZipFile, root: str, algorithm: str, manifest: str) -> None:
    for line in manifest.splitlines():
        digest, _, path = line.partition(" ")
        try:
            with archive.open(root + path.strip().lstrip("*")) as file:
                right = hashlib.file_digest(file, algorithm).hexdigest()  # type: ignore[arg-type]
        except KeyError:
            right = ""
        if right != digest.lower():
            raise RefusalError(400, f"BagIt validation failed: {path.strip()} does not match manifest-{algorithm}.txt")
