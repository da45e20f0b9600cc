# SPDX-License-Identifier: Apache-2.0
"""Validating metadata that has been read: required fields, dates, e-mail addresses, URLs; all faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sidecrate.testing.dataverse.blocks import FieldType
from sidecrate.testing.dataverse.state import Field
from sidecrate.testing.messages import RefusalError

Block = dict[str, FieldType]


def check(fields: dict[str, Field], block: Block, required: tuple[str, ...] = ()) -> None:
    """Refuse metadata that is not valid.

    Raises
    ------
    RefusalError
        403, with every fault in one sentence.
    """
    if faults := list(find_faults(fields, block, required)):
        raise RefusalError(403, f"Validation Failed: {', '.join(faults)}.")


def find_faults(fields: dict[str, Field], block: Block, required: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield what is wrong, in the order of the block."""
    for kind in block.values():
        field = fields.get(kind.name)
        if field is None:
            yield from (_missing(one) for one in (kind, *kind.children.values()) if _is_required(one, required))
        for value in _values(field):
            yield from _compound_faults(value, kind, required) if kind.children else _value_faults(value, kind)


def _is_required(kind: FieldType, required: tuple[str, ...]) -> bool:
    return kind.is_required or kind.name in required


def _values(field: Field | None) -> list[Any]:
    if field is None:
        return []
    return field["value"] if field["multiple"] else [field["value"]]


def _compound_faults(value: dict[str, Field], kind: FieldType, required: tuple[str, ...]) -> Iterator[str]:
    for name, child in kind.children.items():
        if name in value:
            yield from _value_faults(value[name]["value"], child)
        elif child.is_required_with_siblings or _is_required(child, required):
            yield _missing(child)


def _missing(kind: FieldType) -> str:
    return f"{kind.title} is required. (Invalid value:edu.harvard.iq.dataverse.DatasetField[ id=null ])"


def _value_faults(value: Any, kind: FieldType) -> Iterator[str]:
    wrong = {
        "date": 'is not a valid date. "yyyy" is a supported format.',
        "email": "is not a valid email address.",
        "url": "is not a valid URL.",
    }
    if kind.kind in wrong and not _IS_VALID[kind.kind](value):
        shown = "(Invalid value:edu.harvard.iq.dataverse.DatasetFieldValue[ id=null ])"
        yield f"{kind.title} {value} {wrong[kind.kind]} {shown}"


def is_date(text: str) -> bool:
    """Return whether it is a year, a month or a day."""
    found = re.fullmatch(r"\d{4}(?:-(\d\d)(?:-(\d\d))?)?", text)
    return found is not None and 1 <= int(found[1] or 1) <= 12 and 1 <= int(found[2] or 1) <= 31


def is_email(text: str) -> bool:
    """Return whether it looks like an address with a dotted host."""
    return re.fullmatch(r"[^@\s]+@[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}", text) is not None


def is_url(text: str) -> bool:
    """Return whether it is http(s) or ftp with a dotted host: no ``localhost``."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in ("http", "https", "ftp") and re.fullmatch(r"[\w-]+(\.[\w-]+)+", host) is not None


_IS_VALID = {"date": is_date, "email": is_email, "url": is_url}
