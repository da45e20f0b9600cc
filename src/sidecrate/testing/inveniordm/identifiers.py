# SPDX-License-Identifier: Apache-2.0
"""Identifiers and their schemes, as InvenioRDM detects and shortens them (it uses idutils, and so does this)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import idutils

WORKS = frozenset(
    (
        *("ark", "arxiv", "ads", "crossreffunderid", "cstr", "doi", "ean13", "eissn", "grid", "handle", "igsn", "isbn"),
        *("isni", "issn", "istc", "lissn", "lsid", "pmid", "purl", "rrid", "upc", "url", "urn", "wikidata", "w3id"),
        "other",
    )
)
PEOPLE = frozenset(("orcid", "isni", "gnd"))
ORGANISATIONS = frozenset(("isni", "gnd", "ror"))

Errors = list[dict[str, Any]]


def error(field: str, *messages: str) -> dict[str, Any]:
    """Return one entry of an ``errors`` list."""
    return {"field": field, "messages": list(messages)}


def read(item: dict[str, Any], path: str, allowed: Collection[str], errors: Errors) -> dict[str, Any]:
    """Return an identifier with its scheme; what is wrong with it goes into `errors`, and it stays as it was.

    Parameters
    ----------
    item : dict
        ``identifier``, and ``scheme`` or not.
    path : str
        Where it stands, for the errors.
    allowed : collection of str
        Schemes this place takes.
    errors : list
    """
    value, scheme = str(item.get("identifier", "")).strip(), item.get("scheme")
    if not value:
        errors.append(error(f"{path}.identifier", "Missing data for required field."))
        return item
    if scheme is None:
        scheme = next((one for one in idutils.detect_identifier_schemes(value) if one in allowed), None)
        if scheme is None:
            errors.append(error(f"{path}.scheme", "No valid scheme recognized for identifier."))
            return item
    elif scheme not in allowed:
        errors.append(error(f"{path}.scheme", "Invalid scheme."))
        return item
    elif not is_valid(value, scheme):
        errors.append(error(f"{path}.identifier", f"Invalid {scheme.upper()} identifier."))
        return item
    return {**item, "identifier": shortened(value, scheme), "scheme": scheme}


def is_valid(value: str, scheme: str) -> bool:
    """Return whether a value is an identifier of a scheme."""
    if scheme == "other":
        return True
    return scheme in idutils.detect_identifier_schemes(value) or _is_known(value, scheme)


def _is_known(value: str, scheme: str) -> bool:
    test = getattr(idutils, f"is_{scheme}", None)
    return bool(test and test(value))


def shortened(value: str, scheme: str) -> str:
    """Return an identifier without the address in front of it."""
    if scheme in ("url", "other"):
        return value
    if scheme == "ror":
        return re.sub(r"^(https?://)?ror\.org/", "", value)
    return str(idutils.normalize_pid(value, scheme))
