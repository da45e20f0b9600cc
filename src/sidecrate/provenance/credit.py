# SPDX-License-Identifier: Apache-2.0
"""Who labelled how much: the sessions that label sets remember, added up for each person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecrate.artifacts import Artifact, Json, LabelSet
from sidecrate.provenance.results import newest_of_each


@dataclass
class Credit:
    """What one person painted in one label set; `minutes` counts the sessions that noted them."""

    name: str
    orcid: str | None
    labels: str
    sessions: int = 0
    minutes: float = 0.0
    unnoted: int = 0
    slices: int = 0
    boxes: int = 0
    voxels: Counter[str] = field(default_factory=Counter)

    def add(self, session: Json) -> None:
        """Count a session in."""
        self.sessions += 1
        minutes = session.get("minutes")
        self.minutes += minutes or 0
        self.unnoted += minutes is None
        for first, past in session.get("boxes", []):
            thin = 1 in [high - low for low, high in zip(first, past, strict=True)]
            self.slices += thin
            self.boxes += not thin
        self.voxels.update(session.get("voxels", {}))


def labelling_credit(artifacts: Sequence[Artifact]) -> list[Credit]:
    """Return the labelling of each person in each label set; a version remembers the sessions before it too."""
    credits: dict[tuple[str, str | None, str], Credit] = {}
    for newest in newest_of_each(artifacts, LabelSet.kind):
        for session in newest.meta["sessions"]:
            who = session["who"]
            key = (who["name"], who.get("orcid"), newest.name)
            credits.setdefault(key, Credit(*key)).add(session)
    return list(credits.values())
