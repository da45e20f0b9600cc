# SPDX-License-Identifier: Apache-2.0
"""A table of routes: method and path pattern → function."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from sidecrate.testing.messages import Answer, RefusalError, Request


@dataclass(frozen=True)
class Route:
    """One line of the table.

    Attributes
    ----------
    method : str
    pattern : str
        ``/records/{id}/draft``; ``{key:path}`` also takes slashes.
    function : callable
        Called with (server, request), returns the answer or raises `RefusalError`.
    since : tuple of int
        First release of the server that has it.
    is_exclusive : bool
        Two of these at a time on one object collide.
    """

    method: str
    pattern: str
    function: Callable[[Any, Request], Answer]
    since: tuple[int, ...] = (0,)
    is_exclusive: bool = False

    def match(self, path: str) -> dict[str, str] | None:
        """Return the decoded parameters of a path, None when it is another one."""
        found = _expression(self.pattern).fullmatch(path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    pieces = []
    for piece in re.split(r"(\{[^}]+\})", pattern):
        name, _, kind = piece.strip("{}").partition(":")
        accepted = ".+" if kind == "path" else "[^/]+"
        pieces.append(f"(?P<{name}>{accepted})" if piece.startswith("{") else re.escape(piece))
    return re.compile("".join(pieces))


def find(routes: Sequence[Route], method: str, path: str, version: tuple[int, ...]) -> tuple[Route, dict[str, str]]:
    """Return the first route for a request and the parameters in its path.

    Raises
    ------
    RefusalError
        404 for a path nobody serves, 405 for a method that path does not take.
    """
    is_known = False
    for route in routes:
        if route.since > version or (params := route.match(path)) is None:
            continue
        if route.method == method:
            return route, params
        is_known = True
    raise RefusalError(405, "Method Not Allowed") if is_known else RefusalError(404, "Not Found")
