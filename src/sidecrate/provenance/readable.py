# SPDX-License-Identifier: Apache-2.0
"""Numbers, sizes, units and times as people read them."""

from __future__ import annotations

import math

_THIN = "\u202f"  # narrow no-break space between thousands
_UNITS = {"um2": "µm²", "um3": "µm³", "um-2": "µm⁻²", "um-3": "µm⁻³", "1": ""}
_BINARY_STEP = 1000


def number(value: object, digits: int = 3) -> str:
    """Return a count as it is and a measure with so many significant digits, an em dash for none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", _THIN)
    if isinstance(value, float) and math.isfinite(value):
        return number(round(value)) if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return str(value) if isinstance(value, str) and value else "—"


def share(value: object) -> str:
    """Return a number from 0 to 1 with three decimals, an em dash for none."""
    return f"{value:.3f}" if isinstance(value, int | float) else "—"


def size(count: int) -> str:
    """Return a number of bytes in decimal units, as disks and repositories count them."""
    amount, units = float(count), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while amount >= _BINARY_STEP and len(units) > 1:
        amount /= _BINARY_STEP
        units.pop(0)
    return f"{amount:.3g} {units[0]}"


def duration(seconds: float) -> str:
    """Return a length of time with its two largest units, an em dash for none."""
    if not math.isfinite(seconds):
        return "—"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def moment(utc: str) -> str:
    """Return an ISO 8601 time to the minute; other text is returned as it is."""
    return f"{utc[:10]} {utc[11:16]}" if len(utc) > 16 and utc[10] == "T" else utc


def unit(ucum: str) -> str:
    """Return a UCUM unit as it is printed, empty for a pure number."""
    return _UNITS.get(ucum, ucum)


def extent(counts: object) -> str:
    """Return numbers along z, y, x joined by a multiplication sign."""
    return " × ".join(number(count) for count in counts) if isinstance(counts, list | tuple) else number(counts)
