# SPDX-License-Identifier: Apache-2.0
"""Records and lineage: each record by its schema, the chain unbroken, and every result traced to where it began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sidecrate.errors import Finding, RecordError
from sidecrate.provenance import records, schemas
from sidecrate.provenance.lineage import Lineage
from sidecrate.publish.audit.subject import RECORD, RESTORE, Subject, Version

# A thing of this kind must descend from these kinds; nothing else can be checked by a stranger.
_ORIGINS = {
    "LabelSet": ("Image",),
    "Model": ("LabelSet", "Image"),
    "Prediction": ("Model", "LabelSet", "Image"),
    "Evaluation": ("LabelSet", "Image"),
    "Measurements": ("Image",),
    "Suggestion": ("Image",),
}


def check_records(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with single records and with the chain they form."""
    previous, ids = None, set()
    for number, (name, record) in enumerate(subject.records.items(), 1):
        yield from _schema(name, record)
        if isinstance(record, dict):
            yield from _link(name, record, number, previous)
            if str(record.get("id")) in ids:
                yield Finding("error", "chain.id", name, "another record has the same id", RESTORE)
            ids.add(str(record.get("id")))
        previous = subject.record_digest(name)


def _schema(name: str, record: Any) -> Iterator[Finding]:
    problems = schemas.problems("record", record)
    for pointer, message in problems:
        yield Finding("error", "record.schema", f"{name}#{pointer}", message, RESTORE)
    if not problems:
        try:
            records.check(record)  # of a step of ours, the parameters too
        except RecordError as error:
            yield Finding("error", "record.schema", name, str(error), RESTORE)


def _link(name: str, record: dict[str, Any], number: int, previous: str | None) -> Iterator[Finding]:
    match = RECORD.fullmatch(name)
    stated = record.get("number")
    if match is None or stated != int(match[1]) or record.get("step") != match[2]:
        yield Finding("error", "chain.name", name, "number and step inside are not those of the file name", RESTORE)
    if stated != number:
        yield Finding("error", "chain.number", name, f"it should be record {number}: one is missing", RESTORE)
    if record.get("previous") != previous:
        message = "`previous` is not the digest of the record before it: one of the two was altered"
        yield Finding("error", "chain.previous", name, message, "compare both with an earlier package")


def check_lineage(subject: Subject) -> Iterator[Finding]:
    """Yield gaps, cycles, versions without a record and records without a version."""
    lineage = Lineage(subject.sound_records)
    yield from lineage.problems()
    made = {use.get("place"): use["digest"] for record in lineage.records for use in record["outputs"]}
    for version in subject.versions:
        yield from _recorded(version, made)
        yield from _traced(version, lineage)
    yield from _absent(subject, lineage)


def _recorded(version: Version, made: dict[str, str]) -> Iterator[Finding]:
    if version.place not in made:
        advice = "record the step that made it, or remove it"
        yield Finding("error", "lineage.orphan", version.place, "no record says who made this, or how", advice)
    elif version.digest is not None and made[version.place] != version.digest:
        message = "it is not the version that its record describes"
        yield Finding("error", "lineage.digest", version.place, message, RESTORE)


def _traced(version: Version, lineage: Lineage) -> Iterator[Finding]:
    if version.digest is None or lineage.producer(version.digest) is None:
        return
    origins = {lineage.things[digest]["kind"] for digest in lineage.ancestors(version.digest)}
    needed = dict.fromkeys(_ORIGINS.get(version.kind, ()))
    if "Prediction" in origins:
        needed |= dict.fromkeys(_ORIGINS["Prediction"])
    if missing := [kind for kind in needed if kind not in origins]:
        message = f"it cannot be traced to any {' or '.join(missing)}"
        yield Finding("error", "lineage.untraced", version.place, message, "record the steps it came from")


def _absent(subject: Subject, lineage: Lineage) -> Iterator[Finding]:
    """Yield recorded versions that are not here though something here, or the project itself, needs them."""
    here = {version.digest for version in subject.versions}
    needed = set(lineage.things) if subject.whole else set()
    for version in subject.versions:
        needed |= set(lineage.ancestors(version.digest)) if version.digest else set()
    for digest in sorted(needed - here):
        use = lineage.things[digest]
        if "place" in use and not any(version.place == use["place"] for version in subject.versions):
            message = "the records name this version, and it is not here"
            yield Finding("error", "lineage.absent", use["place"], message, RESTORE)
