# SPDX-License-Identifier: Apache-2.0
"""Pictures of versions, put into a page as data, within a limit so that the page stays small.

An SVG goes into an ``img`` element: browsers run no script in it and load nothing for it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from sidecrate.artifacts import Artifact
from sidecrate.provenance.formats import media_type

LIMIT_BYTES = 1_600_000  # of all pictures of a page, before base64 makes them a third larger
_LARGEST_BYTES = 400_000
_SUFFIXES = (".svg", ".png")


@dataclass(frozen=True)
class Figure:
    """A picture: its path in the project, a caption, and its bytes as a data URI; None when it was too large."""

    path: str
    caption: str
    uri: str | None


class Album:
    """Takes pictures into a page until the limit is reached."""

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._left = limit

    def of(self, artifact: Artifact, names: Iterable[str]) -> list[Figure]:
        """Return the pictures among the files of a version; a file that is missing is left out."""
        wanted = [name for name in names if PurePosixPath(name).suffix in _SUFFIXES and ".ome.zarr/" not in name]
        return [figure for name in sorted(wanted) if (figure := self._figure(artifact, name))]

    def _figure(self, artifact: Artifact, name: str) -> Figure | None:
        path, caption = f"{artifact.place}/{name}", _caption(name)
        try:
            count = (artifact.path / name).stat().st_size
            if count > min(self._left, _LARGEST_BYTES):
                return Figure(path, caption, None)
            data = (artifact.path / name).read_bytes()
        except OSError:
            return None
        self._left -= count
        return Figure(path, caption, f"data:{media_type(name)};base64,{base64.b64encode(data).decode()}")


def _caption(name: str) -> str:
    """Return a file name as words; ``pore-z017`` is slice z 17 for the class pore."""
    words = re.sub(r"[_-]+", " ", PurePosixPath(name).stem).strip()
    words = re.sub(r"\b([zyx])0*(\d+)$", r"slice \1 \2", words)
    return words[:1].upper() + words[1:]
