# SPDX-License-Identifier: Apache-2.0
"""The RO-Crate of a project, derived: records + artifacts in, JSON-LD graph out.

RO-Crate 1.1 with Process Run Crate 0.5 by default. Every version of an artifact is one Dataset entity, every array
inside it one more, never one a chunk; `hasPart` is nested by kind so that the graph stays cheap to process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sidecrate.artifacts import MANIFEST, Artifact, Image, LabelSet
from sidecrate.provenance.environment import SOFTWARE_URL
from sidecrate.provenance.formats import encoding
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.records import FOLDER, Record
from sidecrate.store import read_manifest

Entity = dict[str, Any]

METADATA = "ro-crate-metadata.json"
PREVIEW = "ro-crate-preview.html"
CONFIG = "sidecrate.toml"
PROCESS_RUN = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXTS = {
    "1.1": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
    "1.3": ["https://w3id.org/ro/crate/1.3/context", "https://w3id.org/ro/terms/workflow-run/context"],
}
NO_LICENSE = "#no-license-stated"
_STATUS = {"completed": "http://schema.org/CompletedActionStatus"}
_FAILED = "http://schema.org/FailedActionStatus"
_KIND_TITLES = {
    "Image": ("Images", "Grey volumes, each version an OME-Zarr or a reference to one."),
    "LabelSet": ("Label sets", "Painted voxels: 0 unlabelled, 1 background, 2 and up the classes."),
    "Model": ("Models", "Trained networks: weights, description and card."),
    "Prediction": ("Predictions", "Class probabilities of whole volumes."),
    "Evaluation": ("Evaluations", "Scores against labels that were not used in training."),
    "Measurements": ("Measurements", "Counts, densities, sizes and spacings with units."),
    "Suggestion": ("Suggestions", "Slices worth labelling next, and why."),
    "Files": ("Files of other programs", "Results of steps that ran outside sidecrate."),
}


class _Graph:
    """Entities by id; a thing met twice is one entity."""

    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}

    def add(self, entity: Entity) -> dict[str, str]:
        self.entities.setdefault(entity["@id"], {k: v for k, v in entity.items() if v not in (None, [], "")})
        return {"@id": entity["@id"]}


def build(
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    *,
    version: str = "1.1",
    extra_files: Mapping[str, int] | None = None,
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
    extra_files : mapping of str to int, optional
        Other files at the root of the crate (README.md, CITATION.cff) with their size in bytes.
    """
    graph = _Graph()
    lineage = Lineage(records)
    here = {artifact.digest: artifact for artifact in artifacts}
    for entry in project.get("people", []):  # first, so that a person met again as an agent has the affiliation
        person(graph, entry)
    parts = [_file(graph, CONFIG, "Project description", None, None)]
    parts += [_file(graph, name, name, size, None) for name, size in sorted((extra_files or {}).items())]
    parts += _kinds(graph, artifacts, lineage, here)
    actions = [_action(graph, record, here) for record in records]
    if records:
        parts.append(_records(graph, records, actions))
    root = _root(graph, project, records, parts, actions)
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": f"https://w3id.org/ro/crate/{version}"},
    }
    return {"@context": CONTEXTS[version], "@graph": [descriptor, root, *graph.entities.values()]}


# ------------------------------------------------------------------------------------------ root and people


def _root(
    graph: _Graph,
    project: Mapping[str, Any],
    records: Sequence[Record],
    parts: list[dict[str, str]],
    actions: list[dict[str, str]],
) -> Entity:
    about = project["project"]
    profile = {"@id": PROCESS_RUN, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    authors = [person(graph, entry) for entry in project.get("people", []) if is_author(entry)]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": about["title"],
        "description": about.get("description") or f"{about['title']}: no description was given yet.",
        "identifier": about["identifier"],
        "dateCreated": about["created"],
        "datePublished": _time(records[-1]["ended"]) if records else about["created"],
        "license": _license(graph, about.get("license")),
        "keywords": about.get("keywords"),
        "author": authors,
        "publisher": _publisher(graph, project),
        "funder": [_funding(graph, entry) for entry in project.get("funding", [])],
        "conformsTo": graph.add(profile),
        "hasPart": parts,
        "mentions": actions,
    }
    return {k: v for k, v in root.items() if v not in (None, [], "")}


def is_author(entry: Mapping[str, Any]) -> bool:
    """Return whether a person of the project is an author of the whole: every role but annotator alone."""
    return bool(entry.get("role", "author") != "annotator")


def person_id(name: str, orcid: str | None) -> str:
    """Return the id of a person: the ORCID iD as a URL, else a fragment made of the name."""
    return f"https://orcid.org/{orcid}" if orcid else f"#person-{slug(name)}"


def slug(text: str) -> str:
    """Return text as a fragment of an id."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")


def person(graph: _Graph, entry: Mapping[str, Any]) -> dict[str, str]:
    """Add a person with affiliation and return the reference."""
    affiliation = None
    if entry.get("affiliation"):
        ror = entry.get("ror")
        organisation = {
            "@id": f"https://ror.org/{ror}" if ror else f"#organization-{slug(entry['affiliation'])}",
            "@type": "Organization",
            "name": entry["affiliation"],
            "url": f"https://ror.org/{ror}" if ror else None,
        }
        affiliation = graph.add(organisation)
    return graph.add(
        {
            "@id": person_id(entry["name"], entry.get("orcid")),
            "@type": "Person",
            "name": entry["name"],
            "givenName": entry.get("given"),
            "familyName": entry.get("family"),
            "affiliation": affiliation,
        }
    )


def _publisher(graph: _Graph, project: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the affiliation of the first author: who stands behind the crate until a repository does."""
    for entry in project.get("people", []):
        if is_author(entry) and entry.get("affiliation"):
            found: dict[str, str] = graph.entities[person_id(entry["name"], entry.get("orcid"))]["affiliation"]
            return found
    return None


def _license(graph: _Graph, spdx: str | None) -> dict[str, str]:
    if not spdx:
        gap = "Nobody has stated a licence yet: ask the authors before reusing. Set `license` in sidecrate.toml."
        return graph.add({"@id": NO_LICENSE, "@type": "CreativeWork", "name": "No licence stated", "description": gap})
    page = f"https://spdx.org/licenses/{spdx}"
    return graph.add(
        {"@id": page, "@type": "CreativeWork", "name": spdx, "identifier": page, "description": f"SPDX licence {spdx}"}
    )


def _funding(graph: _Graph, entry: Mapping[str, Any]) -> dict[str, str]:
    ror = entry.get("ror")
    funder: Entity = {
        "@id": f"https://ror.org/{ror}" if ror else f"#funder-{slug(entry['funder'])}",
        "@type": "Organization",
        "name": entry["funder"],
        "url": f"https://ror.org/{ror}" if ror else None,
        "identifier": f"award {entry['award']}" if entry.get("award") else None,
    }
    return graph.add(funder)


# --------------------------------------------------------------------------------------------- data entities


def _kinds(
    graph: _Graph, artifacts: Sequence[Artifact], lineage: Lineage, here: Mapping[str, Artifact]
) -> list[dict[str, str]]:
    parts = []
    for kind, (title, description) in _KIND_TITLES.items():
        members = [artifact for artifact in artifacts if artifact.kind == kind]
        if members:
            inside = [_version(graph, artifact, lineage, here) for artifact in members]
            folder = {"@id": f"{members[0].folder}/", "@type": "Dataset", "name": title, "description": description}
            parts.append(graph.add({**folder, "hasPart": inside}))
    return parts


def _version(graph: _Graph, artifact: Artifact, lineage: Lineage, here: Mapping[str, Artifact]) -> dict[str, str]:
    digests = read_manifest(artifact.path / MANIFEST)
    base = f"{artifact.place}/"
    arrays = sorted({name.split("/")[0] for name in digests if ".ome.zarr/" in name})
    plain = [name for name in sorted(digests) if ".ome.zarr/" not in name]
    parts = [_array(graph, artifact, name) for name in arrays]
    parts += [
        _file(graph, base + name, f"{artifact.ref} {name}", (artifact.path / name).stat().st_size, digests[name])
        for name in plain
    ]
    size = (artifact.path / MANIFEST).stat().st_size
    parts.append(_file(graph, base + MANIFEST, f"{artifact.ref} manifest", size, artifact.digest.split(":")[1]))
    record = lineage.producer(artifact.digest)
    based_on = [{"@id": f"{here[p['digest']].place}/"} for p in lineage.parents(artifact.digest) if p["digest"] in here]
    return graph.add(
        {
            "@id": base,
            "@type": "Dataset",
            "name": f"{artifact.ref} ({artifact.kind})",
            "description": describe(artifact),
            "version": str(artifact.version),
            "identifier": artifact.digest,
            "dateCreated": _time(record["ended"]) if record else None,
            "creator": _creators(graph, artifact),
            "isBasedOn": based_on,
            "hasPart": parts,
        }
    )


def _creators(graph: _Graph, artifact: Artifact) -> list[dict[str, str]]:
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
        words.append(f"classes {', '.join(artifact.classes.values())}, {len(artifact.sessions)} labelling sessions")
    title = _KIND_TITLES[artifact.kind][0].rstrip("s").lower()
    return f"Version {artifact.version} of the {title} {artifact.name}: {'; '.join(words) or 'see its files'}."


def _array(graph: _Graph, artifact: Artifact, name: str) -> dict[str, str]:
    text = "One multiscale array. Its files are listed with their sha256 in the manifest of this version."
    page = {"@id": "https://ngff.openmicroscopy.org/0.5/", "@type": "WebSite", "name": "OME-Zarr 0.5"}
    return graph.add(
        {
            "@id": f"{artifact.place}/{name}/",
            "@type": "Dataset",
            "name": f"{artifact.ref} {name}",
            "description": text,
            "encodingFormat": ["application/vnd+zarr", graph.add(page)],
        }
    )


def _file(graph: _Graph, path: str, name: str, size: int | None, sha256: str | None) -> dict[str, str]:
    value, page = encoding(path)
    if page:
        graph.add(page)
    entity: Entity = {"@id": path, "@type": "File", "name": name, "encodingFormat": value}
    return graph.add(entity | ({"contentSize": str(size)} if size else {}) | ({"sha256": sha256} if sha256 else {}))


def _records(graph: _Graph, records: Sequence[Record], actions: Sequence[dict[str, str]]) -> dict[str, str]:
    files = []
    for record, action in zip(records, actions, strict=True):
        files.append(_file(graph, record_path(record), f"Record {record['number']}: {record['step']}", None, None))
        graph.entities[record_path(record)]["about"] = action
    text = "One JSON file a run; each holds the digest of the one before it."
    return graph.add(
        {"@id": f"{FOLDER}/", "@type": "Dataset", "name": "Run records", "description": text, "hasPart": files}
    )


def record_path(record: Record) -> str:
    """Return the path of a record inside the project."""
    return f"{FOLDER}/{record['number']:06d}-{record['step']}.json"


# --------------------------------------------------------------------------------------------------- actions


def _action(graph: _Graph, record: Record, here: Mapping[str, Artifact]) -> dict[str, str]:
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
            "instrument": _instrument(graph, record["instrument"]),
            "object": [_used(graph, use, here) for use in record["inputs"]] + _parameters(graph, action, record),
            "result": results,
        }
    )


def _instrument(graph: _Graph, instrument: Mapping[str, str]) -> dict[str, str]:
    version = instrument.get("version") or instrument.get("sha256", "not recorded")[:12]
    own = instrument["name"].startswith("sidecrate ")
    name = slug(instrument["name"])
    return graph.add(
        {
            "@id": f"{SOFTWARE_URL}:{name.removeprefix('sidecrate-')}:{version}" if own else f"#{name}-{slug(version)}",
            "@type": "SoftwareApplication",
            "name": instrument["name"],
            "softwareVersion": version,
            "url": SOFTWARE_URL if own else f"#{name}",
        }
    )


def _used(graph: _Graph, use: Mapping[str, Any], here: Mapping[str, Artifact]) -> dict[str, str]:
    """Return the entity of an input or output; what is not in this crate is described by name and digest."""
    if use["digest"] in here:
        return {"@id": f"{here[use['digest']].place}/"}
    return graph.add(
        {
            "@id": f"#{use['digest'].replace(':', '-')}",
            "@type": "CreativeWork",
            "name": use.get("ref") or use["name"],
            "description": f"{use['kind']}, not contained in this crate",
            "identifier": use["digest"],
        }
    )


def _parameters(graph: _Graph, action: str, record: Record) -> list[dict[str, str]]:
    return [
        graph.add(
            {
                "@id": f"{action}/{name}",
                "@type": "PropertyValue",
                "name": name,
                "value": value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False),
            }
        )
        for name, value in record["parameters"].items()
    ]


def _time(utc: str) -> str:
    return re.sub(r"Z$", "+00:00", utc)


def contained(document: Mapping[str, Any]) -> Iterable[Entity]:
    """Yield the entities of a crate that are files or folders of it."""
    for entity in document["@graph"]:
        kinds = entity.get("@type", [])
        kinds = kinds if isinstance(kinds, list) else [kinds]
        local = not re.match(r"[a-z][a-z0-9+.-]*:|#", entity.get("@id", ""))
        if local and {"File", "Dataset"} & set(kinds) and entity["@id"] != "./":
            yield entity
