# SPDX-License-Identifier: Apache-2.0
"""Deciding what a package will hold: versions and why each is in, records, a crate. Nothing is written."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sidecrate.artifacts import MANIFEST, Artifact
from sidecrate.digests import canonical_json, read_manifest
from sidecrate.errors import Finding, InputError
from sidecrate.provenance import crate, identity, preview
from sidecrate.provenance.environment import SOFTWARE_URL, package_version
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.records import Record
from sidecrate.publish import bag
from sidecrate.publish.front import PAPERS, papers
from sidecrate.publish.leaks import Leaks, readable_part

PROFILE_ID = "urn:sidecrate:bagit-profile:1"


@dataclass(frozen=True)
class Item:
    """One payload file: where it goes, how large it is, its hex sha256, and where its bytes are."""

    path: str
    size: int
    sha256: str
    source: Path | bytes

    def open(self) -> IO[bytes]:
        """Return the bytes, open for reading.

        Raises
        ------
        InputError
            The file is gone since the plan was made.
        """
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        try:
            return self.source.open("rb")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}); run `sidecrate audit`") from error


@dataclass(frozen=True)
class Plan:
    """What a package will hold.

    Attributes
    ----------
    root : Path
        The project folder.
    items : tuple of Item
        Payload, sorted by path.
    reasons : dict of str to str
        ``labels/pores/v3`` → why it is in.
    info : tuple of (str, str)
        Lines of ``bag-info.txt``.
    stamp : datetime
        The day the content was completed; time of every file in an archive.
    problems : tuple of Finding
        Leaks; a plan that has any is not written.
    forbidden : tuple of bytes
        Strings that no byte of the package may hold.
    """

    root: Path
    items: tuple[Item, ...]
    reasons: dict[str, str]
    info: tuple[tuple[str, str], ...]
    stamp: datetime
    problems: tuple[Finding, ...]
    forbidden: tuple[bytes, ...]

    @property
    def bytes(self) -> int:
        """Return the size of the payload."""
        return sum(item.size for item in self.items)


def plan(
    root: Path,
    *,
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    chosen: Sequence[Artifact] | None = None,
    version: str = "1.1",
) -> Plan:
    """Return what a package of a project will hold; nothing is written.

    Parameters
    ----------
    root : Path
        The project folder.
    project : mapping
        The parsed ``sidecrate.toml``.
    records : sequence of Record
        The whole chain, oldest first: a part of it could not be verified.
    artifacts : sequence of Artifact
        Every version in the project.
    chosen : sequence of Artifact, optional
        The versions wanted; what they depend on comes along. All when not given.
    version : {"1.1", "1.3"}
        RO-Crate version of the crate inside.

    Raises
    ------
    InputError
        A version that a chosen one depends on is not in the project.
    """
    reasons = _closure(artifacts, chosen, Lineage(records))
    kept = [artifact for artifact in artifacts if artifact.place in reasons]
    for artifact in kept:
        if "reference" in artifact.meta:
            reasons[artifact.place] += "; its voxels stay where they are, only their digests come along"
    doi = identity.doi(records, artifacts)
    items = sorted(_items(root, project, records, kept, version, doi), key=lambda item: item.path)
    stamp = datetime.fromisoformat(records[-1]["ended"] if records else project["project"]["created"])
    midnight = stamp.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    leaks = Leaks(root, project)
    problems = [finding for item in items for finding in leaks.scan(item.path, _readable(item))]
    info = tuple(_info(project, items, midnight))
    return Plan(root, tuple(items), reasons, info, midnight, tuple(problems), tuple(leaks.literals))


def _closure(artifacts: Sequence[Artifact], chosen: Sequence[Artifact] | None, lineage: Lineage) -> dict[str, str]:
    """Return place → why it is in, for the chosen versions and everything they descend from."""
    if chosen is None:
        return {artifact.place: "the whole project" for artifact in artifacts}
    here: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        here.setdefault(artifact.digest, []).append(artifact)
    reasons = {artifact.place: "chosen" for artifact in chosen}
    for artifact in chosen:
        for digest in lineage.ancestors(artifact.digest):
            use = lineage.things[digest]
            for ancestor in here.get(digest, ()):
                reasons.setdefault(ancestor.place, f"{artifact.ref} descends from it")
            if digest not in here and "place" in use:
                advice = "restore it, or choose other versions"
                raise InputError(f"{artifact.ref} descends from {use['place']}, which is not here; {advice}")
    return reasons


def _items(
    root: Path,
    project: Mapping[str, Any],
    records: Sequence[Record],
    kept: Sequence[Artifact],
    version: str,
    doi: str | None,
) -> Iterator[Item]:
    for artifact in kept:
        for name, digest in read_manifest(artifact.path / MANIFEST).items():
            yield _from_file(f"{artifact.place}/{name}", artifact.path / name, digest)
        digest = artifact.digest.removeprefix("sha256:")
        yield _from_file(f"{artifact.place}/{MANIFEST}", artifact.path / MANIFEST, digest)
    for name in (crate.CONFIG, *map(crate.record_path, records)):
        yield _from_bytes(name, _bytes_of(root / name))
    for name, data in papers(project, records, kept, doi).items():
        yield _from_bytes(name, data)
    document = crate.build(project, records, kept, version=version, beside=PAPERS, doi=doi)
    yield _from_bytes(crate.METADATA, canonical_json(document))
    page = preview.render(document, project, records, kept, root=root)
    yield _from_bytes(crate.PREVIEW, page.encode())


def _from_file(path: str, source: Path, sha256: str) -> Item:
    try:
        return Item(path, source.stat().st_size, sha256, source)
    except OSError:
        raise InputError(f"{path}: the file is missing; run `sidecrate audit`") from None


def _from_bytes(path: str, data: bytes) -> Item:
    return Item(path, len(data), hashlib.sha256(data).hexdigest(), data)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror}); run `sidecrate audit`") from error


def _readable(item: Item) -> bytes:
    return item.source if isinstance(item.source, bytes) else readable_part(item.source)


def _info(project: Mapping[str, Any], items: Sequence[Item], stamp: datetime) -> Iterator[tuple[str, str]]:
    """Yield the lines of ``bag-info.txt``.

    Identifier and date follow from the content, so that equal content gives an equal bag: Bagging-Date is the day
    the content was completed, not the day of this run.
    """
    about = project["project"]
    size = sum(item.size for item in items)
    manifest = hashlib.sha256(bag.manifest_bytes(payload_manifest(items))).hexdigest()
    for name in {str(entry["affiliation"]): None for entry in project.get("people", []) if entry.get("affiliation")}:
        yield "Source-Organization", name
    yield "External-Description", about["title"]
    yield "Bagging-Date", stamp.date().isoformat()
    yield "External-Identifier", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:sidecrate:payload:{manifest}')}"
    yield "Internal-Sender-Identifier", about["identifier"]
    yield "Bag-Size", human(size)
    yield "Payload-Oxum", f"{size}.{len(items)}"
    yield "Bag-Software-Agent", f"sidecrate {package_version('sidecrate') or ''} <{SOFTWARE_URL}>"
    yield "BagIt-Profile-Identifier", PROFILE_ID


def payload_manifest(items: Sequence[Item]) -> dict[str, str]:
    """Return path inside the bag → hex sha256."""
    return {f"{bag.PAYLOAD}/{item.path}": item.sha256 for item in items}


def human(size: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
