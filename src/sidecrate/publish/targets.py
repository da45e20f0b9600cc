# SPDX-License-Identifier: Apache-2.0
"""Where to deposit, by name: the ``[repositories.NAME]`` tables of the user's configuration and of a project.

::

    [repositories.sandbox]
    type = "inveniordm"
    url = "https://sandbox.zenodo.org"

The user's own table wins over one of the same name in a project. Neither holds a token.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from sidecrate.errors import InputError
from sidecrate.provenance import schemas

_OWN = ("type", "url", "path")


@dataclass(frozen=True)
class Target:
    """One place to deposit.

    Attributes
    ----------
    scheme : str
        Name of the plug-in: ``ocfl``, ``inveniordm``, ``dataverse``.
    location : str
        Address of the server, or a folder.
    options : mapping
        What else the table says: ``collection``, ``community``, limits.
    name : str or None
        Name of the table, None for ``scheme:location``.
    """

    scheme: str
    location: str
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    def __str__(self) -> str:
        return self.name or f"{self.scheme}:{self.location}"


def config_path() -> Path:
    """Return the user's configuration file; it need not exist."""
    return user_config_path("sidecrate") / "config.toml"


def tables(project: Mapping[str, Any] | None = None) -> dict[str, Mapping[str, Any]]:
    """Return name → table of every repository that is configured; the user's own win.

    Raises
    ------
    InputError
        The user's configuration is broken.
    """
    return {**(project or {}).get("repositories", {}), **_user_tables()}


def _user_tables() -> Mapping[str, Mapping[str, Any]]:
    path = config_path()
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path.name} of your configuration: not readable ({error}); correct it") from error
    if found := schemas.problems("config", config):
        where, message = found[0]
        raise InputError(f"{path.name} of your configuration: {where}: {message}")
    repositories: Mapping[str, Mapping[str, Any]] = config.get("repositories", {})
    return repositories


def target(to: str, project: Mapping[str, Any] | None = None) -> Target:
    """Return the place that ``--to`` names: a configured name, or ``scheme:location``.

    Parameters
    ----------
    to : str
    project : mapping, optional
        The parsed ``sidecrate.toml``.

    Raises
    ------
    InputError
        Nothing of that name is configured; the message lists what is.
    """
    scheme, colon, location = to.partition(":")
    if colon and location and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        return Target(scheme, location)
    known = tables(project)
    if to not in known:
        there = ", ".join(sorted(known)) or "none yet"
        advice = "write one of them or SCHEME:LOCATION (ocfl:…, inveniordm:…), or add a [repositories.NAME] table"
        raise InputError(f"{to!r}: no such repository is configured (there is: {there}); {advice}")
    table = known[to]
    options = {key: value for key, value in table.items() if key not in _OWN}
    return Target(table["type"], table.get("url") or table["path"], options, to)


def resolved(to: str, project: Mapping[str, Any], root: Path) -> Target:
    """Return what `target` does, with a relative folder in a table of the project taken from the project's own."""
    found = target(to, project)
    is_theirs = found.name is not None and found.name not in _user_tables()
    if is_theirs and "path" in tables(project)[found.name]:  # type: ignore[index]
        return replace(found, location=str(root / Path(found.location).expanduser()))
    return found
