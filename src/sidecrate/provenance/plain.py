# SPDX-License-Identifier: Apache-2.0
"""The arguments of a step as a record holds them: plain JSON, for a stranger to read."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sidecrate.provenance import environment


def plain(value: Any, root: Path) -> Any:
    """Return a value as JSON data a stranger can read, without secrets and without paths of this machine."""
    if value is None or isinstance(value, bool | int | float):
        return value if value == value and value not in (float("inf"), float("-inf")) else str(value)
    if isinstance(value, str):
        return environment.scrub(value, root)
    if isinstance(value, Path):
        return _relative(value, root)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, root)
    if isinstance(value, Mapping):
        return {key: plain(item, root) for key, item in environment.withheld(value).items()}
    if isinstance(value, set | frozenset):
        return plain(sorted(value, key=str), root)
    if isinstance(value, list | tuple):
        return [plain(item, root) for item in value]
    if all(hasattr(value, name) for name in ("shape", "dtype", "tobytes", "item")):
        return _array(value) if value.shape else plain(value.item(), root)
    return environment.scrub(str(value), root)


def _array(value: Any) -> dict[str, Any]:
    """Return an array in memory as shape, type and digest, without its library."""
    digest = f"sha256:{hashlib.sha256(value.tobytes()).hexdigest()}"
    return {"shape": [int(n) for n in value.shape], "dtype": str(value.dtype), "digest": digest}


def _relative(path: Path, root: Path) -> str:
    try:
        resolved = path.expanduser().resolve()
    except (OSError, RuntimeError):  # links that lead in a circle, a user nobody knows
        return path.name
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else path.name
