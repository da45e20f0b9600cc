# SPDX-License-Identifier: Apache-2.0
"""Errors, by who can fix them, and the findings of an audit.

::

    SidecrateError            exit code
    ├── ProjectError      not a project, bad sidecrate.toml            3
    ├── InputError        a file, volume or label set is not usable    3
    ├── RecordError       schema, digest, already exists               3
    ├── MissingExtra      names the extra to install                   3
    ├── RepositoryError   the service refused (status, field, advice)  4
    └── NetworkError      no answer after retries; safe to repeat      5

A message is one line: what is wrong, where, and what to do next.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning", "advice"]


class SidecrateError(Exception):
    """Base of everything sidecrate raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 3


class ProjectError(SidecrateError):
    """The folder is not a project, or its `sidecrate.toml` is wrong."""


class InputError(SidecrateError):
    """A file, volume, label set, model or option cannot be used."""


class RecordError(SidecrateError):
    """A record or version is broken: schema, digest, or it exists already."""


class MissingExtra(SidecrateError):  # noqa: N818  (the name says what the user has to do)
    """An optional dependency is needed; the message names the extra to install."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}: install it with `pip install 'sidecrate[{extra}]'`")


class RepositoryError(SidecrateError):
    """The repository refused; repeating the same request will not help.

    Attributes
    ----------
    status : int or None
        HTTP status of the answer, where there was one.
    field : str or None
        What it was about, in the repository's own words: ``metadata.title``.
    """

    exit_code = 4

    def __init__(self, message: str, *, status: int | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.field = status, field


class NetworkError(SidecrateError):
    """No answer after retries; the command is safe to repeat."""

    exit_code = 5


@dataclass(frozen=True)
class Finding:
    """One thing an audit found.

    Attributes
    ----------
    severity : {"error", "warning", "advice"}
    code : str
        Stable, dotted, for machines: ``fixity.digest``, ``lineage.gap``.
    where : str
        Path, JSON pointer or record id, relative to the thing audited.
    message, advice : str
        What is wrong, and what to do next.
    """

    severity: Severity
    code: str
    where: str
    message: str
    advice: str

    def as_dict(self) -> dict[str, str]:
        """Return the finding as plain JSON data."""
        return asdict(self)
