# SPDX-License-Identifier: Apache-2.0
"""Small readers of JSON that drop what is wrong and say so; `metadata` is built of them.

A reader takes a value, the path where it stands and the list of errors, and returns the value to keep or `DROPPED`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from sidecrate.testing.inveniordm.identifiers import Errors, error

DROPPED: Any = object()
MISSING = "Missing data for required field."

Reader = Callable[[Any, str, Errors], Any]


def text(least: int = 0, most: int | None = None) -> Reader:
    """Return a reader of strings of a length."""

    def read(value: Any, path: str, errors: Errors) -> Any:
        if value is None:
            return _wrong(errors, path, "Field may not be null.")
        if not isinstance(value, str):
            return _wrong(errors, path, "Not a valid string.")
        if len(value.strip()) < least:
            return _wrong(errors, path, f"Shorter than minimum length {least}.")
        if most is not None and len(value) > most:
            return _wrong(errors, path, f"Longer than maximum length {most}.")
        return value.strip()

    return read


def edtf(value: Any, path: str, errors: Errors) -> Any:
    """Read an EDTF level 0 date or interval."""
    parts = str(value).split("/")
    if len(parts) > 2 or not all(_is_date(part) for part in parts) or parts != sorted(parts):
        return _wrong(errors, path, "Please provide a valid date or interval.")
    return value


def _is_date(value: str) -> bool:
    found = re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", value)
    try:
        return found is not None and bool(date(int(found[1]), int(found[2] or 1), int(found[3] or 1)))
    except ValueError:
        return False


def url(value: Any, path: str, errors: Errors) -> Any:
    """Read a web address."""
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https", "ftp") or not parts.netloc:
        return _wrong(errors, path, "Not a valid URL.")
    return value


def as_is(value: Any, path: str, errors: Errors) -> Any:
    """Read anything."""
    del path, errors
    return value


def html(value: Any, path: str, errors: Errors) -> Any:
    """Read HTML without what could run."""
    if not isinstance(value, str):
        return _wrong(errors, path, "Not a valid string.")
    cleaner = _Cleaner()
    cleaner.feed(value)
    cleaner.close()
    return "".join(cleaner.kept)


class _Cleaner(HTMLParser):
    """HTML with a few harmless tags; of other tags only the text stays."""

    tags = frozenset(
        (
            *("a", "abbr", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "i", "li", "ol", "p"),
            *("pre", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
        )
    )
    attributes = frozenset(("href", "title", "class", "target", "rel"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.tags:
            written = "".join(
                f' {name}="{escape(value or "")}"' for name, value in attrs if self._is_harmless(name, value)
            )
            self.kept.append(f"<{tag}{written}>")

    def _is_harmless(self, name: str, value: str | None) -> bool:
        return name in self.attributes and not (value or "").strip().lower().startswith("javascript:")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.tags and tag != "br":
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.kept.append(escape(data, quote=False))


def list_of(reader: Reader) -> Reader:
    """Return a reader of lists; items that are dropped leave no gap."""

    def read(value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, list):
            return _wrong(errors, path, "Not a valid list.")
        kept = [reader(item, f"{path}.{number}", errors) for number, item in enumerate(value)]
        return [item for item in kept if item is not DROPPED and item != {}]

    return read


def mapping(fields: Mapping[str, Reader], required: tuple[str, ...] = ()) -> Reader:
    """Return a reader of objects with these keys; unknown ones are errors."""

    def read(value: Any, path: str, errors: Errors) -> Any:
        if not isinstance(value, dict):
            return _wrong(errors, path, "Invalid input type.")
        kept = {}
        for name, reader in fields.items():
            where = f"{path}.{name}" if path else name
            if name in value:
                item = reader(value[name], where, errors)
                if item is not DROPPED:
                    kept[name] = item
            elif name in required:
                errors.append(error(where, MISSING))
        errors.extend(error(f"{path}.{name}", "Unknown field.") for name in value if name not in fields)
        return {name: item for name, item in kept.items() if item not in ([], {})}

    return read


def _wrong(errors: Errors, path: str, message: str) -> Any:
    errors.append(error(path, message))
    return DROPPED
