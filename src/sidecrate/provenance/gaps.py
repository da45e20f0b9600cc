# SPDX-License-Identifier: Apache-2.0
"""What a project's own description lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecrate.errors import Finding
from sidecrate.provenance.crate import CONFIG


def gaps(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield advice for everything a repository will ask for and nobody has said yet."""
    about, people = config["project"], config.get("people", [])
    wanted: Sequence[tuple[bool, str, str, str]] = (
        (not about.get("license"), "license", "no licence: nobody may reuse this", 'license = "CC-BY-4.0"'),
        (not about.get("description"), "description", "no description", 'description = "what it is and why"'),
        (not about.get("keywords"), "keywords", "no keywords: hard to find", 'keywords = ["FIB-SEM", "nuclear pore"]'),
        (not people, "people", "nobody is named: it cannot be cited", '[[people]] with name, orcid, role = "author"'),
        (not config.get("funding"), "funding", "no funding named", "[[funding]] with funder, ror, award"),
    )
    for missing, where, message, line in wanted:
        if missing:
            yield Finding("advice", f"about.{where}", CONFIG, message, f"add to {CONFIG}: {line}")
    for entry in people:
        institute = {"ror": "ROR id of the affiliation"} if "affiliation" in entry else {"affiliation": "affiliation"}
        yield from _lacking(entry["name"], entry, {"orcid": "ORCID iD", **institute})
    for entry in config.get("funding", []):
        yield from _lacking(entry["funder"], entry, {"ror": "ROR id", "award": "award number"})


def _lacking(name: str, entry: Mapping[str, Any], wanted: Mapping[str, str]) -> Iterator[Finding]:
    for key, what in wanted.items():
        if key not in entry:
            advice = f"add {key} to that entry in {CONFIG}"
            yield Finding("advice", f"about.{key}", CONFIG, f"{name} has no {what}", advice)
