# SPDX-License-Identifier: Apache-2.0
"""Other people's validators, each run as a program: the tools a repository would judge sidecrate's output with.

They pin older libraries than sidecrate uses, hence a virtual environment of their own, ``.venv-judges``. Without it
the tests fail rather than skip: an output that nobody judged is not known to be good.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Literal, TypedDict

REPOSITORY = Path(__file__).parents[2]
JUDGES = REPOSITORY / ".venv-judges" / "bin"
_SHIPPED = REPOSITORY / "src" / "sidecrate" / "provenance" / "contexts"
CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": _SHIPPED / "ro-crate-1.1.jsonld",
    "https://w3id.org/ro/crate/1.3/context": _SHIPPED / "ro-crate-1.3.jsonld",
    "https://w3id.org/ro/terms/workflow-run/context": _SHIPPED / "workflow-run.jsonld",
}

Profile = Literal["ro-crate-1.1", "ro-crate-1.3", "process-run-crate-0.5"]
Severity = Literal["REQUIRED", "RECOMMENDED"]


class Issue(TypedDict):
    """One thing that roc-validator found, with the check that found it."""

    check: str
    message: str
    entity: str


def roc_validator(crate: Path, profile: Profile, severity: Severity) -> list[Issue]:
    """Return what roc-validator finds in a crate folder, offline, at `severity` and above."""
    script = Path(__file__).with_name("roc_validator_offline.py")
    contexts = json.dumps({address: str(path) for address, path in CONTEXTS.items()})
    printed = _ask("python", str(script), contexts, str(crate), profile, severity)
    issues: list[Issue] = json.loads(printed.splitlines()[-1])
    return issues


def runcrate_report(crate: Path) -> str:
    """Return what ``runcrate report`` prints on a crate folder."""
    return _ask("runcrate", "report", str(crate))


def cffconvert_validate(citation: Path) -> str:
    """Return what ``cffconvert --validate`` says on a CITATION.cff; the test fails when it is not valid."""
    return _ask("cffconvert", "--validate", "--infile", str(citation))


def _ask(judge: str, *arguments: str) -> str:
    """Return what a judge prints; the test fails when the judge is not installed or ends with an error."""
    program = JUDGES / judge
    if not program.is_file():
        raise AssertionError(f"{program.relative_to(REPOSITORY)} is missing: run `make .venv-judges`")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{judge} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout
