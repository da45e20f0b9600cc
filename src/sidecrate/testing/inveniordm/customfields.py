# SPDX-License-Identifier: Apache-2.0
"""Custom fields: only those an instance has set up, and nothing is turned from text into numbers or back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidecrate.testing.inveniordm.identifiers import Errors, error

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "keyword": ((str,), "Not a valid string."),
    "text": ((str,), "Not a valid string."),
    "integer": ((int,), "Not a valid integer."),
    "double": ((int, float), "Not a valid number."),
    "boolean": ((bool,), "Not a valid boolean."),
}


def read(given: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[dict[str, Any], Errors]:
    """Return the fields that are kept, and what is wrong with what was given."""
    kept: dict[str, Any] = {}
    errors: Errors = []
    for name, value in given.items():
        path = f"custom_fields.{name}"
        if name not in kinds:
            errors.append(error(path, "Unknown field."))
        elif kinds[name].endswith("*"):
            read_one = [_read(item, kinds[name][:-1], f"{path}.{n}", errors) for n, item in enumerate(value)]
            kept[name] = [item for item in read_one if item is not None]
        elif (one := _read(value, kinds[name], path, errors)) is not None:
            kept[name] = one
    return kept, errors


def _read(value: Any, kind: str, path: str, errors: Errors) -> Any:
    types, message = _TYPES[kind]
    is_fit = isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))
    if not is_fit:
        errors.append(error(path, message))
        return None
    return float(value) if kind == "double" else value
