# SPDX-License-Identifier: Apache-2.0
"""What people say about a project: ``sidecrate.toml``, read, checked and written."""

from __future__ import annotations

import json
import re
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecrate.artifacts import Json, Person
from sidecrate.errors import InputError, ProjectError
from sidecrate.provenance import crate, environment, schemas

_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Funding:
    """Who paid: name of the funder, its ROR id, number of the award."""

    funder: str
    ror: str | None = None
    award: str | None = None


@dataclass(frozen=True)
class Member:
    """Somebody who belongs to a project.

    Attributes
    ----------
    name, given, family : str
        The full name, and its parts when they were given.
    orcid : str, optional
        Bare ORCID iD.
    role : {"author", "annotator", "curator", "contact"}
    affiliation, ror : str, optional
        Organization and its bare ROR id.
    """

    name: str
    given: str | None = None
    family: str | None = None
    orcid: str | None = None
    role: str = "author"
    affiliation: str | None = None
    ror: str | None = None


@dataclass(frozen=True)
class About:
    """What people say about a project when they start it; everything but the title may wait."""

    title: str
    description: str | None = None
    license: str | None = None
    keywords: tuple[str, ...] = ()
    people: tuple[Member, ...] = ()
    funding: tuple[Funding, ...] = field(default=())


def config_of(about: About) -> Json:
    """Return the content of ``sidecrate.toml`` for a new project, checked.

    Raises
    ------
    InputError
        A licence, ORCID iD or ROR id is wrong.
    """
    project: Json = {
        "title": about.title,
        "description": about.description,
        "license": about.license,
        "keywords": list(about.keywords),
        "identifier": f"urn:uuid:{uuid.uuid4()}",
        "created": datetime.now(UTC).date().isoformat(),
    }
    config: Json = {
        "project": _said(project),
        "people": [_said(vars(member)) for member in about.people],
        "funding": [_said(vars(funding)) for funding in about.funding],
    }
    check_config(config)
    return _said(config)


def _said(values: Mapping[str, Any]) -> Json:
    return {key: value for key, value in values.items() if value not in (None, "", [], ())}


def read_config(root: Path) -> Json:
    """Return the checked content of a project's ``sidecrate.toml``.

    Raises
    ------
    ProjectError
        Missing, not TOML, or something in it is wrong.
    """
    try:
        config = tomllib.loads((root / crate.CONFIG).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectError(f"{crate.CONFIG}: not readable ({error}); correct it") from error
    try:
        check_config(config)
    except InputError as error:
        raise ProjectError(f"{crate.CONFIG}: {error}") from error
    return config


def check_config(config: Mapping[str, Any]) -> None:
    """Check the content of a ``sidecrate.toml``: schema, licence, ORCID iDs, ROR ids.

    Raises
    ------
    InputError
        Something is wrong; the message says where and what would be right.
    """
    if found := schemas.problems("project", config):
        where, message = found[0]
        raise InputError(f"{where}: {message}")
    _check_lines(config)
    if variable := environment.variable_in(json.dumps(config, ensure_ascii=False)):
        raise InputError(f"it holds the value of the environment variable {variable}; take it out")
    if license_id := config["project"].get("license"):
        check_license(license_id)
    for entry in config.get("people", []):
        if orcid := entry.get("orcid"):
            check_orcid(orcid)


def _check_lines(config: Mapping[str, Any]) -> None:
    """Check that a title or a name is one line with something on it: it is printed, cited and sorted by."""
    entries = [("project", config["project"])]
    entries += [(f"{key}/{i}", entry) for key in ("people", "funding") for i, entry in enumerate(config.get(key, []))]
    for where, entry in entries:
        for key, value in entry.items():
            texts = value if isinstance(value, list) else [value]
            if key != "description" and any(not text.strip() or _CONTROL.search(text) for text in texts):
                raise InputError(f"/{where}/{key}: {value!r} is blank or holds control characters; write one line")


def check_license(spdx: str) -> None:
    """Check that a licence is a known SPDX identifier.

    Raises
    ------
    InputError
        It is not.
    """
    from license_expression import get_spdx_licensing

    try:
        errors = get_spdx_licensing().validate(spdx).errors
    except AttributeError:  # what the library raises when a part is missing, as in "MIT AND"
        errors = ["Invalid expression"]
    if errors:
        raise InputError(f"licence {spdx!r}: {errors[0]}; use an SPDX identifier such as CC-BY-4.0 or CC0-1.0")


def check_orcid(orcid: str) -> None:
    """Check an ORCID iD by its check digit (ISO 7064 MOD 11-2).

    Raises
    ------
    InputError
        A digit is wrong.
    """
    import idutils

    if not idutils.is_orcid(orcid):
        raise InputError(f"ORCID iD {orcid}: the check digit does not fit; compare it with orcid.org")


def to_toml(config: Mapping[str, Any]) -> str:
    """Return a project description as TOML; strings are written as JSON strings, which TOML reads the same."""
    lines = ["[project]", *(_toml_line(key, value) for key, value in config["project"].items())]
    for table in ("people", "funding"):
        for entry in config.get(table, []):
            lines += ["", f"[[{table}]]", *(_toml_line(key, value) for key, value in entry.items())]
    return "\n".join(lines) + "\n"


def _toml_line(key: str, value: object) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def first_person(config: Mapping[str, Any]) -> Person | None:
    """Return who works when nobody says otherwise: the first person named."""
    for entry in config.get("people", []):
        return Person(entry["name"], entry.get("orcid"))
    return None
