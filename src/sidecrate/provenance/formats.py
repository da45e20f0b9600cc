# SPDX-License-Identifier: Apache-2.0
"""Media types of the files sidecrate writes, with the page that defines each format (PRONOM where it has one)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

_PRONOM = "https://www.nationalarchives.gov.uk/PRONOM/"

# suffix: media type, name of the format, where it is defined
_FORMATS: dict[str, tuple[str, str, str]] = {
    ".csv": ("text/csv", "Comma Separated Values", _PRONOM + "x-fmt/18"),
    ".html": ("text/html", "Hypertext Markup Language 5", _PRONOM + "fmt/471"),
    ".json": ("application/json", "JSON Data Interchange Format", _PRONOM + "fmt/817"),
    ".md": ("text/markdown", "Markdown", _PRONOM + "fmt/1149"),
    ".png": ("image/png", "Portable Network Graphics 1.2", _PRONOM + "fmt/13"),
    ".svg": ("image/svg+xml", "Scalable Vector Graphics 1.1", _PRONOM + "fmt/92"),
    ".txt": ("text/plain", "Plain Text File", _PRONOM + "x-fmt/111"),
    ".toml": ("application/toml", "TOML 1.0", "https://toml.io/en/v1.0.0"),
    ".safetensors": ("application/octet-stream", "safetensors", "https://huggingface.co/docs/safetensors"),
    ".bib": ("text/x-bibtex", "BibTeX", _PRONOM + "fmt/1516"),
    ".cff": ("application/yaml", "Citation File Format 1.2", "https://doi.org/10.5281/zenodo.5171937"),
}


def media_type(name: str) -> str:
    """Return the media type for a file name."""
    return _FORMATS.get(PurePosixPath(name).suffix, ("application/octet-stream",))[0]


def encoding(name: str) -> tuple[Any, dict[str, Any] | None]:
    """Return the ``encodingFormat`` value for a file name and the entity of its format, if it has one."""
    known = _FORMATS.get(PurePosixPath(name).suffix)
    if known is None:
        return "application/octet-stream", None
    media, title, page = known
    return [media, {"@id": page}], {"@id": page, "@type": "WebSite", "name": title}
