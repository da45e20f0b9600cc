# SPDX-License-Identifier: Apache-2.0
"""The content of a bag or project: every check, on files that are hashed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sidecrate.errors import Finding
from sidecrate.publish.audit.crate import check_crate
from sidecrate.publish.audit.history import check_lineage, check_records
from sidecrate.publish.audit.subject import Subject
from sidecrate.publish.audit.versions import check_config, check_known, check_versions
from sidecrate.publish.bag import PAYLOAD, check_bag, read_bag
from sidecrate.publish.trees import Progress, SubTree, Tree


def check_package(tree: Tree, progress: Progress | None = None) -> Iterator[Finding]:
    """Yield everything wrong with a bag and with the crate inside it."""
    found, computed = check_bag(tree, read_bag(tree), progress)
    yield from found
    payload = SubTree(tree, PAYLOAD)
    hashed = {name.removeprefix(f"{PAYLOAD}/"): digests.get("sha256") for name, digests in computed.items()}
    known = {name: digest for name, digest in hashed.items() if digest and name in payload.sizes}
    for finding in check_content(Subject(payload, known, whole=False)):
        yield replace(finding, where=f"{PAYLOAD}/{finding.where}")


def check_content(subject: Subject) -> Iterator[Finding]:
    """Yield everything wrong with a crate and its files: versions, records, lineage, metadata."""
    yield from subject.unreadable
    for check in (check_versions, check_records, check_lineage, check_crate, check_config, check_known):
        yield from check(subject)
    yield from subject.problems
