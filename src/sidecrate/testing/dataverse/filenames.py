# SPDX-License-Identifier: Apache-2.0
"""Names, folders and types of files: the rules, and the renaming that nobody asked for."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from sidecrate.testing.messages import RefusalError

RO_CRATE = (
    'application/ld+json; profile="http://www.w3.org/ns/json-ld#flattened http://www.w3.org/ns/json-ld#compacted'
    ' https://w3id.org/ro/crate"'
)
OCTETS = "application/octet-stream"
_TYPES = {
    ".eln": "application/vnd.eln+zip",
    ".tab": "text/tab-separated-values",
    ".md": "text/markdown",
    ".cff": "text/plain",
    ".pt": OCTETS,
    ".npz": OCTETS,
}
TABULAR = {
    ".csv": "text/csv",
    ".tsv": "text/tsv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".dta": "application/x-stata",
    ".sav": "application/x-spss-sav",
    ".por": "application/x-spss-por",
    ".rdata": "application/x-rlang-transport",
}


def check_label(label: str) -> None:
    """Refuse a name with characters that Dataverse keeps out.

    Raises
    ------
    RefusalError
        400, vague as the real one.
    """
    if not label or re.search(r'[:<>;#/"*|?\\]', label):
        raise RefusalError(400, 'File Name cannot contain any of the following characters: / : * ? " < > | ; # .')


def clean_directory(directory: str) -> str:
    r"""Return a folder without slashes around it.

    Raises
    ------
    RefusalError
        400 for characters other than letters, digits, ``_ . / \ -`` and blank.
    """
    directory = directory.replace("\\", "/").strip("/ ")
    if not re.fullmatch(r"[\w ./-]*", directory, re.ASCII):
        raise RefusalError(
            400,
            "Directory Name cannot contain invalid characters. Valid characters are a-Z, 0-9, '_', '-', '.', '\\', '/' "
            "and ' ' (white space).",
        )
    return re.sub("/+", "/", directory)


def unzipped_directory(directory: str) -> str:
    """Return the folder of a zip's member: what may not be in it becomes a dot."""
    return re.sub(r"[^A-Za-z0-9_ ./-]", ".", directory).strip("/")


def free_label(label: str, directory: str, taken: Iterable[str]) -> str:
    """Return the name, or ``x-1.ext``, ``x-2.ext`` … when the folder has it already."""
    paths = set(taken)
    stem, suffix = PurePosixPath(label).stem, PurePosixPath(label).suffix
    name, number = label, 0
    while (f"{directory}/{name}" if directory else name) in paths:
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name


def content_type(name: str, given: str | None) -> str:
    """Return the type Dataverse settles on."""
    if name == "ro-crate-metadata.json":
        return RO_CRATE
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in TABULAR:
        return TABULAR[suffix]
    if given and given.partition(";")[0].strip().lower() != OCTETS:
        return given
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or OCTETS


def is_zip(name: str, given: str | None) -> bool:
    """Return whether it is unpacked on arrival: by its name or by what the client says it is."""
    return name.lower().endswith(".zip") or (given or "").partition(";")[0].strip().lower() == "application/zip"


def is_tabular(name: str, kind: str) -> bool:
    """Return whether it is ingested."""
    return PurePosixPath(name).suffix.lower() in TABULAR or kind.partition(";")[0] in TABULAR.values()
