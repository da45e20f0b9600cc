# SPDX-License-Identifier: Apache-2.0
"""The entities that every part of a crate refers to: people, organizations, licence, software, files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sidecrate.provenance.formats import encoding
from sidecrate.provenance.swhid import RESOLVER

Entity = dict[str, Any]
Reference = dict[str, str]

NO_LICENSE = "#no-license-stated"


class Graph:
    """Entities by id; a thing met twice is one entity.

    Parameters
    ----------
    version : {"1.1", "1.3"}
        RO-Crate version, for what the versions say differently.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self.entities: dict[str, Entity] = {}

    def add(self, entity: Entity) -> Reference:
        """Add an entity unless it is known, and return the reference to it."""
        return {"@id": self.entities.setdefault(entity["@id"], entity)["@id"]}


def said(entity: Entity) -> Entity:
    """Return an entity as the specification wants it: nothing with an empty value, a list of one is the one."""
    known = {key: value for key, value in entity.items() if value is not None and value != []}
    return {k: v[0] if isinstance(v, list) and len(v) == 1 else v for k, v in known.items()}


def slug(text: str) -> str:
    """Return text as a fragment of an id."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")


def id_of_path(path: str) -> str:
    """Return the id of a file or folder of the crate: percent-encoded where an IRI (RFC 3987) needs it."""
    return re.sub(r"[^\w/.~!$&'()*+,;=:@-]", lambda match: quote(match[0]), path)


# ---------------------------------------------------------------------------------------- people and money


def person_id(name: str, orcid: str | None) -> str:
    """Return the id of a person: the ORCID iD as a URL, else a fragment made of the name."""
    return f"https://orcid.org/{orcid}" if orcid else f"#person-{slug(name)}"


def person(graph: Graph, entry: Mapping[str, Any]) -> Reference:
    """Add a person, with affiliation when it is known, and return the reference."""
    affiliation = entry.get("affiliation")
    return graph.add(
        {
            "@id": person_id(entry["name"], entry.get("orcid")),
            "@type": "Person",
            "name": entry["name"],
            "givenName": entry.get("given"),
            "familyName": entry.get("family"),
            "affiliation": organization(graph, affiliation, entry.get("ror")) if affiliation else None,
        }
    )


def organization(graph: Graph, name: str, ror: str | None) -> Reference:
    """Add an organization and return the reference."""
    page = f"https://ror.org/{ror}" if ror else None
    return graph.add({"@id": page or f"#organization-{slug(name)}", "@type": "Organization", "name": name, "url": page})


def grant(graph: Graph, entry: Mapping[str, Any]) -> Reference:
    """Add an award and return the reference."""
    name = f"{entry['funder']} {entry['award']}"
    funder = organization(graph, entry["funder"], entry.get("ror"))
    award = {"@id": f"#grant-{slug(name)}", "@type": "Grant", "name": name, "identifier": entry["award"]}
    return graph.add({**award, "funder": funder})


def license_(graph: Graph, spdx: str | None) -> Reference:
    """Add the licence and return the reference; a licence nobody stated is a visible gap, not an invention."""
    if not spdx:
        gap = "Nobody has stated a licence yet: ask the authors before reusing. Set `license` in sidecrate.toml."
        return graph.add({"@id": NO_LICENSE, "@type": "CreativeWork", "name": "No licence stated", "description": gap})
    is_one = re.fullmatch(r"[\w.+-]+", spdx)  # an expression such as "MIT OR Apache-2.0" has no page
    page = f"https://spdx.org/licenses/{spdx}" if is_one else None
    entity = {"@id": page or f"#license-{slug(spdx)}", "@type": "CreativeWork", "name": spdx, "identifier": page}
    return graph.add({**entity, "description": f"SPDX licence {spdx}"})


# -------------------------------------------------------------------------------------- software and files


def software(graph: Graph, instrument: Mapping[str, str]) -> Reference:
    """Add what a run ran and return the reference; its id is made of its source, so two versions are two things."""
    name, swhid = instrument["name"], instrument.get("swhid")
    version = instrument.get("version") or swhid or "not recorded"
    return graph.add(
        {
            "@id": f"{RESOLVER}{swhid}#{slug(name)}" if swhid else f"#{slug(name)}-{slug(version)}",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion" if graph.version == "1.1" else "version": version,
            "url": f"{RESOLVER}{swhid}" if swhid else None,
        }
    )


def file(graph: Graph, path: str, name: str, size: int | None = None, sha256: str | None = None) -> Reference:
    """Add a file of the crate and return the reference."""
    value, page = encoding(path)
    if page:
        graph.add(page)
    about_bytes = {"contentSize": None if size is None else str(size), "sha256": sha256}
    return graph.add({"@id": id_of_path(path), "@type": "File", "name": name, "encodingFormat": value, **about_bytes})
