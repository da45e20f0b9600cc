# SPDX-License-Identifier: Apache-2.0
"""Other people's validators, each run as a program: the tools a repository would judge sidecrate's output with.

They pin older libraries than sidecrate uses, hence a virtual environment of their own, ``.venv-judges``. Without it
the tests fail rather than skip: an output that nobody judged is not known to be good.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal, TypedDict

REPOSITORY = Path(__file__).parents[2]
JUDGES = REPOSITORY / ".venv-judges" / "bin"
CONTEXTS = REPOSITORY / "src" / "sidecrate" / "provenance" / "contexts"

Profile = Literal["ro-crate-1.1", "ro-crate-1.3", "process-run-crate-0.5"]
Severity = Literal["REQUIRED", "RECOMMENDED"]


class Issue(TypedDict):
    """One thing that roc-validator found, with the check that found it."""

    check: str
    message: str
    entity: str


@cache
def judge(name: str) -> Path:
    """Return the path of a judge's program; the test fails when it is not installed."""
    program = JUDGES / name
    if not program.is_file():
        raise AssertionError(f"{program.relative_to(REPOSITORY)} is missing: run `make .venv-judges`")
    return program


def roc_validator(crate: Path, profile: Profile, severity: Severity) -> list[Issue]:
    """Return what roc-validator finds in a crate folder, offline, at `severity` and above."""
    script = Path(__file__).with_name("roc_validator_offline.py")
    command = [judge("python"), script, CONTEXTS, crate, profile, severity]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"roc-validator did not run:\n{done.stdout}\n{done.stderr}")
    issues: list[Issue] = json.loads(done.stdout.splitlines()[-1])
    return issues


def runcrate_report(crate: Path) -> str:
    """Return what ``runcrate report`` prints on a crate folder."""
    command = [judge("runcrate"), "report", crate]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def cffconvert_validate(citation: Path) -> str:
    """Return what ``cffconvert --validate`` says on a CITATION.cff; the call fails when it is not valid."""
    command = [judge("cffconvert"), "--validate", "--infile", citation]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"cffconvert: {citation.name} is not valid:\n{done.stdout}\n{done.stderr}")
    return done.stdout
