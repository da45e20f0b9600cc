# SPDX-License-Identifier: Apache-2.0
"""The JSON Schemas (draft 2020-12) of `schemas/`, found in a wheel and in an editable install alike."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidecrate.errors import RecordError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_SUFFIX = ".schema.json"


def folder() -> Path:
    """Return the folder the schemas lie in: inside the installed package, else in the repository."""
    inside = Path(str(files("sidecrate"))) / "schemas"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "schemas"


def names() -> list[str]:
    """Return the names of all schemas: ``record``, ``train`` and so on."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in folder().glob(f"*{_SUFFIX}"))


@cache
def load(name: str) -> dict[str, Any]:
    """Return one schema as plain data."""
    found: dict[str, Any] = json.loads((folder() / f"{name}{_SUFFIX}").read_text(encoding="utf-8"))
    return found


@cache
def _validator(name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load(name))


def problems(name: str, value: object) -> list[tuple[str, str]]:
    """Return (JSON pointer, message) of everything in `value` that breaks a schema, in document order."""
    errors = sorted(_validator(name).iter_errors(value), key=lambda error: [str(part) for part in error.path])
    return [("/" + "/".join(str(part) for part in error.path), error.message) for error in errors]


def check(name: str, value: object, what: str) -> None:
    """Check a value against a schema.

    Raises
    ------
    RecordError
        It does not fit; the message names the first place and how many there are.
    """
    if found := problems(name, value):
        where, message = found[0]
        raise RecordError(f"{what}: {message} at {where} ({len(found)} problems against schema {name!r})")
