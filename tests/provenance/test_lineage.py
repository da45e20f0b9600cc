# SPDX-License-Identifier: Apache-2.0
"""Who made what out of what, joined by digest."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecrate.provenance.lineage import Lineage


def digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def use(name: str) -> dict[str, Any]:
    return {"role": "it", "kind": "Files", "ref": f"{name}@v1", "place": f"files/{name}/v1", "digest": digest(name)}


def records(*runs: tuple[str, str]) -> list[dict[str, Any]]:
    """Return records of runs, each written as the letters of what it read and of what it made."""
    return [
        {"number": number, "step": "step", "inputs": [use(n) for n in read], "outputs": [use(n) for n in made]}
        for number, (read, made) in enumerate(runs, 1)
    ]


def names(digests: list[str]) -> str:
    return "".join(name for found in digests for name in "abcdefgh" if digest(name) == found)


LOOP = records(("", "a"), ("a", "b"), ("ab", "c"), ("ac", "d"), ("d", "e"), ("b", "f"))


def test_ancestors_and_dependents_are_all_there_nearest_first() -> None:
    lineage = Lineage(LOOP)
    assert names(lineage.ancestors(digest("e"))) == "dacb"
    assert names(lineage.dependents(digest("b"))) == "cfde"
    assert names(lineage.dependents(digest("f"))) == ""


def test_what_came_from_outside_has_no_producer() -> None:
    lineage = Lineage(LOOP)
    assert lineage.producer(digest("unknown")) is None
    assert lineage.parents(digest("unknown")) == []
    assert lineage.producer(digest("c")) == LOOP[2]


def test_a_lost_record_is_a_gap_in_every_record_that_needs_it() -> None:
    found = list(Lineage([record for record in LOOP if record["number"] != 2]).problems())
    assert [(finding.code, finding.where) for finding in found] == [
        ("lineage.gap", "records/000003-step.json"),
        ("lineage.gap", "records/000006-step.json"),
    ]
    assert "b@v1" in found[0].message


def test_a_plain_file_from_outside_is_no_gap() -> None:
    (record,) = records(("", "a"))
    record["inputs"] = [{"role": "in", "kind": "File", "name": "in.txt", "bytes": 2, "digest": digest("in.txt")}]
    assert list(Lineage([record]).problems()) == []


def test_a_cycle_is_found_and_what_hangs_on_it_is_not_blamed() -> None:
    altered = records(("c", "a"), ("a", "b"), ("b", "c"), ("c", "d"))
    found = [finding for finding in Lineage(altered).problems() if finding.code == "lineage.cycle"]
    assert sorted(finding.where for finding in found) == ["a@v1", "b@v1", "c@v1"]


def test_a_version_with_the_bytes_of_its_input_is_no_cycle() -> None:
    assert list(Lineage(records(("", "a"), ("a", "a"), ("a", "b"))).problems()) == []


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_ancestors_mirror_dependents_and_an_honest_history_has_no_problem(reads: list[set[int]]) -> None:
    letters = "abcdefgh"
    runs = [("".join(letters[n] for n in sorted(read) if n < made), letters[made]) for made, read in enumerate(reads)]
    lineage = Lineage(records(*runs))
    assert list(lineage.problems()) == []
    things = [digest(made) for _, made in runs]
    for old in things:
        for new in things:
            assert (old in lineage.ancestors(new)) == (new in lineage.dependents(old))
