# SPDX-License-Identifier: Apache-2.0
"""What a run ran on, without a word about whose machine it was."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# sidecrate has no public home page yet; until it has one, its software is named, not located.
SOFTWARE_URL = "urn:sidecrate"
PACKAGES = (
    "sidecrate",
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "zarr",
    "safetensors",
    "tifffile",
    "h5py",
    "mrcfile",
)
_MODULES = {"scikit-image": "skimage"}
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|CREDENTIAL|ACCESS_KEY", re.IGNORECASE)
_ABSOLUTE = re.compile(r"(?:(?<=file://)|(?<![\w./~-]))((?:/[^\s/'\",;:)\]}]+)*)/([^\s/'\",;:)\]}]+)")
_REMOVED = "[removed]"
# a secret by what stands before it: an option or key of such a name, or a password in an address;
# each word is looked at once from its beginning, else a long one would take quadratic time
_NAMED = re.compile(
    rf"(?P<before>(?:(?<![\w-])--(?=[\w-]*?(?:{_SECRET_NAME.pattern}))[\w-]++[= ]"
    rf"|(?<!\w)(?=\w*?(?:{_SECRET_NAME.pattern}))\w++['\"]?\s?[=:]\s?|Bearer )['\"]?)[^\s'\"&]+",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+@")


def describe() -> dict[str, Any]:
    """Return versions of Python, system and the libraries in use; nothing is imported for it."""
    loaded = [name for name in PACKAGES if _MODULES.get(name, name) in sys.modules]
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count() or 1,
        "packages": {name: found for name in loaded if (found := package_version(name))},
    }


def package_version(name: str) -> str | None:
    """Return the installed version of a distribution, None when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def secrets() -> list[str]:
    """Return the values of environment variables that look like tokens, longest first."""
    found = {v for k, v in os.environ.items() if _SECRET_NAME.search(k) and len(v) >= 6}
    return sorted(found, key=len, reverse=True)


def home() -> str:
    """Return the home folder; a container's user, whom nobody knows, has none: ``/``, which hides nothing."""
    found = os.path.expanduser("~")  # noqa: PTH111  (`Path.home` raises where there is none)
    return "/" if found == "~" else found


def variable_in(text: str) -> str | None:
    """Return the name of the environment variable whose secret a text holds, None when it holds none."""
    known = ((k, v) for k, v in os.environ.items() if _SECRET_NAME.search(k) and len(v) >= 6)
    return next((name for name, value in known if value in text), None)


def withheld(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a mapping with the text of each secret, known by the name of its key, taken out."""
    return {
        str(key): _REMOVED if isinstance(value, str) and _SECRET_NAME.search(str(key)) else value
        for key, value in values.items()
    }


def without_secrets(text: str) -> str:
    """Return text without the secrets of the environment and without what is named as one."""
    for secret in secrets():
        text = text.replace(secret, _REMOVED)
    return _NAMED.sub(rf"\g<before>{_REMOVED}", _IN_ADDRESS.sub(f"{_REMOVED}@", text))


def scrub(text: str, root: Path) -> str:
    """Return text without secrets and without paths of this machine.

    Paths below `root` become relative to it; any other absolute path keeps its last part only.
    """
    text = without_secrets(text)
    text = re.sub(rf"{re.escape(str(root))}(?=[/\s'\",;:)\]}}]|$)/?", "", text)
    for folder in {str(Path.cwd()), home()} - {"/"}:  # whole, because a blank may be in their names
        text = text.replace(f"{folder}/", "…/")
    return _ABSOLUTE.sub(_shortened, text)


def _shortened(match: re.Match[str]) -> str:
    """Return the last part of a path; one word behind a slash is a path only if it is one here."""
    return f"…/{match[2]}" if match[1] or Path(match[0]).exists() else match[0]
