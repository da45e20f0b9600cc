# SPDX-License-Identifier: Apache-2.0
"""Under which DOI a project, as it stands now, is or will be known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sidecrate.artifacts import Artifact, Deposit
from sidecrate.provenance.records import Record

COMING = ("reserved", "draft", "review")


def receipts(artifacts: Sequence[Artifact]) -> list[dict[str, Any]]:
    """Return what repositories gave, oldest first."""
    found = [artifact.meta["receipt"] for artifact in artifacts if isinstance(artifact, Deposit)]
    return sorted(found, key=lambda receipt: str(receipt["deposited"]))


def doi(records: Sequence[Record], artifacts: Sequence[Artifact]) -> str | None:
    """Return the DOI of the package that is being prepared, or of the published one nothing was added to since."""
    given = {a.digest: a.meta["receipt"] for a in artifacts if isinstance(a, Deposit) and a.meta["receipt"].get("doi")}
    changed = False
    for record in reversed(records):
        for use in record["outputs"]:
            if use["digest"] in given:
                receipt = given[use["digest"]]
                holds = receipt.get("status") in COMING or not changed
                return str(receipt["doi"]) if holds else None
            changed = changed or use["kind"] != Deposit.kind
    return None
