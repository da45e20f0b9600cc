# SPDX-License-Identifier: Apache-2.0
"""The ``jsonData`` of a file: what is taken of it, and what breaks it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from sidecrate.testing.dataverse.envelope import UncheckedError
from sidecrate.testing.dataverse.server import HASHES
from sidecrate.testing.messages import RefusalError


@dataclass(frozen=True)
class FileParams:
    """What a client says about a file.

    Attributes
    ----------
    description, directory, label, categories, tags, is_restricted, is_ingest_wanted, provenance
        None where nothing was said.
    storage_id, name, media_type, checksum
        Of a file that was uploaded directly; `checksum` is (algorithm, hex).
    replaces, is_forced
        Of a replacement.
    """

    description: str | None = None
    directory: str | None = None
    label: str | None = None
    categories: list[str] | None = None
    tags: list[str] | None = None
    is_restricted: bool | None = None
    is_ingest_wanted: bool = True
    provenance: str | None = None
    storage_id: str | None = None
    name: str | None = None
    media_type: str | None = None
    checksum: tuple[str, str] | None = None
    replaces: int | None = None
    is_forced: bool = False


def read(text: str | None, is_ingest_settable: bool = True) -> FileParams:
    """Return the params of a ``jsonData`` part; unknown keys are ignored.

    Parameters
    ----------
    text : str or None
        None when the part is missing.
    is_ingest_settable : bool
        Whether the release knows ``tabIngest`` (5.11).

    Raises
    ------
    RefusalError
        400 for broken JSON, 500 for an algorithm that is not spelled exactly.
    """
    if text is None or not text.strip():
        return FileParams()
    try:
        given = json.loads(text)
        if not isinstance(given, dict):
            raise ValueError("not an object")
        params = of_object(given)
    except ValueError as error:
        raise RefusalError(400, f"Error: failed to parse the JSON data in 'jsonData': {error}") from error
    return params if is_ingest_settable else replace(params, is_ingest_wanted=True)


def of_object(given: dict[str, Any]) -> FileParams:
    """Return the params of an object.

    Raises
    ------
    ValueError
        A value is of the wrong kind.
    UncheckedError
        ``@type`` names no algorithm.
    """
    replaced = given.get("fileToReplaceId")
    if replaced is not None and not isinstance(replaced, int):
        raise ValueError("fileToReplaceId is not a number")
    return FileParams(
        _string(given, "description"),
        _string(given, "directoryLabel"),
        _string(given, "label"),
        _strings(given.get("categories")),
        _strings(given.get("dataFileTags")),
        _flag(given.get("restrict")),
        _flag(given.get("tabIngest")) is not False,
        _string(given, "provFreeForm"),
        _string(given, "storageIdentifier"),
        _string(given, "fileName"),
        _string(given, "mimeType"),
        checksum(given),
        replaced,
        _flag(given.get("forceReplace")) is True,
    )


def checksum(given: dict[str, Any]) -> tuple[str, str] | None:
    """Return (algorithm, hex) of ``checksum`` or ``md5Hash``."""
    if given.get("md5Hash"):
        return "MD5", str(given["md5Hash"])
    claimed = given.get("checksum")
    if not isinstance(claimed, dict) or not claimed.get("@value"):
        return None
    if claimed.get("@type") not in HASHES:
        raise UncheckedError(f"Unknown ChecksumType {claimed.get('@type')}")
    return str(claimed["@type"]), str(claimed["@value"])


def _string(given: dict[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} is not a string")
    return value


def _strings(value: Any) -> list[str] | None:
    """Return a list of strings; ``{"name": …}`` counts as one."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError("not a list")
    return [str(item["name"]) if isinstance(item, dict) else str(item) for item in value]


def _flag(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise ValueError(f"{value!r} is neither true nor false")
