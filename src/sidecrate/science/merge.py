# SPDX-License-Identifier: Apache-2.0
"""Two people's labels of one image joined; where they disagree, nobody is overwritten silently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sidecrate.artifacts import MANIFEST, Json, LabelSet, Person
from sidecrate.digests import canonical_json, read_manifest
from sidecrate.errors import InputError
from sidecrate.science import arrays
from sidecrate.science.label import class_names, create, finish, session_of, share, utc
from sidecrate.science.masks import Box, Position
from sidecrate.science.painting import bounds
from sidecrate.store import draft

Numbers: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Conflict:
    """Voxels that one version gives to class `mine` and the other to class `theirs`.

    Attributes
    ----------
    mine, theirs : str
        Names of the classes.
    voxels : int
        How many.
    box : tuple
        The first voxel of them and the one past the last, z, y, x.
    """

    mine: str
    theirs: str
    voxels: int
    box: tuple[Position, Position]


def conflicts(mine: LabelSet, theirs: LabelSet) -> list[Conflict]:
    """Return where two versions label a voxel differently: one entry a pair of classes.

    Raises
    ------
    InputError
        They are of different images, or their class numbers contradict each other.
    """
    names = _common_names(mine, theirs)
    found: dict[tuple[int, int], Conflict] = {}
    for _, region, a, b in _both_labelled(mine, theirs):
        clash = (a != 0) & (b != 0) & (a != b)
        for one, other in np.unique(np.stack([a[clash], b[clash]]), axis=1).T:
            pair = (int(one), int(other))
            voxels = (a == one) & (b == other)
            here = Conflict(names[pair[0]], names[pair[1]], int(np.count_nonzero(voxels)), bounds(voxels, region))
            found[pair] = _joined(found[pair], here) if pair in found else here
    return [found[pair] for pair in sorted(found)]


def _joined(one: Conflict, other: Conflict) -> Conflict:
    first = np.minimum(one.box[0], other.box[0]).tolist()
    last = np.maximum(one.box[1], other.box[1]).tolist()
    return Conflict(one.mine, one.theirs, one.voxels + other.voxels, (tuple(first), tuple(last)))


def _both_labelled(mine: LabelSet, theirs: LabelSet) -> Iterator[tuple[str, Box, Numbers, Numbers]]:
    """Yield file, box and numbers of the shards that both versions hold, unless their bytes are the same."""
    ours, others = arrays.open_array(mine), arrays.open_array(theirs)
    digests, other_digests = (read_manifest(version.path / MANIFEST) for version in (mine, theirs))
    for name, (z, y, x) in arrays.stored_shards(mine):
        if other_digests.get(name, digests[name]) != digests[name]:
            yield name, (z, y, x), ours[z, y, x], others[z, y, x]


def _common_names(mine: LabelSet, theirs: LabelSet) -> dict[int, str]:
    if mine.image["digest"] != theirs.image["digest"]:
        raise InputError(
            f"{mine.ref} was painted on {mine.image['ref']} and {theirs.ref} on {theirs.image['ref']}; "
            "only labels of one image can be merged"
        )
    return class_names(mine.classes, theirs.classes)


def merge(
    mine: LabelSet,
    theirs: LabelSet,
    into: Path,
    *,
    by: Person,
    prefer: Literal["mine", "theirs"] | None = None,
    note: str | None = None,
    when: str | None = None,
) -> LabelSet:
    """Return a new label version with the labels and the sessions of both.

    Parameters
    ----------
    mine, theirs : LabelSet
        Two versions painted on the same image.
    into : Path
        Folder of the series, ``PROJECT/labels/pores``.
    by : Person
        Who merges.
    prefer : {"mine", "theirs"}, optional
        Whose label a voxel gets that both labelled differently. Without it such voxels are an error.
    note : str, optional
        Why it was decided so.
    when : str, optional
        ISO 8601; now when not given.

    Raises
    ------
    InputError
        Different images, contradicting class numbers, or conflicts and no `prefer`.
    """
    names = _common_names(mine, theirs)
    found = conflicts(mine, theirs)
    if found and prefer is None:
        raise InputError(_described(mine, theirs, found))
    over, under = (theirs, mine) if prefer == "theirs" else (mine, theirs)
    session = session_of(by, utc(when), "sidecrate merge", note=note) | {
        "boxes": [],
        "voxels": {},
        "changed": sum(conflict.voxels for conflict in found),
        "merged": sorted((mine.link(), theirs.link()), key=lambda link: link["digest"]),
        "preferred": over.link() if found else None,
    }
    with draft(LabelSet, into) as new:
        array = create(new, mine, names)
        for name, region, top, bottom in _both_labelled(over, under):
            joined = np.where(top != 0, top, bottom)
            if same := [v for v, old in ((over, top), (under, bottom)) if np.array_equal(joined, old)]:
                new.share(same[0], [name])
            else:
                array[region] = joined
        share(new, over, array)
        share(new, under, array)
        return finish(new, array, mine, names, [*_history(mine, theirs), session])


def _history(mine: LabelSet, theirs: LabelSet) -> list[Json]:
    """Return the sessions of both, those they share once, in the order of time."""
    sessions = {canonical_json(session): session for session in (*mine.sessions, *theirs.sessions)}
    return [sessions[key] for key in sorted(sessions, key=lambda key: (sessions[key]["when"], key))]


def _described(mine: LabelSet, theirs: LabelSet, found: list[Conflict]) -> str:
    pairs = "; ".join(
        f"{conflict.voxels} as {conflict.mine} or {conflict.theirs}, z y x {conflict.box[0]} to {conflict.box[1]}"
        for conflict in found[:5]
    )
    total = sum(conflict.voxels for conflict in found)
    return (
        f"{mine.ref} and {theirs.ref} label {total} voxels differently: {pairs}; "
        "paint them again, or choose with --prefer mine or --prefer theirs"
    )
