# SPDX-License-Identifier: Apache-2.0
"""Citing a package as a whole: what a repository says about a deposit, and what lies in it as CITATION.cff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecrate.artifacts import Artifact, Image, LabelSet
from sidecrate.provenance.crate import is_author
from sidecrate.provenance.records import Record
from sidecrate.publish.cite import Citation, Relation, credited, missing, names


def whole(
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    *,
    digest: str | None = None,
    receipt: Mapping[str, Any] | None = None,
) -> Citation:
    """Return the citation of a project as one package.

    Parameters
    ----------
    project : mapping
        The parsed ``sidecrate.toml``.
    records : sequence of Record
        Oldest first.
    artifacts : sequence of Artifact
        Every version in the package.
    digest : str, optional
        ``sha256:<hex>`` of the payload manifest; the identifier of the project while there is no package.
    receipt : mapping, optional
        The receipt that names its DOI, version, address and publisher.
    """
    about, told = project["project"], receipt or {}
    authors = tuple(names(entry for entry in project.get("people", []) if is_author(entry)))
    facts = {
        "license": about.get("license"),
        "doi": told.get("doi"),
        "publisher": told.get("publisher"),
        "url": told.get("url"),
        "date": records[-1]["ended"][:10] if records else about["created"],
    }
    return Citation(
        ref=about["title"],
        kind="Package",
        title=about["title"],
        description=about.get("description") or f"{about['title']}: no description was given yet.",
        version=str(told.get("version") or "v1").removeprefix("v"),
        digest=digest or about["identifier"],
        authors=authors,
        contributors=tuple(credited([found for found in artifacts if isinstance(found, LabelSet)], project)),
        keywords=tuple(about.get("keywords", ())),
        funding=tuple(project.get("funding", ())),
        relations=tuple(_relations(about, artifacts)),
        missing=tuple(missing(facts, authors)),
        **facts,
    )


def _relations(about: Mapping[str, Any], artifacts: Sequence[Artifact]) -> Iterator[Relation]:
    """Yield how the package stands to its project and to the images it only refers to."""
    yield Relation("IsPartOf", about["title"], urn=about["identifier"])
    for image in artifacts:
        uri = str(image.meta.get("reference", {}).get("uri", "")) if isinstance(image, Image) else ""
        if uri.startswith(("http://", "https://")):
            yield Relation("Requires", f"Image volume {image.name}", "Image", url=uri)
