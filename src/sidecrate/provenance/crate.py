# SPDX-License-Identifier: Apache-2.0
"""The RO-Crate of a project, derived: records + artifacts in, JSON-LD graph out.

RO-Crate 1.1 with Process Run Crate 0.5 by default. Every version of an artifact is one Dataset entity, every array
inside it one more, never one a chunk; `hasPart` is nested by kind so that the graph stays cheap to process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sidecrate.artifacts import MANIFEST, Artifact, Image, LabelSet
from sidecrate.digests import read_manifest
from sidecrate.provenance import entities, identity
from sidecrate.provenance.entities import Entity, Graph, Reference, grant, organization, person, person_id, said
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.records import FOLDER, Record

METADATA = "ro-crate-metadata.json"
PREVIEW = "ro-crate-preview.html"
CONFIG = "sidecrate.toml"
PROCESS_RUN = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXTS = {
    "1.1": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
    "1.3": ["https://w3id.org/ro/crate/1.3/context", "https://w3id.org/ro/terms/workflow-run/context"],
}
_STATUS = {"completed": "http://schema.org/CompletedActionStatus"}
_FAILED = "http://schema.org/FailedActionStatus"
# kind: title of its folder, what one is called, description
_KINDS = {
    "Image": ("Images", "image", "Grey volumes, each version an OME-Zarr or a reference to one."),
    "LabelSet": ("Label sets", "label set", "Painted voxels: 0 unlabelled, 1 background, 2 and up the classes."),
    "Model": ("Models", "model", "Trained networks: weights, description and card."),
    "Prediction": ("Predictions", "prediction", "Class probabilities of whole volumes."),
    "Evaluation": ("Evaluations", "evaluation", "Scores against labels that were not used in training."),
    "Measurements": ("Measurements", "measurements", "Counts, densities, sizes and spacings with units."),
    "Suggestion": ("Suggestions", "suggestion", "Slices worth labelling next, and why."),
    "Files": ("Files of other programs", "files", "Results of steps that ran outside sidecrate."),
    "Deposit": ("Deposits", "deposit", "Receipts of repositories that took a package in."),
}


def build(
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    *,
    version: str = "1.1",
    beside: Mapping[str, str] | None = None,
    doi: str | None = None,
) -> dict[str, Any]:
    """Return the JSON-LD document ``ro-crate-metadata.json``.

    Parameters
    ----------
    project : mapping
        The parsed ``sidecrate.toml``.
    records : sequence of Record
        Oldest first.
    artifacts : sequence of Artifact
        The versions that are in the crate; others are named, not contained.
    version : {"1.1", "1.3"}
        RO-Crate version.
    beside : mapping of str to str, optional
        Path → name of more files in the root.
    doi : str, optional
        Under which the whole is, or will be, published; from the receipts among the artifacts when not given.
    """
    doi = doi or identity.doi(records, artifacts)
    graph = Graph(version)
    lineage = Lineage(records)
    here = {artifact.place: artifact.digest for artifact in artifacts}
    for entry in project.get("people", []):  # first, so that a person met again as an agent has the affiliation
        person(graph, entry)
    parts = [
        entities.file(graph, path, name) for path, name in {CONFIG: "Project description", **(beside or {})}.items()
    ]
    parts += _kinds(graph, artifacts, lineage, here)
    actions = [_action(graph, record, here) for record in records]
    if records:
        parts.append(_records(graph, records, actions))
    root = _root(graph, project, records, parts, actions) | _known_as(graph, project, doi)
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": f"https://w3id.org/ro/crate/{version}"},
    }
    return {"@context": CONTEXTS[version], "@graph": [said(e) for e in (descriptor, root, *graph.entities.values())]}


# ------------------------------------------------------------------------------------------ root and people


def _root(
    graph: Graph,
    project: Mapping[str, Any],
    records: Sequence[Record],
    parts: list[Reference],
    actions: list[Reference],
) -> Entity:
    about = project["project"]
    funding = project.get("funding", [])
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": about["title"],
        "description": about.get("description") or f"{about['title']}: no description was given yet.",
        "identifier": about["identifier"],
        "dateCreated": about["created"],
        "datePublished": _time(records[-1]["ended"]) if records else about["created"],
        "license": entities.license_(graph, about.get("license")),
        "keywords": about.get("keywords"),
        "author": [person(graph, entry) for entry in project.get("people", []) if is_author(entry)],
        "publisher": _publisher(graph, project),
        "funder": [organization(graph, entry["funder"], entry.get("ror")) for entry in funding],
        "funding": [grant(graph, entry) for entry in funding if entry.get("award")],
        "conformsTo": _profile(graph),
        "hasPart": parts,
        "mentions": actions,
    }


def _known_as(graph: Graph, project: Mapping[str, Any], doi: str | None) -> Entity:
    """Return the identifiers of the whole: the DOI first, where there is one; `cite-as` exists from RO-Crate 1.2 on."""
    if doi is None:
        return {}
    page = f"https://doi.org/{doi}"
    later = {} if graph.version == "1.1" else {"cite-as": page}
    return {"identifier": [page, project["project"]["identifier"]], **later}


def _profile(graph: Graph) -> Reference | None:
    """Return the profile the crate claims: Process Run Crate 0.5 is defined on RO-Crate 1.1 and on no later one."""
    if graph.version != "1.1":
        return None
    return graph.add({"@id": PROCESS_RUN, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"})


def is_author(entry: Mapping[str, Any]) -> bool:
    """Return whether a person of the project is an author of the whole: every role but annotator alone."""
    return bool(entry.get("role", "author") != "annotator")


def _publisher(graph: Graph, project: Mapping[str, Any]) -> Reference | None:
    """Return the affiliation of the first author: who stands behind the crate until a repository does."""
    for entry in project.get("people", []):
        if is_author(entry) and entry.get("affiliation"):
            found: Reference = graph.entities[person_id(entry["name"], entry.get("orcid"))]["affiliation"]
            return found
    return None


# --------------------------------------------------------------------------------------------- data entities


def _kinds(graph: Graph, artifacts: Sequence[Artifact], lineage: Lineage, here: Mapping[str, str]) -> list[Reference]:
    parts = []
    for kind, (title, _, description) in _KINDS.items():
        members = [artifact for artifact in artifacts if artifact.kind == kind]
        if members:
            inside = [_version(graph, artifact, lineage, here) for artifact in members]
            folder = {"@id": f"{members[0].folder}/", "@type": "Dataset", "name": title, "description": description}
            parts.append(graph.add({**folder, "hasPart": inside}))
    return parts


def _version(graph: Graph, artifact: Artifact, lineage: Lineage, here: Mapping[str, str]) -> Reference:
    record = lineage.producer(artifact.digest)
    based_on = [place for parent in lineage.parents(artifact.digest) if (place := _place(parent, here))]
    return graph.add(
        {
            "@id": f"{artifact.place}/",
            "@type": "Dataset",
            "name": f"{artifact.ref} ({artifact.kind})",
            "description": describe(artifact),
            "version": str(artifact.version),
            "identifier": artifact.digest,
            "dateCreated": _time(record["ended"]) if record else None,
            "creator": _creators(graph, artifact),
            "isBasedOn": [{"@id": f"{place}/"} for place in based_on],
            "hasPart": list(_parts(graph, artifact)),
        }
    )


def _parts(graph: Graph, artifact: Artifact) -> Iterator[Reference]:
    """Add the files of a version, and its folders as one entity each: a chunk is in the manifest, not in the graph."""
    digests = read_manifest(artifact.path / MANIFEST)
    for folder in sorted({name.split("/")[0] for name in digests if "/" in name}):
        yield _folder(graph, artifact, folder)
    plain = {name: digest for name, digest in digests.items() if "/" not in name}
    for name, digest in sorted({**plain, MANIFEST: artifact.digest.removeprefix("sha256:")}.items()):
        size = (artifact.path / name).stat().st_size
        yield entities.file(graph, f"{artifact.place}/{name}", f"{artifact.ref} {name}", size, digest)


def _folder(graph: Graph, artifact: Artifact, name: str) -> Reference:
    is_array = name.endswith(".ome.zarr")
    what = "One multiscale array" if is_array else "A folder"
    page = {"@id": "https://ngff.openmicroscopy.org/0.5/", "@type": "WebSite", "name": "OME-Zarr 0.5"}
    return graph.add(
        {
            "@id": entities.id_of_path(f"{artifact.place}/{name}/"),
            "@type": "Dataset",
            "name": f"{artifact.ref} {name}",
            "description": f"{what}. Its files are listed with their sha256 in the manifest of this version.",
            "encodingFormat": ["application/vnd+zarr", graph.add(page)] if is_array else None,
        }
    )


def _creators(graph: Graph, artifact: Artifact) -> list[Reference]:
    if not isinstance(artifact, LabelSet):
        return []
    people = {person_id(s["who"]["name"], s["who"].get("orcid")): s["who"] for s in artifact.sessions}
    return [person(graph, who) for who in people.values()]


def describe(artifact: Artifact) -> str:
    """Return one sentence on a version, from its own metadata."""
    meta = artifact.meta
    words = [str(meta["description"])] if meta.get("description") else []
    if "shape" in meta:
        words.append(f"{'x'.join(str(n) for n in meta['shape'])} voxels (z, y, x)")
    if "voxel_nm" in meta:
        words.append(f"voxel {'x'.join(f'{n:g}' for n in meta['voxel_nm'])} nm")
    if isinstance(artifact, Image) and "reference" in meta:
        words.append("kept elsewhere, described here")
    if isinstance(artifact, LabelSet):
        words.append(f"classes {', '.join(artifact.classes.values())}, {_sessions(len(artifact.sessions))}")
    what = _KINDS[artifact.kind][1]
    return f"Version {artifact.version} of the {what} {artifact.name}: {'; '.join(words) or 'see its files'}."


def _sessions(count: int) -> str:
    return f"{count} labelling session{'s' * (count != 1)}"


def _records(graph: Graph, records: Sequence[Record], actions: Sequence[Reference]) -> Reference:
    files = []
    for record, action in zip(records, actions, strict=True):
        files.append(entities.file(graph, record_path(record), f"Record {record['number']}: {record['step']}"))
        graph.entities[record_path(record)]["about"] = action
    text = "One JSON file a run; each holds the digest of the one before it."
    return graph.add(
        {"@id": f"{FOLDER}/", "@type": "Dataset", "name": "Run records", "description": text, "hasPart": files}
    )


def record_path(record: Record) -> str:
    """Return the path of a record inside the project."""
    return f"{FOLDER}/{record['number']:06d}-{record['step']}.json"


# --------------------------------------------------------------------------------------------------- actions


def _action(graph: Graph, record: Record, here: Mapping[str, str]) -> Reference:
    results = [_used(graph, use, here) for use in record["outputs"]]
    action = f"#{record['id'].removeprefix('urn:uuid:')}"
    status = _STATUS.get(record["status"], _FAILED)
    error = record.get("error", {}).get("message") or ("The run was interrupted." if status == _FAILED else None)
    return graph.add(
        {
            "@id": action,
            "@type": "CreateAction" if results else "ActivateAction",
            "name": f"{record['step']} ({record['status']})",
            "description": record.get("command") or f"{record['instrument']['name']}, called from Python",
            "startTime": _time(record["started"]),
            "endTime": _time(record["ended"]),
            "actionStatus": status,
            "error": error if status == _FAILED else None,
            "agent": [person(graph, agent) for agent in record["agents"]],
            "instrument": entities.software(graph, record["instrument"]),
            "object": [_used(graph, use, here) for use in record["inputs"]] + _parameters(graph, action, record),
            "result": results,
        }
    )


def _place(use: Mapping[str, Any], here: Mapping[str, str]) -> str | None:
    """Return where an input or output lies in this crate, None when it does not."""
    place: str | None = use.get("place")
    return place if place and here.get(place) == use["digest"] else None


def _used(graph: Graph, use: Mapping[str, Any], here: Mapping[str, str]) -> Reference:
    """Return the entity of an input or output; what is not in this crate is described by name and digest."""
    if place := _place(use, here):
        return {"@id": f"{place}/"}
    size = f" of {use['bytes']} bytes" if "bytes" in use else ""
    return graph.add(
        {
            "@id": f"#{use['digest'].replace(':', '-')}",
            "@type": "CreativeWork",
            "name": use.get("ref") or use["name"],
            "description": f"{use['kind']}{size}, not contained in this crate",
            "identifier": use["digest"],
        }
    )


def _parameters(graph: Graph, action: str, record: Record) -> list[Reference]:
    return [
        graph.add(
            {
                "@id": f"{action}/{quote(name, safe='')}",
                "@type": "PropertyValue",
                "name": name,
                "value": value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False),
            }
        )
        for name, value in record["parameters"].items()
    ]


def _time(utc: str) -> str:
    return re.sub(r"Z$", "+00:00", utc)
