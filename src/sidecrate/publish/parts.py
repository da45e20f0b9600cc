# SPDX-License-Identifier: Apache-2.0
"""Which bytes of a bag lie where in a deposit: the index, and which new parts a version needs.

Every path of the bag is in the index: its sha256 and size, and the file of the deposit that holds the bytes, a zip and
a name in it, or an open file as it is. A version holds in new parts only what no earlier part holds. The index itself
is written as the difference to that of the version before, and manifests that follow from it are not stored at all:
else some bytes a file, for tens of thousands of files that have not changed, would be most of what is sent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sidecrate.artifacts import MANIFEST
from sidecrate.errors import InputError
from sidecrate.publish import restore
from sidecrate.publish.package import Package
from sidecrate.publish.virtual_zip import Member

SCHEMA = "urn:sidecrate:schema:bag-parts:1"
BAG_MANIFEST = "manifest-sha256.txt"
_LIST = "bag-parts-v{}.json"
_SERIES = re.compile(r"(data/[^/]+/[^/]+/v)([1-9]\d*)/")
_SPARE, _SPARE_BYTES = 0.05, 32 << 20  # of a first version, stored twice so that plain `unzip` gives the whole bag
_ARCHIVE_END = 200


class Entry(NamedTuple):
    """Where the bytes of one path are.

    `member` is the name inside the zip `file`; empty when the file itself holds them. Without a file the path is a
    manifest that follows from the index, of everything below the folder `member`.
    """

    sha256: str
    bytes: int
    file: str
    member: str


@dataclass(frozen=True)
class Layout:
    """Where every path of a bag will be.

    Attributes
    ----------
    index : dict of str to Entry
    parts : dict of str to list of str
        New part → the paths it holds, under these names.
    """

    index: dict[str, Entry]
    parts: dict[str, list[str]]


def list_name(number: int) -> str:
    """Return the name of the list of parts of a version."""
    return _LIST.format(number)


def arrange(
    package: Package, name: str, *, open_files: Mapping[str, str], held: Mapping[str, Entry], part_bytes: int
) -> Layout:
    """Return where every path of a bag goes.

    Parameters
    ----------
    package : Package
    name : str
        Beginning of the names of new parts.
    open_files : mapping of str to str
        Path in the bag → file that lies beside the parts with the same bytes.
    held : mapping of str to Entry
        sha256 → where earlier parts hold it.
    part_bytes : int
        How large a part may be.

    Raises
    ------
    InputError
        A file is larger than a part may be.
    """
    sizes, digests = package.tree.sizes, package.digests
    open_files = {path: file for path, file in open_files.items() if path in digests}
    elsewhere = dict(held) | {digests[path]: _open_entry(package, path, file) for path, file in open_files.items()}
    derived = _derived(digests, sizes)
    first = {digest: path for path, digest in sorted(digests.items(), reverse=True) if path not in derived}
    new = sorted(path for digest, path in first.items() if digest not in elsewhere)
    once = sum(sizes[path] for path in new)
    if not held and package.bytes - once <= max(_SPARE * once, _SPARE_BYTES):
        new, derived = sorted(digests), {}
    parts = _fill(new, package, name, part_bytes)
    index = {path: Entry(digests[path], sizes[path], part, path) for part, paths in parts.items() for path in paths}
    by_digest = {entry.sha256: entry for entry in index.values()} | elsewhere
    for path in digests.keys() - index.keys():
        index[path] = derived.get(path) or by_digest[digests[path]]
    return Layout(dict(sorted(index.items())), parts)


def _open_entry(package: Package, path: str, file: str) -> Entry:
    return Entry(package.digests[path], package.tree.sizes[path], file, "")


def _derived(digests: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, Entry]:
    """Return the manifests that follow from the index, byte for byte: that of the bag and those of the versions."""
    found = {}
    index: restore.Index = {path: (digest, 0, "", "") for path, digest in digests.items()}
    for path, digest in digests.items():
        below = "data/" if path == BAG_MANIFEST else path.removesuffix(MANIFEST)
        if path.endswith(f"/{MANIFEST}") or path == BAG_MANIFEST:
            made = restore.manifest(index, path, below)
            if hashlib.sha256(made).hexdigest() == digest:
                found[path] = Entry(digest, sizes[path], "", below)
    return found


def _below(index: Mapping[str, Any], folder: str) -> list[str]:
    return [path for path in index if path.startswith(folder)]


def _fill(paths: Sequence[str], package: Package, name: str, part_bytes: int) -> dict[str, list[str]]:
    """Return part → paths, each part as full as it may be, in the order of the paths."""
    parts: list[list[str]] = []
    room = -1
    for path in paths:
        cost = member_of(package, path).cost
        if cost + _ARCHIVE_END > part_bytes:
            allowed = f"a file of this repository may have {part_bytes}"
            raise InputError(f"{path}: {cost} bytes, {allowed}; ask its people for more, or leave that version out")
        if cost > room:
            parts.append([])
            room = part_bytes - _ARCHIVE_END
        parts[-1].append(path)
        room -= cost
    return {f"{name}-part{number}.zip": part for number, part in enumerate(parts, 1)}


def member_of(package: Package, path: str) -> Member:
    """Return a file of a bag as a member of a zip."""
    return Member(path, package.tree.sizes[path], package.digests[path], lambda: package.tree.open(path))


# -------------------------------------------------------------------------------------------------- the list


def list_bytes(
    bag: str, layout: Layout, parts: Mapping[str, Mapping[str, Any]], base: tuple[str, Mapping[str, Entry]] | None
) -> bytes:
    """Return the list of parts of a version as it is deposited.

    Parameters
    ----------
    bag : str
        Name of the bag's folder.
    layout : Layout
    parts : mapping
        Every part, carried over or new → bytes and digests.
    base : (str, mapping of str to Entry), optional
        Name and whole index of the list of the version before; only what differs from it is written.
    """
    document: dict[str, Any] = {"schema": SCHEMA, "name": bag, "parts": parts}
    expected: dict[str, Entry] = {}
    if base is not None:
        same = _same(layout.index, base[1])
        expected = dict(base[1])
        for new, old in same:
            expected |= {new + path.removeprefix(old): base[1][path] for path in _below(base[1], old)}
        document |= {"base": base[0], "same": same, "gone": sorted(expected.keys() - layout.index.keys())}
    document["files"] = {path: list(e) for path, e in layout.index.items() if expected.get(path) != e}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _same(index: Mapping[str, Entry], base: Mapping[str, Entry]) -> list[list[str]]:
    """Return which folder of an earlier version each new version of the same series is written as a difference to."""
    here = {match[0]: (match[1], int(match[2])) for path in index if (match := _SERIES.match(path))}
    there = {match[0]: (match[1], int(match[2])) for path in base if (match := _SERIES.match(path))}
    pairs = []
    for folder in sorted(here.keys() - there.keys()):
        earlier = [(number, old) for old, (series, number) in there.items() if series == here[folder][0]]
        if earlier:
            pairs.append([folder, max(earlier)[1]])
    return pairs
