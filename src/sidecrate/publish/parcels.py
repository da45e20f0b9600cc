# SPDX-License-Identifier: Apache-2.0
"""What a bag becomes in a repository: a few large parts, and open files for the people who look in.

Nothing is sent here; the decision depends on the package, the citation and what earlier versions hold, so that a
deposit that was cut off decides the same again.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sidecrate.provenance.crate import METADATA, PREVIEW
from sidecrate.publish import citation_formats, restore
from sidecrate.publish.cite import Citation
from sidecrate.publish.package import Package
from sidecrate.publish.parts import Entry, Layout, arrange, list_bytes, list_name, member_of
from sidecrate.publish.trees import read_file
from sidecrate.publish.virtual_zip import MEDIA_TYPE, VirtualZip
from sidecrate.store import BLOCK

OPEN = {f"data/{METADATA}": METADATA, f"data/{PREVIEW}": PREVIEW}
_OPEN = (METADATA, PREVIEW, "README.md", "CITATION.cff", "datacite.json", "restore.py")
_TYPES = {
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".cff": "text/plain; charset=utf-8",
    ".py": "text/x-python; charset=utf-8",
}


@dataclass(frozen=True)
class Parcel:
    """One file of a deposit, as it will lie in the repository.

    Attributes
    ----------
    name : str
        A plain name that every repository and file system can hold.
    source : VirtualZip or bytes
    contents : tuple of str
        Paths of the bag whose bytes are in it.
    """

    name: str
    source: VirtualZip | bytes
    contents: tuple[str, ...] = field(default=(), repr=False)

    @property
    def size(self) -> int:
        """Return its size in bytes, known before one is read."""
        return self.source.size if isinstance(self.source, VirtualZip) else len(self.source)

    @property
    def media_type(self) -> str:
        """Return what it is, for repositories that ask."""
        return _TYPES.get(f".{self.name.rpartition('.')[2]}", MEDIA_TYPE)

    @property
    def fingerprint(self) -> str:
        """Return what tells whether its bytes are those of last time, without reading it."""
        if isinstance(self.source, VirtualZip):
            listed = [f"{member.name}\t{member.sha256}\t{member.size}" for member in self.source.members]
            return hashlib.sha256("\n".join(listed).encode()).hexdigest()
        return hashlib.sha256(self.source).hexdigest()

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield its bytes from `start` up to `stop`; may be called again.

        Raises
        ------
        InputError
            A file of the package cannot be read, or is damaged.
        """
        if isinstance(self.source, VirtualZip):
            yield from self.source.blocks(start, stop)
            return
        view = self.source[start:stop]
        yield from (view[at : at + BLOCK] for at in range(0, len(view), BLOCK))


@dataclass(frozen=True)
class Base:
    """What an earlier version of the same record holds that the new one can keep.

    Attributes
    ----------
    number : int
        Of the version whose list of parts it is.
    index : dict of str to Entry
        Of that version.
    parts : dict of str to dict
        Part → bytes and digests, of the parts that the repository was seen to hold.
    lists : tuple of str
        Lists of parts the index was made from.
    """

    number: int
    index: Mapping[str, Entry]
    parts: Mapping[str, Mapping[str, Any]]
    lists: tuple[str, ...]

    @property
    def held(self) -> dict[str, Entry]:
        """Return sha256 → where it is, for what lies in a part that is still there."""
        return {entry.sha256: entry for entry in self.index.values() if entry.file in self.parts and entry.member}


@dataclass(frozen=True)
class Shipment:
    """Everything a version of a deposit consists of.

    Attributes
    ----------
    bag : str
        Name of the folder the bag comes back as.
    layout : Layout
    parts : tuple of Parcel
        New parts, to be sent first.
    kept : tuple of str
        Files of earlier versions that stay.
    base : Base or None
    """

    number: int
    bag: str
    layout: Layout
    parts: tuple[Parcel, ...]
    kept: tuple[str, ...]
    base: Base | None

    def listed(self, sent: Mapping[str, Mapping[str, Any]]) -> Parcel:
        """Return the list of parts; `sent` is new part → bytes and digests, known once they were read."""
        used = {entry.file for entry in self.layout.index.values()}
        earlier = {name: known for name, known in (self.base.parts if self.base else {}).items() if name in used}
        base = (list_name(self.base.number), self.base.index) if self.base else None
        return Parcel(list_name(self.number), list_bytes(self.bag, self.layout, {**earlier, **sent}, base))


def ship(package: Package, *, number: int, base: Base | None, part_bytes: int) -> Shipment:
    """Return what version `number` of a deposit consists of.

    Parameters
    ----------
    package : Package
    number : int
    base : Base, optional
        What the repository holds of earlier versions.
    part_bytes : int
        How large one file may be.

    Raises
    ------
    InputError
        A file of the bag is larger than that.
    """
    bag = f"{slug(package)}-v{number}"
    held = base.held if base else {}
    layout = arrange(package, bag, open_files=OPEN, held=held, part_bytes=part_bytes)
    parts = [
        Parcel(name, VirtualZip([member_of(package, path) for path in paths]), tuple(paths))
        for name, paths in layout.parts.items()
    ]
    used = {entry.file for entry in layout.index.values()} if base else set()
    kept = sorted(used & base.parts.keys()) + list(base.lists) if base else []
    return Shipment(number, bag, layout, tuple(parts), tuple(kept), base)


def slug(package: Package) -> str:
    """Return the title of a package as the beginning of file names."""
    title = unicodedata.normalize("NFKD", package.bag.value("External-Description") or "bag")
    return (
        re.sub(r"[^a-z0-9]+", "-", title.encode("ascii", "ignore").decode().lower()).strip("-")[:40].strip("-") or "bag"
    )


def is_ours(name: str) -> bool:
    """Return whether a file of a deposit is one that deposits are made of, of whatever version."""
    return name in _OPEN or re.fullmatch(rf".+-v\d+-part\d+\.zip|{restore.LIST.pattern}", name) is not None


def open_parcels(package: Package, shipment: Shipment, cited: Citation) -> list[Parcel]:
    """Return the files that lie open beside the parts, but for the list of parts."""
    files = {name: read_file(package.tree, path) for path, name in OPEN.items() if path in package.tree.sizes}
    texts = {
        "README.md": readme(shipment, cited),
        "CITATION.cff": citation_formats.cff(cited),
        "datacite.json": citation_formats.datacite(cited),
        "restore.py": inspect.getsource(restore),
    }
    files |= {name: text.encode() for name, text in texts.items()}
    return [Parcel(name, data) for name, data in sorted(files.items())]


def readme(shipment: Shipment, cited: Citation) -> str:
    """Return the page that says what this is and how to get the bag back."""
    zips = sorted({*layout_files(shipment)})
    lines = [
        f"# {cited.title}",
        cited.description,
        "## How to get everything back",
        f"1. Download **all** files of this deposit into one empty folder ({len(zips)} of them hold the data).\n"
        "2. In that folder run `python3 restore.py` (any Python since 3.9; nothing is installed, nothing is sent).\n"
        f"3. The folder `{shipment.bag}` is a BagIt bag (RFC 8493), each file compared with its sha256. "
        f"Any BagIt tool can check it again: `bagit.py --validate {shipment.bag}`.",
        *_without_python(shipment, zips),
        "Inside, `data/` is an RO-Crate: `data/ro-crate-preview.html` shows in a browser what was made from what. "
        f"The same page and its metadata lie open here as `{PREVIEW}` and `{METADATA}`.",
        "## How to cite",
        citation_formats.text(cited),
        "The same as `CITATION.cff` and `datacite.json`.",
        "## What the files are",
        "\n".join(f"- `{name}`: {what}" for name, what in _explained(shipment, zips)),
    ]
    return "\n\n".join(lines) + "\n"


def layout_files(shipment: Shipment) -> set[str]:
    """Return the zips that hold the bytes of the bag."""
    return {entry.file for entry in shipment.layout.index.values() if entry.member and entry.file}


def _without_python(shipment: Shipment, zips: Sequence[str]) -> Iterator[str]:
    if all(entry.file and entry.member == path for path, entry in shipment.layout.index.items()):
        names = " and ".join(f"`{name}`" for name in zips)
        yield f"Without Python: unpack {names} into one folder; that folder is the bag."


def _explained(shipment: Shipment, zips: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from ((name, "files of the bag, not compressed") for name in zips)
    yield list_name(shipment.number), "which file of the bag is where, with its sha256"
    yield from ((name, "the same for an earlier version; needed as well") for name in shipment.kept if name not in zips)
    yield "restore.py", "puts the bag together"


def digests_of(parcel: Parcel) -> dict[str, str]:
    """Return md5 and sha256 of a parcel; it is read for it."""
    hashes = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
    for block in parcel.blocks():
        for one in hashes.values():
            one.update(block)
    return {name: one.hexdigest() for name, one in hashes.items()}
