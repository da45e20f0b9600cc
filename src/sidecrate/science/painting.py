# SPDX-License-Identifier: Apache-2.0
"""Masks laid over each other shard by shard, counting what they set, what they change and where they disagree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from sidecrate.errors import InputError
from sidecrate.science.arrays import Progress, View, shards
from sidecrate.science.masks import HIGHEST, Box, Painted, Position, shifted


class Tally:
    """What a session painted.

    Attributes
    ----------
    voxels : array
        Voxels set to each number that had not got it before.
    changed : int
        How many of them had another label before.
    """

    def __init__(self, masks: Sequence[Painted], known: Collection[int]) -> None:
        self.voxels = np.zeros(HIGHEST + 1, np.int64)
        self.changed = 0
        self._masks, self._known = masks, {0, *known}
        self._empty = set(masks)
        self._bounds: dict[Painted, tuple[Position, Position]] = {}
        self._clashes = 0
        self._first: tuple[Position, str] | None = None

    def boxes(self) -> list[list[list[int]]]:
        """Return the bounds [first, past the last] of the voxels that each mask set, in the order of the masks."""
        found = (self._bounds[mask] for mask in self._masks if mask in self._bounds)
        return [[list(low), list(high)] for low, high in found]

    def check(self, base: str, replace: bool) -> None:
        """Check that the session is one to keep.

        Raises
        ------
        InputError
            A mask is empty, voxels would change without `replace`, or nothing is new.
        """
        if empty := [mask.what for mask in self._masks if mask in self._empty]:
            raise InputError(f"{empty[0]}: nothing is painted there, every voxel is 0; leave it out")
        if self._first is not None and not replace:
            position, what = self._first
            raise InputError(
                f"{self._clashes} voxels are labelled differently already, in {base} or another mask, first at "
                f"z, y, x = {position} by {what}; to change them pass --replace"
            )
        if not self.voxels.any():
            raise InputError(f"nothing new is painted: all of it is in {base} already")

    def lay(self, mask: Painted, region: Box, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Paint a mask on `after`, the voxels of a region that were `before` when the session began.

        Raises
        ------
        InputError
            The mask has a number without a class name, or cannot be read.
        """
        part = mask.overlap(region)
        if part is None:
            return
        numbers = mask.read(part)
        if unknown := set(np.flatnonzero(np.bincount(numbers.ravel()))) - self._known:
            number = min(unknown)
            raise InputError(f"{mask.what}: holds {number}, which has no class name; pass --class {number}=NAME")
        inside = shifted(part, region)
        window, painted = after[inside], numbers != 0
        if painted.any():
            self._empty.discard(mask)
        self._clash(mask, part, painted & (window != 0) & (window != numbers))
        self._bound(mask, part, painted & (before[inside] != numbers))
        window[painted] = numbers[painted]

    def count(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
        """Count a region that all its masks are painted on; return whether anything is new in it."""
        new = after != before
        self.voxels += np.bincount(after[new], minlength=HIGHEST + 1)
        self.changed += int(np.count_nonzero(before[new]))
        return bool(new.any())

    def _clash(self, mask: Painted, part: Box, clash: NDArray[np.bool_]) -> None:
        if clash.any():
            self._clashes += int(np.count_nonzero(clash))
            z, y, x = (int(n) + side.start for n, side in zip(np.argwhere(clash)[0], part, strict=True))
            self._first = min(self._first or ((z, y, x), mask.what), ((z, y, x), mask.what))

    def _bound(self, mask: Painted, part: Box, new: NDArray[np.bool_]) -> None:
        if new.any():
            low, high = bounds(new, part)
            lowest, highest = self._bounds.get(mask, (low, high))
            self._bounds[mask] = (_position(min, low, lowest), _position(max, high, highest))


def bounds(voxels: NDArray[np.bool_], region: Box) -> tuple[Position, Position]:
    """Return the first voxel and the one past the last, in the image, of those set in a region."""
    sides = []
    for axis, side in enumerate(region):
        along = np.flatnonzero(voxels.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append((side.start + int(along[0]), side.start + int(along[-1]) + 1))
    (z0, z1), (y0, y1), (x0, x1) = sides
    return (z0, y0, x0), (z1, y1, x1)


def _position(choose: Any, one: Position, other: Position) -> Position:
    z, y, x = (choose(pair) for pair in zip(one, other, strict=True))
    return z, y, x


def paint(
    masks: Sequence[Painted],
    known: Collection[int],
    array: zarr.Array[Any],
    what: str,
    progress: Progress | None,
) -> Tally:
    """Paint masks on an array that holds the labels painted so far, and return what is new.

    Of each shard only the part that its masks cover is read and written: a slice is thin.

    Parameters
    ----------
    masks : sequence of Painted
        Laid over each other in this order.
    known : collection of int
        The numbers that have a class name.
    array : zarr.Array
        Where it is painted.
    what : str
        Whose labels the array holds, for messages.
    progress : callable, optional
        Called with shards done, shards in all, ``"shards"``.

    Raises
    ------
    InputError
        A mask has a number without a name, or a mask or the array cannot be read.
    """
    tally = Tally(masks, known)
    earlier = View(array, what)
    windows = [window for region in shards(array) if (window := _covered(masks, region))]
    for done, window in enumerate(windows, 1):
        before = earlier[window]
        after = before.copy()
        for mask in masks:
            tally.lay(mask, window, before, after)
        if tally.count(before, after):
            array[window] = after
        if progress is not None:
            progress(done, len(windows), "shards")
    return tally


def _covered(masks: Sequence[Painted], region: Sequence[slice]) -> Box | None:
    """Return the smallest box that holds all that masks cover of a region."""
    parts = [part for mask in masks if (part := mask.overlap(region))]
    if not parts:
        return None
    z, y, x = (slice(min(s.start for s in side), max(s.stop for s in side)) for side in zip(*parts, strict=True))
    return z, y, x
