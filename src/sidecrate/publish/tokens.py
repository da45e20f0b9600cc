# SPDX-License-Identifier: Apache-2.0
"""Tokens: from the environment, the keyring or a prompt, and bound to one host.

What a project says can choose a host but never the token: each host has a variable of its own, so a project from
elsewhere cannot have the token of one host sent to another. A token is never written, logged or shown.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from urllib.parse import urlsplit

from sidecrate.errors import InputError

SERVICE = "sidecrate"
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")


def host(url: str) -> str:
    """Return ``host`` or ``host:port`` of an address, lower case; the port that its scheme implies is left out.

    Raises
    ------
    InputError
        It is no address of a server, holds a user or password, or would send a token unencrypted over a network.
    """
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{url!r}: not an address ({error}); write https://host") from error
    if parts.scheme not in ("http", "https") or not name:
        raise InputError(f"{url!r}: not the address of a server; write https://host")
    if "@" in parts.netloc:
        raise InputError(f"the address of {name} holds a user name or password; take it out, set {variable_of(name)}")
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(name):
        raise InputError(f"{url!r}: without encryption anybody could read the token; write https://{name}")
    implied = {"http": 80, "https": 443}[parts.scheme]
    return name if port in (None, implied) else f"{name}:{port}"


def variable(url: str) -> str:
    """Return the name of the environment variable that holds the token of a server."""
    return variable_of(host(url))


def variable_of(name: str) -> str:
    """Return the variable of a host: ``zenodo.org`` → ``SIDECRATE_TOKEN_ZENODO_ORG``.

    A hyphen becomes two underscores: ``my-host.org`` and ``my.host.org`` may belong to different people.
    """
    return "SIDECRATE_TOKEN_" + re.sub(r"[^A-Z0-9_]", "_", name.upper().replace("_", "___").replace("-", "__"))


def find(url: str, *, ask: bool = True) -> str | None:
    """Return the token of a server: from the environment, the keyring, or typed in; None when there is none.

    Parameters
    ----------
    url : str
    ask : bool
        Whether to ask for it, when somebody sits at a terminal.

    Raises
    ------
    InputError
        It holds characters that no token has.
    """
    name = host(url)
    token = (os.environ.get(variable(url)) or _from_keyring(name) or (_ask(name) if ask else "")).strip()
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        raise InputError(f"{variable(url)}: holds characters that no token has; copy the token again")
    return token or None


def _from_keyring(name: str) -> str:
    try:
        import keyring
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, name) or ""
    except Exception:  # a locked or missing keyring is no reason to stop: the next source is asked
        return ""


def _ask(name: str) -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return ""
    return getpass.getpass(f"Token for {name} (it is not kept): ", stream=sys.stderr)
