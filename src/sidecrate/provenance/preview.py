# SPDX-License-Identifier: Apache-2.0
"""The crate as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from sidecrate.artifacts import Artifact
from sidecrate.provenance.records import Record


def render(
    document: Mapping[str, Any],
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    *,
    root: Path,
) -> str:
    """Return the page."""
    return f"<!doctype html><title>{escape(project['project']['title'])}</title>"
