# SPDX-License-Identifier: Apache-2.0
"""Where a project stands: what exists, what is stale and why, and the next sensible command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecrate.artifacts import (
    KINDS,
    Artifact,
    Evaluation,
    Image,
    LabelSet,
    Measurements,
    Model,
    Prediction,
    Suggestion,
)
from sidecrate.provenance.lineage import Lineage, Use
from sidecrate.provenance.records import Record


@dataclass(frozen=True)
class Standing:
    """The newest version of one thing.

    Attributes
    ----------
    kind, ref, digest : str
    made : str or None
        When, ISO 8601.
    by : list of str
        Who.
    stale : list of str
        Each reason, for example ``pores@v2 is newer than the pores@v1 it was made from``.
    """

    kind: str
    ref: str
    digest: str
    made: str | None
    by: list[str]
    stale: list[str]


def newest(artifacts: Sequence[Artifact]) -> dict[tuple[str, str], Artifact]:
    """Return (kind, name) → newest version."""
    return {(artifact.kind, artifact.name): artifact for artifact in sorted(artifacts, key=lambda a: a.version)}


def standings(artifacts: Sequence[Artifact], records: Sequence[Record]) -> list[Standing]:
    """Return one line for the newest version of everything, by kind in the order of the loop."""
    lineage, latest = Lineage(records), newest(artifacts)
    order = list(KINDS)
    return [
        _standing(artifact, lineage, latest)
        for artifact in sorted(latest.values(), key=lambda a: (order.index(a.kind), a.name))
    ]


def _standing(artifact: Artifact, lineage: Lineage, latest: Mapping[tuple[str, str], Artifact]) -> Standing:
    record = lineage.producer(artifact.digest)
    return Standing(
        artifact.kind,
        artifact.ref,
        artifact.digest,
        record["ended"] if record else None,
        [agent["name"] for agent in record["agents"]] if record else [],
        stale_because(artifact, lineage, latest),
    )


def stale_because(artifact: Artifact, lineage: Lineage, latest: Mapping[tuple[str, str], Artifact]) -> list[str]:
    """Return why a version is out of date: something it descends from has a newer version.

    A new version of a series that was made from an older one of itself is not a reason: labels and models grow
    that way.
    """
    reasons = []
    for digest in lineage.ancestors(artifact.digest):
        use = lineage.things[digest]
        name = use.get("ref", "").split("@")[0]
        now = latest.get((use["kind"], name))
        if now is None or now.digest == digest or (use["kind"], name) == (artifact.kind, artifact.name):
            continue
        if now.digest not in {artifact.digest, *lineage.ancestors(artifact.digest)} and use["kind"] in _DECIDES:
            reasons.append(f"{now.ref} is newer than the {use['ref']} it was made from")
    return reasons


# A newer suggestion or evaluation does not make a model old.
_DECIDES = {noun.kind for noun in (Image, LabelSet, Model, Prediction)}


def next_command(artifacts: Sequence[Artifact], records: Sequence[Record]) -> str:
    """Return the next sensible command of the loop."""
    lineage, latest = Lineage(records), newest(artifacts)
    kinds = {kind for kind, _ in latest}

    def old(noun: type[Artifact]) -> bool:
        found = [a for a in latest.values() if a.kind == noun.kind]
        return not found or all(stale_because(a, lineage, latest) for a in found)

    unseen = _unseen_labels(latest, lineage)
    steps: list[tuple[bool, str]] = [
        (Image.kind not in kinds, "sidecrate add IMAGE --voxel-nm Z Y X"),
        (LabelSet.kind not in kinds, "sidecrate label export --axis z --index N --to FOLDER --class 2=NAME"),
        (old(Model), f"sidecrate train{_which_labels(latest, lineage)}"),
        (old(Prediction), "sidecrate predict"),
        (old(Suggestion), "sidecrate suggest"),
        (old(Measurements), f"sidecrate measure{_which_classes(latest, records)}"),
        (bool(unseen) and old(Evaluation), f"sidecrate evaluate --truth {' or '.join(unseen)}"),
    ]
    published = {
        "pack": "sidecrate deposit OUT.zip --to ocfl:ARCHIVE",
        "reserve": "sidecrate deposit --to NAME",
        "deposit": "sidecrate cite THING",
    }
    last = records[-1]["step"] if records else ""
    return next((command for needed, command in steps if needed), published.get(last, "sidecrate pack OUT.zip"))


def _which_labels(latest: Mapping[tuple[str, str], Artifact], lineage: Lineage) -> str:
    """Return the option that names the labels to train on: those of the models so far, when there are several sets."""
    names = sorted(name for kind, name in latest if kind == LabelSet.kind)
    unseen = _unseen_labels(latest, lineage)
    trained = [name for name in names if name not in unseen]
    return f" --labels {' or '.join(trained or names)}" if len(names) > 1 else ""


def _unseen_labels(latest: Mapping[tuple[str, str], Artifact], lineage: Lineage) -> list[str]:
    """Return the label sets that no model was trained on: what a prediction can be scored against."""
    models = [artifact.digest for (kind, _), artifact in latest.items() if kind == Model.kind]
    seen = {lineage.things[digest].get("ref", "").split("@")[0] for one in models for digest in lineage.ancestors(one)}
    return sorted(name for kind, name in latest if kind == LabelSet.kind and name not in seen)


def _which_classes(latest: Mapping[tuple[str, str], Artifact], records: Sequence[Record]) -> str:
    """Return the options that name classes of the newest prediction: objects, and hosts when there is another."""
    made = [use for record in records for use in record["outputs"] if use["kind"] == Prediction.kind]
    found = latest.get((Prediction.kind, made[-1]["ref"].split("@")[0])) if made else None
    classes = [str(name) for name in found.meta.get("classes", [])[1:]] if found else []
    options = zip(("objects", "hosts"), classes or ["CLASS", "CLASS"], strict=False)
    return "".join(f" --{option} {shlex.quote(name)}" for option, name in options)


def tree(lineage: Lineage, use: Use, seen: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the chain behind a thing as nested data: what it is, the run that made it, what went in."""
    digest = use["digest"]
    node: dict[str, Any] = {"ref": use.get("ref") or use["name"], "kind": use["kind"], "digest": digest}
    if "role" in use:
        node["role"] = use["role"]
    record = lineage.producer(digest)
    if record is not None and digest not in seen:
        node |= {
            "step": record["step"],
            "record": record["number"],
            "ended": record["ended"],
            "by": [agent["name"] for agent in record["agents"]],
            "from": [tree(lineage, parent, seen | {digest}) for parent in record["inputs"]],
        }
    return node
