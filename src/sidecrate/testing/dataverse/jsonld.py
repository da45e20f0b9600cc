# SPDX-License-Identifier: Apache-2.0
"""The JSON-LD form of a dataset's metadata: flat, fields named by IRI; every fault is 400."""

from __future__ import annotations

import json
from typing import Any

from sidecrate.testing.dataverse import licences
from sidecrate.testing.dataverse.blocks import FieldType
from sidecrate.testing.dataverse.state import Field, Terms
from sidecrate.testing.messages import RefusalError

LICENCE = "http://schema.org/license"
CORE = "https://dataverse.org/schema/core#"

Types = dict[str, FieldType]


def read(body: bytes, types: Types) -> tuple[dict[str, Field], Terms]:
    """Return fields and terms of a JSON-LD body.

    Raises
    ------
    RefusalError
        400 with prose, whatever is wrong.
    """
    try:
        graph = json.loads(body)
    except ValueError as error:
        raise RefusalError(400, f"Error parsing JSON-LD: {error}") from error
    if not isinstance(graph, dict):
        raise RefusalError(400, "Error parsing JSON-LD: not an object")
    context = graph.get("@context")
    prefixes = context if isinstance(context, dict) else {}
    expanded = {_expand(key, prefixes): value for key, value in graph.items() if not key.startswith("@")}
    terms = Terms(
        licences.find(expanded.pop(LICENCE)) if LICENCE in expanded else None,
        expanded.pop(f"{CORE}termsOfUse", None),
        expanded.pop(f"{CORE}termsOfAccess", None),
        bool(expanded.pop(f"{CORE}fileRequestAccess", True)),
    )
    return _fields(expanded, types, prefixes), terms


def _expand(key: str, prefixes: dict[str, Any]) -> str:
    if key in prefixes and isinstance(prefixes[key], str):
        return str(prefixes[key])
    prefix, _, name = key.partition(":")
    return f"{prefixes[prefix]}{name}" if prefix in prefixes else key


def _fields(values: dict[str, Any], types: Types, prefixes: dict[str, Any]) -> dict[str, Field]:
    by_iri = {kind.iri: kind for kind in types.values()}
    found = {}
    for iri, value in values.items():
        if iri not in by_iri:
            raise RefusalError(400, f"Term not found: {iri}")
        kind = by_iri[iri]
        found[kind.name] = _field(kind, value, prefixes)
    return found


def _field(kind: FieldType, value: Any, prefixes: dict[str, Any]) -> Field:
    values = value if isinstance(value, list) else [value]
    if len(values) > 1 and not kind.is_multiple:
        raise RefusalError(400, f"Multiple values for single-valued field {kind.name}")
    kept = [_single(kind, one, prefixes) for one in values]
    whole = kept if kind.is_multiple else kept[0]
    return {"typeName": kind.name, "multiple": kind.is_multiple, "typeClass": kind.type_class, "value": whole}


def _single(kind: FieldType, value: Any, prefixes: dict[str, Any]) -> Any:
    if kind.children:
        if not isinstance(value, dict):
            raise RefusalError(400, f"An object is needed for {kind.name}")
        inside = {_expand(key, prefixes): one for key, one in value.items() if not key.startswith("@")}
        return _fields(inside, kind.children, prefixes)
    if isinstance(value, dict):
        value = value.get("@value", value.get("@id"))
    if not isinstance(value, str):
        raise RefusalError(400, f"A string is needed for {kind.name}")
    if kind.vocabulary and value not in kind.vocabulary:
        raise RefusalError(400, f"Invalid controlled vocabulary value {value} for {kind.name}")
    return value
