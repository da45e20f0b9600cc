# SPDX-License-Identifier: Apache-2.0
"""What all foreign formats share: the arrays their libraries give, units of length, and how their failures look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np

from sidecrate.errors import InputError, MissingExtra, SidecrateError

Voxel: TypeAlias = tuple[float, float, float]

_METRES = {"": 1e9, "kilo": 1e12, "deci": 1e8, "centi": 1e7, "milli": 1e6, "micro": 1e3, "nano": 1.0, "pico": 1e-3}
_SYMBOLS = {"m": 1e9, "cm": 1e7, "mm": 1e6, "um": 1e3, "µm": 1e3, "μm": 1e3, "nm": 1.0, "pm": 1e-3, "å": 0.1}
_NAMES = {"micron": 1e3, "microns": 1e3, "angstrom": 0.1, "inch": 25.4e6, r"\u00b5m": 1e3}  # the last is ImageJ's
_NM_PER = _SYMBOLS | _NAMES | {f"{p}{metre}": nm for p, nm in _METRES.items() for metre in ("meter", "metre")}


class ArrayLike(Protocol):
    """What every library's array offers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the number of voxels along each axis."""

    @property
    def dtype(self) -> Any:
        """Return the numpy type of a voxel."""

    def __getitem__(self, region: Any, /) -> Any:
        """Return the voxels of a region."""


def nanometres(sizes: Sequence[Any], units: Sequence[str | None]) -> Voxel | None:
    """Return three sizes in nanometres, or None if one is not a length: no unit, zero, not finite."""
    found = []
    for size, unit in zip(sizes, units, strict=True):
        factor = _NM_PER.get((unit or "").lower())
        if factor is None or not 0 < float(size) < np.inf:
            return None
        found.append(float(f"{float(size) * factor:.9g}"))  # 0.03 µm is 30 nm, not 29.999999999999996
    z, y, x = found
    return z, y, x


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn whatever a library raises on damaged, truncated or hostile bytes into an error that names the file.

    Raises
    ------
    InputError
        Anything went wrong.
    MissingExtra
        The compression needs a library that is not installed.
    """
    try:
        yield
    except SidecrateError:
        raise
    except Exception as error:  # each library has its own ways to fail, none documented
        reason = " ".join(str(error).split())[:200]
        if "imagecodecs" in reason:
            raise MissingExtra("imagecodecs", "formats", f"the compression of {what}") from error
        detail = f"{type(error).__name__}: {reason}"
        raise InputError(f"{what}: cannot be read, damaged or cut short? ({detail}); get the file again") from error
