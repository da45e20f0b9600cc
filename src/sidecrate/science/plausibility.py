# SPDX-License-Identifier: Apache-2.0
"""Warnings when a measure of a well-known structure is outside what has been published for it.

Warnings, never errors: the ranges are orders of magnitude from the literature, and the odd cell may be right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sidecrate.science.tables import Row

NUCLEAR_PORE = "nuclear pore"
_NAMES = {"np", "npc", "pore", "pores", "nuclearpore", "nuclearpores", "nuclearporecomplex"}


@dataclass(frozen=True)
class Range:
    """The plausible range of a column of the host table."""

    column: str
    low: float
    high: float
    whole_hosts_only: bool
    source: str


_RANGES = {
    NUCLEAR_PORE: (
        Range("objects", 65, 5000, True, "65 in yeast (Winey 1997) to 5000 in HeLa cells"),
        Range("density_per_um2", 1, 50, False, "5-20 in mammalian cells, about 50 in Xenopus oocytes"),
        Range("median_diameter_nm", 40, 130, False, "membrane pore 40-70 nm, whole complex 100-130 nm"),
        Range("nearest_median_nm", 100, float("inf"), False, "complexes are 100-130 nm wide and do not overlap"),
    )
}


def structure_of(class_name: str) -> str | None:
    """Return the well-known structure a class name stands for, or None."""
    letters = "".join(letter for letter in class_name.lower() if letter.isalpha())
    return NUCLEAR_PORE if letters in _NAMES else None


def warnings(structure: str | None, hosts: list[Row]) -> Iterator[dict[str, str | int | float]]:
    """Yield a warning for each value of the host table outside its range.

    Parameters
    ----------
    structure : str or None
        A structure with published ranges; others have none.
    hosts : list of rows
        With ``host`` and ``touches_border``; counts of a host that is cut are not judged.
    """
    for limits in _RANGES.get(structure or "", ()):
        for row in hosts:
            value = row[limits.column]
            judged = not (limits.whole_hosts_only and row["touches_border"])
            if isinstance(value, int | float) and judged and not limits.low <= value <= limits.high:
                yield {
                    "code": f"plausibility.{limits.column}",
                    "host": str(row["host"]),
                    "value": value,
                    "message": f"host {row['host']}: {limits.column} = {value:.4g} is outside "
                    f"{limits.low:g} to {limits.high:g} ({limits.source})",
                }
