# SPDX-License-Identifier: Apache-2.0
"""Reading a dataset's metadata from JSON: what is taken, dropped without a word, refused (400), or a crash (500)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sidecrate.testing.dataverse.blocks import FieldType
from sidecrate.testing.dataverse.envelope import UncheckedError
from sidecrate.testing.dataverse.state import Field
from sidecrate.testing.messages import RefusalError

Types = dict[str, FieldType]


def bad_json(what: str) -> RefusalError:
    """Return the refusal of a body that is JSON and yet wrong."""
    return RefusalError(400, f"Error parsing Json: {what}")


def fields_of_blocks(blocks: Any, types: Types) -> dict[str, Field]:
    """Return name → field of a ``metadataBlocks`` object; the names of the blocks do not count.

    Raises
    ------
    RefusalError
        400 for what contradicts the block, 500 where Dataverse does not look before it reads.
    """
    if not isinstance(blocks, dict):
        raise UncheckedError("NullPointerException")
    found: dict[str, Field] = {}
    for block in blocks.values():
        found.update(fields_of(_need(block, "fields", list), types))
    return found


def fields_of(items: Iterable[Any], types: Types, is_lenient: bool = False) -> dict[str, Field]:
    """Return name → field of a list of FIELDs; one without a value left is dropped.

    Parameters
    ----------
    items : iterable
    types : dict of str to FieldType
    is_lenient : bool
        ``typeClass`` and ``multiple`` may be missing, as in ``editMetadata``.
    """
    found = {}
    for item in items:
        parsed = _field(item, types, is_lenient)
        if parsed is not None:
            found[str(parsed["typeName"])] = parsed
    return found


def _field(item: Any, types: Types, is_lenient: bool) -> Field | None:
    if not isinstance(item, dict):
        raise UncheckedError("ClassCastException")
    kind = types.get(str(item.get("typeName", "")))
    if kind is None:
        return None  # accepted and silently dropped
    if is_lenient:
        item = {"multiple": kind.is_multiple, "typeClass": kind.type_class, **item}
    if _need(item, "multiple", bool) != kind.is_multiple:
        raise bad_json(f"incorrect multiple for field {kind.name}")
    if _need(item, "typeClass", str) != kind.type_class:
        raise bad_json(f"incorrect typeClass for field {kind.name}, should be {kind.type_class}")
    value = _value(item.get("value"), kind, types, is_lenient)
    if value in ("", [], {}):
        return None
    return {"typeName": kind.name, "multiple": kind.is_multiple, "typeClass": kind.type_class, "value": value}


def _value(value: Any, kind: FieldType, types: Types, is_lenient: bool) -> Any:
    if value is None:
        raise UncheckedError("NullPointerException")
    if isinstance(value, list) != kind.is_multiple:
        wanted = "an array of values" if kind.is_multiple else "a single value"
        raise bad_json(f"Invalid values submitted for {kind.name}. It should be {wanted}.")
    if not kind.is_multiple:
        return _single(value, kind, types, is_lenient)
    values = [_single(one, kind, types, is_lenient) for one in value]
    kept = [one for one in values if one not in ("", {})]
    if kind.vocabulary:
        kept = list(dict.fromkeys(kept))
    return kept


def _single(value: Any, kind: FieldType, types: Types, is_lenient: bool) -> Any:
    if kind.children:
        return _compound(value, kind, types, is_lenient)
    if not isinstance(value, str):
        raise UncheckedError("ClassCastException")
    value = value.strip()
    if kind.vocabulary and value not in kind.vocabulary:
        raise bad_json(f"Value '{value}' does not exist in type '{kind.name}'")
    return value


def _compound(value: Any, kind: FieldType, types: Types, is_lenient: bool) -> dict[str, Field]:
    if not isinstance(value, dict):
        raise UncheckedError("ClassCastException")
    children = {}
    for item in value.values():
        if isinstance(item, dict) and item.get("typeName") in types and item["typeName"] not in kind.children:
            raise bad_json(f"field {item['typeName']} is not a valid child of {kind.name}")
        try:
            child = _field(item, kind.children, is_lenient)
        except RefusalError as refusal:
            if "does not exist in type" not in refusal.message:
                raise
            raise bad_json("Invalid controlled vocabulary in compound field ") from refusal
        if child is not None:
            children[str(child["typeName"])] = child
    return children


def _need(item: Any, key: str, kind: type) -> Any:
    """Return a value Dataverse takes for granted; without it, it crashes."""
    if not isinstance(item, dict) or not isinstance(item.get(key), kind):
        raise UncheckedError("NullPointerException")
    return item[key]
