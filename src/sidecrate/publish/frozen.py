# SPDX-License-Identifier: Apache-2.0
"""A package that is deposited from the project itself, without a copy of its arrays on disk.

What a package consists of is written down before the first byte is sent: the small files that are made for it, and
the names of the version files that never change. A deposit that was cut off goes on with exactly that, although the
project has had new records since.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from sidecrate.digests import canonical_json
from sidecrate.errors import Finding, InputError
from sidecrate.provenance import schemas
from sidecrate.publish import bag
from sidecrate.publish.archive import CheckedReader
from sidecrate.publish.leaks import Leaks
from sidecrate.publish.pack import PROFILE
from sidecrate.publish.package import Package, package_of
from sidecrate.publish.plan import Plan, payload_manifest

_LIST, _SMALL = "package.json", "small"


class _Searched(io.RawIOBase):
    """A file whose bytes are searched, while they are read, for what must not leave."""

    def __init__(self, file: IO[bytes], name: str, forbidden: Sequence[bytes]) -> None:
        self._file = file
        self._reader = CheckedReader(file, name, forbidden)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._reader.read(size)

    def close(self) -> None:
        self._file.close()
        super().close()


class FrozenTree:
    """The files of a frozen package: small ones from its folder, version files from the project."""

    def __init__(
        self, folder: Path, root: Path, files: Mapping[str, Sequence[Any]], forbidden: Sequence[bytes]
    ) -> None:
        self.problems: list[Finding] = []
        self.sizes: Mapping[str, int] = {path: int(size) for path, (size, _, _) in files.items()}
        self._sources = {
            path: root / place if place else folder / _SMALL / sha256 for path, (_, sha256, place) in files.items()
        }
        self._forbidden = forbidden

    def open(self, name: str) -> IO[bytes]:
        """Return one file, open for reading."""
        try:
            file = self._sources[name].open("rb")
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror}); run `sidecrate audit`") from error
        return cast(IO[bytes], _Searched(file, name, self._forbidden))


def freeze(planned: Plan, folder: Path, content: str) -> None:
    """Write down what a planned package consists of.

    Parameters
    ----------
    planned : Plan
    folder : Path
        Replaced.
    content : str
        What the project was like; `thaw` gives the package back for the same only.

    Raises
    ------
    InputError
        The plan has leaks.
    """
    if planned.problems:
        first = planned.problems[0]
        raise InputError(f"{first.where}: {first.message}; {first.advice}")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / _SMALL).mkdir(parents=True)
    files: dict[str, list[Any]] = {}
    for item in planned.items:
        place = "" if isinstance(item.source, bytes) else item.source.relative_to(planned.root).as_posix()
        files[f"{bag.PAYLOAD}/{item.path}"] = [item.size, item.sha256, place]
        if isinstance(item.source, bytes):
            (folder / _SMALL / item.sha256).write_bytes(item.source)
    for name, data in _tag_files(planned).items():
        digest = hashlib.sha256(data).hexdigest()
        files[name] = [len(data), digest, ""]
        (folder / _SMALL / digest).write_bytes(data)
    (folder / _LIST).write_bytes(canonical_json({"content": content, "files": files}))  # last: it is whole now


def thaw(folder: Path, root: Path, project: Mapping[str, Any], content: str) -> Package | None:
    """Return the package that was frozen for this state of the project, None when there is none."""
    try:
        known = json.loads((folder / _LIST).read_bytes())
    except (OSError, ValueError):
        return None
    if known["content"] != content:
        return None
    return package_of(FrozenTree(folder, root, known["files"], Leaks(root, project).literals), folder)


def _tag_files(planned: Plan) -> dict[str, bytes]:
    tags = {
        bag.INFO: bag.info_bytes(planned.info),
        PROFILE: (schemas.folder() / PROFILE).read_bytes(),
        bag.DECLARATION: bag.declaration_bytes(),
        "manifest-sha256.txt": bag.manifest_bytes(payload_manifest(planned.items)),
    }
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in tags.items()}
    return {**tags, "tagmanifest-sha256.txt": bag.manifest_bytes(listed)}
