# SPDX-License-Identifier: Apache-2.0
"""What a deposit has to remember until it is complete, in a small file that survives the process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sidecrate.digests import canonical_json, write_atomic
from sidecrate.errors import RepositoryError
from sidecrate.store import try_lock


class Memory:
    """Facts by name, on disk after each change.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: dict[str, Any] = {}
        try:
            found = json.loads(path.read_bytes())
            self._facts = found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            pass  # none yet, or unusable: the server is looked at all the same, it only takes longer

    def get(self, name: str, default: Any = None) -> Any:
        """Return a fact."""
        return self._facts.get(name, default)

    def set(self, **facts: Any) -> None:
        """Remember facts; None forgets one."""
        self._facts = {name: value for name, value in {**self._facts, **facts}.items() if value is not None}
        write_atomic(self._path, canonical_json(self._facts), 0o600)  # addresses in it may be as good as a key

    def file(self, name: str) -> dict[str, Any]:
        """Return what is known about a file that is being sent."""
        known: dict[str, Any] = self._facts.get("files", {}).get(name, {})
        return known

    def set_file(self, name: str, facts: dict[str, Any] | None) -> None:
        """Remember, or forget, all about a file that is being sent."""
        files = {**self._facts.get("files", {}), name: facts}
        self.set(files={key: value for key, value in files.items() if value is not None})


@contextmanager
def remembered(folder: Path, *key: str) -> Iterator[Memory]:
    """Open the memory of one piece of work, for one process at a time.

    Parameters
    ----------
    folder : Path
    *key : str
        What the work is: the server, the project.

    Raises
    ------
    RepositoryError
        Another process is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256("\n".join(key).encode()).hexdigest()[:24]
    with (folder / f"{name}.lock").open("wb") as lock:
        if not try_lock(lock):
            raise RepositoryError(f"{key[0]}: another process is depositing there; wait for it to end")
        yield Memory(folder / f"{name}.json")
