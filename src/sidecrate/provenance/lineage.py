# SPDX-License-Identifier: Apache-2.0
"""Who made what out of what: the graph that the records span, joined by digest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sidecrate.errors import Finding
from sidecrate.provenance.records import Record

Use = dict[str, Any]


class Lineage:
    """The graph of runs and things of a project.

    Parameters
    ----------
    records : iterable of Record
        Oldest first.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)
        self.things: dict[str, Use] = {}
        self._producer: dict[str, Record] = {}
        self._consumers: dict[str, list[Record]] = {}
        for record in self.records:
            for use in record["outputs"]:
                self.things[use["digest"]] = use
                self._producer.setdefault(use["digest"], record)
            for use in record["inputs"]:
                self.things.setdefault(use["digest"], use)
                self._consumers.setdefault(use["digest"], []).append(record)

    def producer(self, digest: str) -> Record | None:
        """Return the record of the run that made a thing, None for what came from outside."""
        return self._producer.get(digest)

    def parents(self, digest: str) -> list[Use]:
        """Return the inputs of the run that made a thing, in the order of its record."""
        record = self.producer(digest)
        return list(record["inputs"]) if record else []

    def children(self, digest: str) -> list[Use]:
        """Return the outputs of all runs that read a thing."""
        return [use for record in self._consumers.get(digest, []) for use in record["outputs"]]

    def ancestors(self, digest: str) -> list[str]:
        """Return the digests of everything a thing depends on, nearest first, itself left out."""
        return self._reach(digest, self.parents)

    def dependents(self, digest: str) -> list[str]:
        """Return the digests of everything that depends on a thing, nearest first, itself left out."""
        return self._reach(digest, self.children)

    def _reach(self, digest: str, step: Callable[[str], list[Use]]) -> list[str]:
        found: dict[str, None] = {}
        queue = deque([digest])
        while queue:
            for use in step(queue.popleft()):
                if use["digest"] not in found and use["digest"] != digest:
                    found[use["digest"]] = None
                    queue.append(use["digest"])
        return list(found)

    def _in_cycles(self) -> list[str]:
        """Return the digests left when whatever has no parents left is taken away, then what has no children left."""
        left = set(self.things)
        for neighbours, others in ((self.parents, self.children), (self.children, self.parents)):
            waiting = {digest: len({u["digest"] for u in neighbours(digest)} & left) for digest in left}
            free = [digest for digest, count in waiting.items() if count == 0]
            while free:
                gone = free.pop()
                left.discard(gone)
                for digest in {use["digest"] for use in others(gone)} & left:
                    waiting[digest] -= 1
                    if waiting[digest] == 0:
                        free.append(digest)
        return [digest for digest in self.things if digest in left]

    def problems(self) -> Iterator[Finding]:
        """Yield a finding for each gap and each cycle in the graph."""
        for record in self.records:
            where = f"records/{record['number']:06d}-{record['step']}.json"
            for use in record["inputs"]:
                if "place" in use and use["digest"] not in self._producer:
                    yield Finding(
                        "error",
                        "lineage.gap",
                        where,
                        f"it used {use['ref']} ({use['kind']}), and no record says how that was made",
                        "restore the missing record, or record the step that made it",
                    )
        for digest in self._in_cycles():
            name = self.things[digest].get("ref") or self.things[digest]["name"]
            advice = "a thing cannot be its own ancestor: a record was altered, restore it"
            yield Finding("error", "lineage.cycle", name, "it descends from itself", advice)
