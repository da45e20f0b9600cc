# SPDX-License-Identifier: Apache-2.0
"""The licences an installation offers, and the terms a request asks for."""

from __future__ import annotations

from typing import Any

from sidecrate.testing.dataverse.state import Terms
from sidecrate.testing.messages import RefusalError

_CC = "http://creativecommons.org"
_OFFERED = (
    ("CC0 1.0", f"{_CC}/publicdomain/zero/1.0"),
    ("CC BY 4.0", f"{_CC}/licenses/by/4.0"),
    ("CC BY-SA 4.0", f"{_CC}/licenses/by-sa/4.0"),
    ("CC BY-NC 4.0", f"{_CC}/licenses/by-nc/4.0"),
    ("MIT License", "https://opensource.org/licenses/MIT"),
    ("Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
)
LICENCES: list[dict[str, Any]] = [
    {
        "id": number,
        "name": name,
        "shortDescription": name,
        "uri": uri,
        "active": True,
        "isDefault": number == 1,
        "sortOrder": number - 1,
    }
    for number, (name, uri) in enumerate(_OFFERED, 1)
]


def find(given: Any) -> dict[str, Any]:
    """Return the licence a name, a URI, or an object of both means; the URI is tried first.

    Raises
    ------
    RefusalError
        400 when the installation offers none such.
    """
    words = [given.get("uri"), given.get("name")] if isinstance(given, dict) else [given]
    for key in ("uri", "name"):
        for licence in LICENCES:
            if licence[key] in words and licence["active"]:
                return licence
    raise RefusalError(400, f"Error parsing Json: Invalid or inactive license: {given}")


def terms(version: dict[str, Any]) -> Terms:
    """Return the terms in a ``datasetVersion``; with a licence, own terms are dropped without a word."""
    licence = find(version["license"]) if version.get("license") else None
    use = None if licence else version.get("termsOfUse")
    return Terms(licence, use, version.get("termsOfAccess"), bool(version.get("fileAccessRequest", False)))
