# SPDX-License-Identifier: Apache-2.0
"""Tables whose columns say their unit and meaning, as CSV and JSON with the same numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Cell: TypeAlias = int | float | bool | str | None
Row: TypeAlias = dict[str, Cell]


@dataclass(frozen=True)
class Column:
    """A column: its name (with the unit as suffix), unit in UCUM (``1`` for none) and definition."""

    name: str
    unit: str
    definition: str


@dataclass(frozen=True)
class Table:
    """Rows of plain values in the order of `columns`."""

    columns: tuple[Column, ...]
    rows: list[Row]

    def where(self, condition: Callable[[Row], object]) -> Table:
        """Return the rows that fulfil a condition."""
        return Table(self.columns, [row for row in self.rows if condition(row)])

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the values of a column that are not missing."""
        return np.array([row[name] for row in self.rows if row[name] is not None], np.float64)

    def csv(self) -> bytes:
        """Return the table as RFC 4180 CSV, UTF-8, a missing value empty."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(column.name for column in self.columns)
        for row in self.rows:
            writer.writerow(_text(row[column.name]) for column in self.columns)
        return text.getvalue().encode()

    def describe(self) -> list[dict[str, str]]:
        """Return name, unit and definition of each column."""
        return [asdict(column) for column in self.columns]


def table(columns: Sequence[Column], values: Mapping[str, Iterable[object]]) -> Table:
    """Return a table from one sequence a column; numpy scalars become plain, NaN and infinity missing.

    Floats are rounded to 9 significant digits, so that CSV and JSON agree and the last bits of a library's
    arithmetic do not make two versions of one measurement.
    """
    names = [column.name for column in columns]
    lines = zip(*(values[name] for name in names), strict=True)
    return Table(tuple(columns), [dict(zip(names, map(plain, line), strict=True)) for line in lines])


def plain(value: object) -> Cell:
    """Return a value as int, float (9 significant digits), bool, str or None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} does not fit a table cell")


def _text(value: Cell) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
