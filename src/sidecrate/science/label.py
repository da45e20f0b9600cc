# SPDX-License-Identifier: Apache-2.0
"""Label sets: painted masks become a new version that remembers who painted what, when and on top of what.

The array is sparse. A new version begins with hard links to the shards of the version before; Zarr replaces a file
as a whole when it writes, so what is painted goes to new files and no byte of an earlier version is ever changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from sidecrate.artifacts import MANIFEST, Image, Json, LabelSet, Person
from sidecrate.digests import read_manifest
from sidecrate.errors import InputError
from sidecrate.science import arrays
from sidecrate.science.masks import HIGHEST, Box, Mask, opened_mask
from sidecrate.science.painting import Tally, paint
from sidecrate.store import Draft, draft

BACKGROUND = {1: "background"}

_LONGEST_MINUTES = 365 * 24 * 60


def label(
    image: Image,
    masks: Sequence[Mask],
    into: Path,
    *,
    by: Person,
    tool: str,
    base: LabelSet | None = None,
    classes: Mapping[int, str] | None = None,
    minutes: float | None = None,
    note: str | None = None,
    when: str | None = None,
    replace: bool = False,
    progress: arrays.Progress | None = None,
) -> LabelSet:
    """Return a new label version: `base` with the masks painted over it, in their order.

    Parameters
    ----------
    image : Image
        What was painted on.
    masks : sequence of Mask
        Painted slices and boxes.
    into : Path
        Folder of the series, ``PROJECT/labels/pores``.
    by : Person
        Who painted.
    tool : str
        The program it was painted with.
    base : LabelSet, optional
        The version the painting goes on from.
    classes : mapping of int to str, optional
        Names of the numbers, 2 and up; those of `base` need not be repeated.
    minutes : float, optional
        Time spent.
    note : str, optional
        Why, or what to know.
    when : str, optional
        ISO 8601; without an offset it is UTC; now when not given.
    replace : bool
        Allow voxels that are labelled already to get another label.
    progress : callable, optional
        Called with shards painted, shards in all, ``"shards"``.

    Raises
    ------
    InputError
        A mask does not fit, is empty, or has a number without a name; `base` belongs to another image; a voxel
        is labelled differently already and `replace` is not set; or nothing new was painted.
    """
    names = class_names(base.classes if base else {}, classes or {})
    if base is not None:
        arrays.check_painted_on(base, image)
    if minutes is not None and not 0 <= minutes <= _LONGEST_MINUTES:
        raise InputError(f"minutes spent: {minutes} is not a length of time up to a year")
    moment = utc(when)
    with ExitStack() as stack, draft(LabelSet, into) as new:
        painted = [stack.enter_context(opened_mask(mask, image.shape)) for mask in masks]
        array = create(new, image, names)
        if base is not None:
            share(new, base, array)
        earlier = base.ref if base else "no earlier version"
        tally = paint(painted, names, array, earlier, progress)
        tally.check(earlier, replace)
        session = session_of(by, moment, tool, minutes=minutes, note=note, base=base) | _painted(tally, names)
        return finish(new, array, image, names, [*(base.sessions if base else []), session])


def _painted(tally: Tally, names: Mapping[int, str]) -> Json:
    voxels = {name: int(tally.voxels[number]) for number, name in names.items() if tally.voxels[number]}
    return {"boxes": tally.boxes(), "voxels": voxels, "changed": tally.changed}


def class_names(known: Mapping[int, str], new: Mapping[int, str]) -> dict[int, str]:
    """Return the union of two class maps, number → name, with 1 for background.

    Raises
    ------
    InputError
        A number has two names, a name two numbers, or a number is not 1…255.
    """
    names = BACKGROUND | dict(known)
    for number, name in new.items():
        if not 1 <= number <= HIGHEST or not name.strip() or re.search(r"[\0-\x1f\x7f-\x9f]", name):
            raise InputError(f"class {number} = {name!r}: classes are 2 to {HIGHEST}, each with a name of one line")
        if names.setdefault(number, name) != name:
            raise InputError(f"class {number} is {names[number]!r} and cannot be {name!r} too; take another number")
    if twice := sorted(name for name in names.values() if list(names.values()).count(name) > 1):
        raise InputError(f"class {twice[0]!r} has two numbers; give each class one")
    return dict(sorted(names.items()))


def utc(when: str | None) -> str:
    """Return a moment as ISO 8601 in UTC, to the second; None is now.

    Raises
    ------
    InputError
        It is not ISO 8601.
    """
    try:
        moment = datetime.now(UTC) if when is None else datetime.fromisoformat(when)
    except ValueError:
        raise InputError(f"when: {when!r} is not a date and time like 2024-05-31T14:30:00+02:00") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")


def session_of(
    by: Person,
    when: str,
    tool: str,
    *,
    minutes: float | None = None,
    note: str | None = None,
    base: LabelSet | None = None,
) -> Json:
    """Return what a version remembers of one labelling session before anything was painted in it."""
    return {
        "who": asdict(by),
        "when": when,
        "tool": tool,
        "minutes": minutes,
        "note": note,
        "base": base.link() if base else None,
    }


# ------------------------------------------------------------------------------- the array of a label set


def create(new: Draft[LabelSet], grid: Image | LabelSet, names: Mapping[int, str]) -> zarr.Array[Any]:
    """Return the empty array of a label set in a draft, of the shape of `grid`."""
    options: dict[str, Any] = {"shape": grid.shape, "voxel_nm": grid.voxel_nm, "classes": dict(names)}
    return arrays.create(new, LabelSet.array, dtype=np.uint8, **options)[0]


def share(new: Draft[LabelSet], other: LabelSet, array: zarr.Array[Any]) -> None:
    """Take over, as hard links where that works, every shard of another version that the draft has not got."""
    below = f"{LabelSet.array}/{array.path}/c/"
    names = [name for name in read_manifest(other.path / MANIFEST) if name.startswith(below)]
    new.share(other, [name for name in names if name not in new.digests])


def finish(
    new: Draft[LabelSet],
    array: zarr.Array[Any],
    grid: Image | LabelSet,
    names: Mapping[int, str],
    sessions: list[Json],
) -> LabelSet:
    """Seal a label set whose array is complete; the voxels of each class are counted from the array."""
    counts = np.zeros(HIGHEST + 1, np.int64)
    stored = arrays.View(array, f"labels of {grid.ref}")  # linked shards may have been damaged since
    for region in arrays.shards(array):
        if f"{LabelSet.array}/{arrays.shard_file(array, region)}" in new.digests:
            numbers = stored[region]
            counts += np.bincount(numbers[numbers != 0], minlength=HIGHEST + 1)
    meta = {
        "image": grid.image if isinstance(grid, LabelSet) else grid.link(),
        "shape": list(grid.shape),
        "voxel_nm": list(grid.voxel_nm),
        "classes": {str(number): name for number, name in names.items()},
        "voxels_per_class": {name: int(counts[number]) for number, name in names.items()},
        "sessions": sessions,
    }
    return new.finish(meta)


def boxes(labels: LabelSet) -> list[Box]:
    """Return the boxes in which somebody painted, in the order they were painted, each once."""
    pairs = ((tuple(first), tuple(last)) for session in labels.sessions for first, last in session["boxes"])
    return [(slice(z0, z1), slice(y0, y1), slice(x0, x1)) for (z0, y0, x0), (z1, y1, x1) in dict.fromkeys(pairs)]


def labelled_blocks(labels: LabelSet) -> Iterator[tuple[Box, NDArray[np.uint8]]]:
    """Yield box and numbers of each shard that holds a label, in raster order, one in memory at a time."""
    array = arrays.open_array(labels)
    for _, (z, y, x) in arrays.stored_shards(labels):
        yield (z, y, x), array[z, y, x]
