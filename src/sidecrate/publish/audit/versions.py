# SPDX-License-Identifier: Apache-2.0
"""Versions: every byte as its manifest says, metadata readable, voxel sizes there; and files nobody knows."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from sidecrate.artifacts import KINDS, MANIFEST, META, _Volume
from sidecrate.digests import decode_path
from sidecrate.errors import Finding
from sidecrate.provenance import schemas
from sidecrate.provenance.crate import CONFIG, METADATA, PREVIEW
from sidecrate.publish.audit.subject import RECORD, RESTORE, Subject, Version


def check_versions(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the version folders."""
    for version in subject.versions:
        yield from _fixity(subject, version)
        yield from _meta(subject, version)


def _fixity(subject: Subject, version: Version) -> Iterator[Finding]:
    """Yield a finding for each file of a version that is missing, changed or unknown."""
    if MANIFEST not in version.files:
        yield Finding("error", "fixity.manifest", version.place, f"there is no {MANIFEST}", RESTORE)
        return
    expected = _manifest(subject.text(f"{version.place}/{MANIFEST}"))
    if expected is None:
        where = f"{version.place}/{MANIFEST}"
        yield Finding("error", "fixity.manifest", where, "not lines of sha256 and path", RESTORE)
        return
    present = {name for name in version.files if name != MANIFEST}
    unreadable = {finding.where for finding in subject.unreadable}
    for name in sorted(expected.keys() - present):
        if f"{version.place}/{name}" not in unreadable:
            yield Finding("error", "fixity.missing", f"{version.place}/{name}", "the file is missing", RESTORE)
    for name in sorted(present - expected.keys()):
        message = "the file is not in the manifest of its version"
        yield Finding("error", "fixity.extra", f"{version.place}/{name}", message, "remove it")
    for name in sorted(expected.keys() & present):
        if version.files[name] != expected[name]:
            yield Finding("error", "fixity.digest", f"{version.place}/{name}", "the bytes changed", RESTORE)


def _manifest(data: bytes) -> dict[str, str] | None:
    matches = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in data.decode(errors="replace").split("\n")[:-1]]
    return {decode_path(match[2]): match[1] for match in matches if match} if all(matches) else None


def _meta(subject: Subject, version: Version) -> Iterator[Finding]:
    where = f"{version.place}/{META}"
    meta = subject.metas.get(version.place)
    if META not in version.files:
        yield Finding("error", "version.meta", where, "the file is missing", RESTORE)
    elif meta is None:
        yield Finding("error", "version.meta", where, "not a JSON object", RESTORE)
    elif meta.get("kind") != version.kind:
        message = f"says kind {meta.get('kind')!r} in a folder of {version.kind}"
        yield Finding("error", "version.kind", where, message, "it was moved or altered; " + RESTORE)
    elif issubclass(KINDS[version.kind], _Volume) and not _is_voxel_size(meta.get("voxel_nm")):
        message = f"voxel_nm is {meta.get('voxel_nm')!r}, not three lengths in nm"
        yield Finding("error", "version.voxel_size", where, message, "add the volume again with --voxel-nm")


def _is_voxel_size(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(nm, int | float) and 0 < nm < float("inf") for nm in value)
    )


def check_known(subject: Subject) -> Iterator[Finding]:
    """Yield a warning for each file that no version, record or entity of the crate accounts for."""
    graph = (subject.crate or {}).get("@graph")
    entities = [entity for entity in graph if isinstance(entity, dict)] if isinstance(graph, list) else []
    described = {unquote(str(entity.get("@id"))) for entity in entities}
    places = tuple(f"{version.place}/" for version in subject.versions)
    for name in sorted(subject.tree.sizes):
        known = name in described or name in (METADATA, PREVIEW, CONFIG) or RECORD.fullmatch(name)
        if not known and not name.startswith(places):
            advice = "remove it, or add it as a version of its own"
            yield Finding("warning", "unknown.file", name, "nothing says what this file is", advice)


def check_config(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with ``sidecrate.toml``."""
    if CONFIG not in subject.tree.sizes:
        return
    try:
        config = tomllib.loads(subject.text(CONFIG).decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        yield Finding("error", "config.broken", CONFIG, f"not TOML ({error})", "correct it by hand")
        return
    for pointer, message in schemas.problems("project", config):
        yield Finding("error", "config.schema", f"{CONFIG}#{pointer}", message, "correct it by hand")
