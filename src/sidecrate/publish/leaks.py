# SPDX-License-Identifier: Apache-2.0
"""What must not leave this machine: secrets, its paths, and the names of its user and host."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sidecrate.errors import Finding
from sidecrate.provenance.environment import home, secrets

_TEXT = re.compile(
    r"\.(json|jsonld|toml|md|html|csv|tsv|txt|cff|svg|xml|yaml|yml|bib|log|ini|cfg|py|sh|ttl|z(attrs|array|group|metadata))",
    re.IGNORECASE,
)
# The same on every machine, so that they say nothing about this one.
_SYSTEM = {"bin", "boot", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys", "usr"}
_GENERIC = {"admin", "docker", "localhost", "root", "runner", "ubuntu", "user"}
_HEADER_LIMIT = 100 << 20


class Leaks:
    """What to look for in the files of one package.

    Parameters
    ----------
    root : Path
        The project folder.
    project : mapping
        Metadata the project gives of itself; a user or host name that is in it is there on purpose.
    """

    def __init__(self, root: Path, project: Mapping[str, Any]) -> None:
        self._secrets = [secret.encode() for secret in secrets()]
        homes = [str(path) for path in (root.resolve(), Path(home())) if len(path.parts) > 2]
        self.literals = self._secrets + [path.encode() for path in homes]
        tops = sorted({name for name in os.listdir("/") if name not in _SYSTEM} | {"home", "Users"})  # noqa: PTH208
        places = "|".join(re.escape(name) for name in tops)
        start = r"(?:(?<![\w.:/~<-])|(?<=\\[nrt]))"  # JSON writes a line break as \n: what follows begins a word
        text = rf"{start}/(?:{places})/[^\s\"'<>|:;,)\]}}\\]+|file:///[^\s\"'<>]+"
        self._path = re.compile(text.encode())
        said = json.dumps(project, ensure_ascii=False, default=str)
        names = {_user(), socket.gethostname()} - _GENERIC
        spoken = [re.escape(name) for name in sorted(names) if len(name) >= 4 and name not in said]
        self._name = re.compile(rf"(?<![\w-])(?:{'|'.join(spoken)})(?![\w-])".encode()) if spoken else None

    def scan(self, name: str, data: bytes) -> Iterator[Finding]:
        """Yield a finding for each kind of leak in the bytes of a text or header."""
        if any(secret in data for secret in self._secrets):
            message = "it holds the value of a secret from the environment"
            yield Finding("error", "leak.secret", name, message, "make it again without; then change the secret")
        if found := self._path.search(data):
            message = f"it holds a path of this machine, {found[0].decode(errors='replace')}"
            yield Finding("error", "leak.path", name, message, "make it again with a relative path")
        if self._name is not None and (found := self._name.search(data)):
            message = f"it holds the name of this user or host, {found[0].decode(errors='replace')}"
            yield Finding("error", "leak.name", name, message, "take it out, or put it into sidecrate.toml on purpose")


def _user() -> str:
    """Return the user's name, empty for one that only has a number, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def readable_part(path: Path) -> bytes:
    """Return the part of a file that is text: all of a text file, the header of safetensors, else nothing."""
    if _TEXT.fullmatch(path.suffix or path.name):
        return path.read_bytes()
    if path.suffix == ".safetensors":
        with path.open("rb") as file:
            return file.read(min(int.from_bytes(file.read(8), "little"), _HEADER_LIMIT))
    return b""
