# SPDX-License-Identifier: Apache-2.0
"""What can be checked cheaply each time a page is written, and what cannot is said to be unchecked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidecrate.artifacts import Artifact
from sidecrate.provenance.crate import record_path
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.records import Record, digest_of
from sidecrate.provenance.results import newest_of_each


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is as it should be, and a sentence."""

    fine: bool
    text: str


@dataclass(frozen=True)
class Extent:
    """How much a version holds, and how many of its files are not there."""

    files: int
    bytes: int
    missing: int


def measure_extent(artifact: Artifact, names: Sequence[str]) -> Extent:
    """Return the size of the files named in a version's manifest, from the file system alone."""
    total = missing = 0
    for name in names:
        try:
            total += (artifact.path / name).stat().st_size
        except OSError:
            missing += 1
    return Extent(len(names), total, missing)


def chain_head(records: Sequence[Record], root: Path) -> str | None:
    """Return the digest of the newest record, None when there is no record or its file is not here."""
    try:
        return digest_of(root / record_path(records[-1])) if records else None
    except OSError:
        return None


def check_all(
    records: Sequence[Record],
    lineage: Lineage,
    artifacts: Sequence[Artifact],
    extents: Mapping[str, Extent],
    root: Path,
) -> Iterator[Check]:
    """Yield what was checked of records, lineage and files."""
    yield _chain(records, root)
    if artifacts:
        yield _origins(lineage, artifacts)
        yield _files(extents)
    yield from _traces(lineage, artifacts)
    yield _ended(records)


def _chain(records: Sequence[Record], root: Path) -> Check:
    absent = 0
    for before, record in zip([None, *records], records, strict=False):
        if record["number"] != (before["number"] if before else 0) + 1:
            absent += 1  # a package may hold the records of some runs only
            continue
        try:
            expected = digest_of(root / record_path(before)) if before else None
        except OSError:
            return Check(False, f"The file of record {before['number'] if before else 0} is missing.")
        if record["previous"] != expected:
            return Check(False, f"The record chain is broken at record {record['number']}.")
    gaps = f", but for {absent} gaps where records are not in this package" if absent else ""
    return Check(
        True, f"The record chain is whole{gaps}: {len(records)} in all, each with the digest of the one before."
    )


def _origins(lineage: Lineage, artifacts: Sequence[Artifact]) -> Check:
    unknown = [artifact.place for artifact in artifacts if lineage.producer(artifact.digest) is None]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        return Check(False, f"No record says how these were made: {', '.join(unknown[:3])}{more}.")
    return Check(True, "Every version has a record of the run that made it.")


def _traces(lineage: Lineage, artifacts: Sequence[Artifact]) -> Iterator[Check]:
    for artifact in newest_of_each(artifacts, "Measurements"):
        kinds = {lineage.things[digest]["kind"] for digest in lineage.ancestors(artifact.digest)}
        if "Image" in kinds:
            yield Check(True, f"{artifact.place} can be traced back to its image.")
        else:
            yield Check(False, f"{artifact.place} cannot be traced back to an image.")


def _files(extents: Mapping[str, Extent]) -> Check:
    missing = {place: extent.missing for place, extent in extents.items() if extent.missing}
    if missing:
        listed = ", ".join(f"{place} ({count})" for place, count in list(missing.items())[:5])
        return Check(False, f"Files of {len(missing)} versions are missing: {listed}.")
    count = sum(extent.files for extent in extents.values())
    return Check(True, f"All {count} files named in the manifests are there; their bytes were not read again.")


def _ended(records: Sequence[Record]) -> Check:
    broken = [record for record in records if record["status"] != "completed"]
    if broken:
        verb = "run" if len(broken) == 1 else "runs"
        return Check(False, f"{len(broken)} {verb} of {len(records)} did not complete; see the list of runs.")
    return Check(True, "Every run was completed.")
