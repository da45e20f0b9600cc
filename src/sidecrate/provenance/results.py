# SPDX-License-Identifier: Apache-2.0
"""The results a project has reached, as tables for a page: read from version folders, whatever is missing left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecrate.artifacts import Artifact, Json, LabelSet
from sidecrate.provenance.lineage import Lineage, Use
from sidecrate.provenance.readable import extent, number, share, unit

MOST_HOSTS, MOST_ROUNDS = 12, 24

# column of hosts.csv: heading, column of its standard deviation
_HOST_COLUMNS = {
    "objects": ("objects", "objects_sd"),
    "objects_inside": ("not cut by the border", None),
    "surface_um2": ("surface", None),
    "density_per_um2": ("density", "density_sd_per_um2"),
    "volume_um3": ("volume", None),
    "density_per_um3": ("per volume", None),
    "median_diameter_nm": ("median diameter", None),
    "nearest_median_nm": ("median nearest neighbour", None),
    "clark_evans": ("Clark–Evans", None),
    "touches_border": ("host cut by border", None),
}


@dataclass(frozen=True)
class Quantity:
    """A column of a table: heading, unit and definition."""

    heading: str
    unit: str
    definition: str


@dataclass(frozen=True)
class Measured:
    """One measurement: what, from what, its host table as printed, and what was odd."""

    artifact: Artifact
    meta: Json
    quantities: list[Quantity]
    rows: list[list[str]]
    hosts: int
    notes: list[str]
    estimator: str


@dataclass(frozen=True)
class Round:
    """The scores of an evaluation, one row a class, and the labels its model was trained on."""

    artifact: Artifact
    meta: Json
    classes: list[Json]
    labels: list[Use]
    slices: int | None
    people: list[str]


def measured(artifact: Artifact) -> Measured:
    """Return the host table of a measurement; rows are empty when its file is missing or broken."""
    content = _read_json(artifact, "measurements.json")
    described = {c["name"]: c for c in content.get("columns", {}).get("hosts", [])}
    shown = {name: labels for name, labels in _HOST_COLUMNS.items() if name in described}
    quantities = [
        Quantity(heading, unit(described[name]["unit"]), described[name]["definition"])
        for name, (heading, _) in shown.items()
    ]
    hosts = content.get("hosts", [])
    rows = [[_host(row), *(_cell(row, name, sd) for name, (_, sd) in shown.items())] for row in hosts[:MOST_HOSTS]]
    estimator = str(content.get("surface_estimator", ""))
    return Measured(artifact, artifact.meta, quantities, rows, len(hosts), content.get("notes", []), estimator)


def _read_json(artifact: Artifact, name: str) -> Json:
    try:
        content = json.loads((artifact.path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # the page says that the file is missing; an audit says why
    return content if isinstance(content, dict) else {}


def _host(row: Mapping[str, Any]) -> str:
    return number(row.get("host")) if row.get("host") else "whole volume"


def _cell(row: Mapping[str, Any], name: str, sd: str | None) -> str:
    spread = row.get(sd) if sd else None
    return number(row.get(name)) + (f" ± {number(spread, 2)}" if spread is not None else "")


def rounds(evaluations: Sequence[Artifact], lineage: Lineage, here: Mapping[str, Artifact]) -> Iterator[Round]:
    """Yield the scores of each evaluation, in the order given."""
    for artifact in evaluations:
        meta = artifact.meta
        labels = list(_trained_on(lineage, meta.get("prediction", {}).get("digest", "")))
        sets = [here[use["digest"]] for use in labels if use["digest"] in here]
        sessions = [s for labelled in sets if isinstance(labelled, LabelSet) for s in labelled.sessions]
        people = list(dict.fromkeys(str(session["who"]["name"]) for session in sessions))
        slices = sum(len(session.get("boxes", [])) for session in sessions) if sets else None
        yield Round(artifact, meta, meta.get("scores", []), labels, slices, people)


def _trained_on(lineage: Lineage, prediction: str) -> Iterator[Use]:
    """Yield the label sets that the model of a prediction was trained on."""
    for model in lineage.parents(prediction):
        if model["kind"] == "Model":
            inputs = lineage.parents(model["digest"])
            yield from (use for use in inputs if use["kind"] == "LabelSet" and use["role"] != "validation")


def fact(artifact: Artifact) -> str:
    """Return a few words on what a version holds, empty when its metadata says nothing of the kind."""
    meta = artifact.meta
    match artifact.kind:
        case "Image":
            return f"{extent(meta['shape'])} voxels" if "shape" in meta else ""
        case "LabelSet":
            return f"{len(meta['sessions'])} labelling session{'s' * (len(meta['sessions']) != 1)}"
        case "Model" | "Prediction":
            return ", ".join(str(name) for name in meta.get("classes", [])[1:])
        case "Evaluation":
            scores = [f"{row.get('class')} {share(row.get('f1'))}" for row in meta.get("scores", [])]
            return f"F1: {', '.join(scores)}" if scores else ""
        case "Measurements":
            return f"{number(meta.get('totals', {}).get('objects'))} objects, {meta.get('object_class')}"
        case "Suggestion":
            return ", ".join(f"{row['axis']} {row['index']}" for row in meta.get("slices", []))
    return ""


def newest_of_each(artifacts: Sequence[Artifact], kind: str) -> list[Artifact]:
    """Return the newest version of each series of a kind."""
    ascending = sorted((a for a in artifacts if a.kind == kind), key=lambda artifact: artifact.version)
    return list({artifact.name: artifact for artifact in ascending}.values())
