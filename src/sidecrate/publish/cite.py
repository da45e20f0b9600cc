# SPDX-License-Identifier: Apache-2.0
"""Citing one version of anything: who, when, what, under which licence, made from what.

Nothing is invented: what nobody has said is left out and listed in `missing`. Credit for labels goes to the people
of the labelling sessions, for a model to those of the labels it was trained on, and so on down the lineage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecrate.artifacts import Artifact, LabelSet
from sidecrate.errors import InputError
from sidecrate.provenance.crate import describe, is_author
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.records import Record

# kind: what one is called, general type of DataCite 4.5
KINDS = {
    "Image": ("image volume", "Image"),
    "LabelSet": ("label set", "Dataset"),
    "Model": ("trained model", "Model"),
    "Prediction": ("prediction", "Dataset"),
    "Evaluation": ("evaluation", "Dataset"),
    "Measurements": ("measurements", "Dataset"),
    "Suggestion": ("suggestion of slices", "Dataset"),
    "Files": ("files", "Dataset"),
    "Deposit": ("receipt of a deposit", "Other"),
    "Package": ("research data package", "Dataset"),
}
# role in sidecrate.toml: contributor type of DataCite 4.5
_ROLES = {"curator": "DataCurator", "contact": "ContactPerson"}
_ANNOTATOR = "DataCollector"


@dataclass(frozen=True)
class Name:
    """Somebody to be named; `given` and `family` only when they were given apart."""

    name: str
    given: str | None = None
    family: str | None = None
    orcid: str | None = None
    affiliation: str | None = None
    ror: str | None = None


@dataclass(frozen=True)
class Relation:
    """How this version stands to another thing: relation and general type of DataCite, title and identifier."""

    type: str
    title: str
    general: str = "Dataset"
    version: str | None = None
    doi: str | None = None
    urn: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Citation:
    """Everything the formats are made from.

    Attributes
    ----------
    ref, kind, title, description : str
        What it is: ``pores@v3``, ``LabelSet``, a title and a sentence.
    version, digest, date : str
        Its number, the sha256 of its manifest, and the day it was made (ISO 8601).
    authors : tuple of Name
    contributors : tuple of (Name, str)
        With a contributor type of DataCite; annotators are DataCollector.
    license, doi, publisher, url : str, optional
        SPDX identifier; the others from the receipt of a deposit.
    keywords : tuple of str
    funding : tuple of dict
        ``funder``, ``ror``, ``award`` as the project states them.
    relations : tuple of Relation
    missing : tuple of str
        What a full citation would have and nobody has said.
    """

    ref: str
    kind: str
    title: str
    description: str
    version: str
    digest: str
    date: str | None
    authors: tuple[Name, ...]
    contributors: tuple[tuple[Name, str], ...]
    license: str | None
    doi: str | None
    publisher: str | None
    url: str | None
    keywords: tuple[str, ...]
    funding: tuple[Mapping[str, str], ...]
    relations: tuple[Relation, ...]
    missing: tuple[str, ...]

    @property
    def project(self) -> str:
        """Return the identifier of the project it is part of.

        Raises
        ------
        InputError
            The project has none.
        """
        found = next((one.urn for one in self.relations if one.type == "IsPartOf" and one.urn), None)
        if found is None:
            raise InputError(f"{self.title}: the project has no identifier; run `sidecrate audit`")
        return found

    @property
    def annotators(self) -> list[Name]:
        """Return the people who painted the labels behind this version."""
        return [name for name, role in self.contributors if role == _ANNOTATOR]


def citation(
    artifact: Artifact,
    *,
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    receipts: Sequence[Mapping[str, Any]] = (),
) -> Citation:
    """Return the citation of a version.

    Parameters
    ----------
    artifact : Artifact
    project : mapping
        The parsed ``sidecrate.toml``.
    records : sequence of Record
    artifacts : sequence of Artifact
        Every version in the project: the labels behind a model, the versions before this one.
    receipts : sequence of mapping
        Receipts of deposits, oldest first; the newest that holds this version gives DOI and publisher.
    """
    about, lineage = project["project"], Lineage(records)
    receipt = _receipt(artifact, receipts)
    record = lineage.producer(artifact.digest)
    authors = tuple(names(entry for entry in project.get("people", []) if is_author(entry)))
    if not authors and record is not None:
        authors = tuple(names(record["agents"]))
    facts = {
        "license": about.get("license"),
        "doi": receipt.get("doi"),
        "publisher": receipt.get("publisher"),
        "url": receipt.get("url"),
        "date": record["ended"][:10] if record else None,
    }
    return Citation(
        ref=artifact.ref,
        kind=artifact.kind,
        title=f"{about['title']}: {KINDS[artifact.kind][0]} {artifact.name}",
        description=describe(artifact),
        version=str(artifact.version),
        digest=artifact.digest,
        authors=authors,
        contributors=tuple(_contributors(artifact, project, lineage, artifacts)),
        keywords=tuple(about.get("keywords", ())),
        funding=tuple(project.get("funding", ())),
        relations=tuple(_relations(artifact, project, lineage, artifacts, receipts)),
        missing=tuple(missing(facts, authors)),
        **facts,
    )


def _receipt(artifact: Artifact, receipts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the newest receipt of a deposit that holds a version, or will: of a DOI reserved since; else empty."""
    found = [receipt for receipt in receipts if receipt["contents"].get(artifact.place) == artifact.digest]
    if not found and receipts and receipts[-1].get("status") == "reserved":
        return receipts[-1]
    return found[-1] if found else {}


def names(entries: Iterable[Mapping[str, Any]]) -> Iterator[Name]:
    """Yield the names of people as ``sidecrate.toml`` or a record states them."""
    for entry in entries:
        yield Name(**{key: entry.get(key) for key in Name.__dataclass_fields__})  # type: ignore[arg-type]


def _contributors(
    artifact: Artifact, project: Mapping[str, Any], lineage: Lineage, artifacts: Sequence[Artifact]
) -> Iterator[tuple[Name, str]]:
    """Yield annotators of the labels behind a version, then curators and contacts of the project."""
    behind = {artifact.digest, *lineage.ancestors(artifact.digest)}
    return credited([found for found in artifacts if isinstance(found, LabelSet) and found.digest in behind], project)


def credited(sets: Sequence[LabelSet], project: Mapping[str, Any]) -> Iterator[tuple[Name, str]]:
    """Yield who painted label sets, then curators and contacts of the project, each once a role."""
    members = {(entry["name"], entry.get("orcid")): entry for entry in project.get("people", [])}
    said = [session["who"] for labels in sets for session in labels.sessions]
    annotators = [members.get((who["name"], who.get("orcid")), who) for who in said]
    others = [(entry, _ROLES[entry["role"]]) for entry in members.values() if entry.get("role") in _ROLES]
    pairs = [*((entry, _ANNOTATOR) for entry in annotators), *others]
    yield from dict.fromkeys((name, role) for entry, role in pairs for name in names([entry]))


def _relations(
    artifact: Artifact,
    project: Mapping[str, Any],
    lineage: Lineage,
    artifacts: Sequence[Artifact],
    receipts: Sequence[Mapping[str, Any]],
) -> Iterator[Relation]:
    """Yield how a version stands to its project, to the versions it was made from, and to the one before it."""
    about = project["project"]
    yield Relation("IsPartOf", about["title"], urn=about["identifier"])
    known = {found.digest: found for found in artifacts}
    earlier = [found for found in artifacts if _is_series(found, artifact) and found.version < artifact.version]
    if earlier:
        yield _relation("IsNewVersionOf", max(earlier, key=lambda found: found.version), receipts)
    for parent in dict.fromkeys(use["digest"] for use in lineage.parents(artifact.digest)):
        found = known.get(parent)
        if found is None or _is_series(found, artifact):
            continue
        yield _relation("IsCompiledBy" if found.kind == "Model" else "IsDerivedFrom", found, receipts)
        if (artifact.kind, found.kind) == ("LabelSet", "Image"):  # labels mean nothing without their image
            yield _relation("Requires", found, receipts)


def _is_series(one: Artifact, other: Artifact) -> bool:
    return (one.kind, one.name) == (other.kind, other.name)


def _relation(kind: str, other: Artifact, receipts: Sequence[Mapping[str, Any]]) -> Relation:
    title = f"{KINDS[other.kind][0].capitalize()} {other.name} ({other.digest})"
    return Relation(kind, title, KINDS[other.kind][1], str(other.version), _receipt(other, receipts).get("doi"))


def missing(facts: Mapping[str, str | None], authors: Sequence[Name]) -> Iterator[str]:
    """Yield what a full citation would have and nobody has said."""
    wanted = {
        "license": "licence: set `license` in sidecrate.toml",
        "doi": "DOI: a repository gives one when the package is deposited",
        "publisher": "publisher: the repository, once the package is deposited",
        "date": "date: no record says when this version was made",
    }
    yield from (advice for key, advice in wanted.items() if not facts[key])
    if not authors:
        yield "authors: add [[people]] to sidecrate.toml"
    for name in authors:
        if not name.orcid:
            yield f"ORCID iD of {name.name}: add it in sidecrate.toml"
        if not name.family:
            yield f"family and given name of {name.name}: add both in sidecrate.toml"
