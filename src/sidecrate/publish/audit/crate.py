# SPDX-License-Identifier: Apache-2.0
"""The crate: RO-Crate 1.1 and Process Run Crate 0.5, rule by rule, against the files that are there."""

from __future__ import annotations

import re
import warnings
from collections.abc import Generator, Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import unquote

from sidecrate.errors import Finding, Severity
from sidecrate.provenance.crate import METADATA, PREVIEW, PROCESS_RUN
from sidecrate.provenance.entities import NO_LICENSE
from sidecrate.publish.audit.subject import Subject
from sidecrate.publish.audit.vocabulary import check_vocabulary

Entity = dict[str, Any]

_DERIVE = "derive the crate again: `sidecrate status` in the project"
_SAY_WHO = "name people in sidecrate.toml or set SIDECRATE_WHO before the next run; this record stays as it is"
_PERMALINK = re.compile(r"https://w3id\.org/ro/crate/1\.\d(-DRAFT)?")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?")
_ACTIONS = {"CreateAction", "UpdateAction", "ActivateAction"}


def check_crate(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with ``ro-crate-metadata.json``."""
    document = subject.crate
    if document is None:
        yield _error("crate.missing", METADATA, "there is no readable crate")
        return
    graph = document.get("@graph")
    if not isinstance(graph, list) or not all(isinstance(entity, dict) for entity in graph):
        yield _error("crate.graph", METADATA, "@graph is not a list of entities")
        return
    yield from _shape(graph)
    yield from check_vocabulary(document, METADATA)
    entities = {entity["@id"]: entity for entity in graph if isinstance(entity.get("@id"), str)}
    root = yield from _root(entities)
    if root is not None:
        yield from _data(subject, entities, root)
        yield from _actions(entities, root)
        yield from _credit(entities, root)
    yield from _second_opinion(document)


def _at(name: str) -> str:
    return f"{METADATA}#{name.removeprefix('#')}"


def _error(code: str, where: str, message: str, advice: str = _DERIVE, severity: Severity = "error") -> Finding:
    return Finding(severity, code, where, message, advice)


def _shape(graph: list[Entity]) -> Iterator[Finding]:
    """Yield entities that are not flat JSON-LD: id and type, no id twice, nothing nested."""
    seen: set[str] = set()
    for number, entity in enumerate(graph):
        where = f"{METADATA}#/@graph/{number}"
        name = entity.get("@id")
        if not isinstance(name, str) or not entity.get("@type"):
            yield _error("crate.entity", where, "an entity without @id or @type")
            continue
        if name in seen:
            yield _error("crate.duplicate", where, f"{name} is there twice")
        seen.add(name)
        nested = [key for key, value in entity.items() if any(set(ref) != {"@id"} for ref in _dicts(value))]
        for key in nested:
            yield _error("crate.nested", where, f"{name}: {key} holds an entity instead of a reference to one")


def _root(entities: dict[str, Entity]) -> Generator[Finding, None, Entity | None]:
    """Yield what is wrong with descriptor and root, and return the root, None when there is none."""
    descriptor = entities.get(METADATA, {})
    if "CreativeWork" not in _types(descriptor):
        yield _error("crate.descriptor", METADATA, "no metadata descriptor of type CreativeWork (RO-Crate 1.1 §2.4)")
    if not any(_PERMALINK.fullmatch(ref) for ref in _refs(descriptor, "conformsTo")):
        yield _error("crate.descriptor", METADATA, "the descriptor conforms to no version of RO-Crate")
    about = _refs(descriptor, "about")
    root = entities.get(about[0]) if about else None
    if root is None or "Dataset" not in _types(root) or not root["@id"].endswith("/"):
        yield _error("crate.root", METADATA, "the descriptor is about no root Dataset")
        return None
    for key in ("name", "description", "datePublished", "license"):
        if not root.get(key):
            yield _error("crate.root", _at(root["@id"]), f"the root has no {key}")
    if root.get("datePublished") and not _DATE.fullmatch(str(root["datePublished"])):
        yield _error("crate.date", _at(root["@id"]), "datePublished is not an ISO 8601 date")
    return root


def _data(subject: Subject, entities: dict[str, Entity], root: Entity) -> Iterator[Finding]:
    """Yield data entities that are not there, not reached by hasPart, or not as described."""
    reached = _reached(entities, root)
    for name, entity in entities.items():
        if not {"File", "Dataset"} & _types(entity) or entity is root or not _is_local(name):
            continue
        path = unquote(name).removeprefix("./")
        where = _at(name)
        if path.endswith("/"):
            if not any(file.startswith(path) for file in subject.tree.sizes):
                yield _error("crate.absent", where, "the crate describes a folder that is not there")
        elif path not in subject.tree.sizes:
            yield _error("crate.absent", where, "the crate describes a file that is not there")
        else:
            yield from _facts(subject, entity, path, where)
        if name not in reached and name != PREVIEW:
            yield _error("crate.unreachable", where, "no chain of hasPart leads to it from the root")
    for name, entity in entities.items():
        for ref in {ref for key in entity if key != "@id" for ref in _refs(entity, key)}:
            if _is_dangling(ref, entities):
                message = f"refers to {ref}, which nothing describes"
                yield _error("crate.dangling", _at(name), message, severity="warning")


def _facts(subject: Subject, entity: Entity, path: str, where: str) -> Iterator[Finding]:
    if "sha256" in entity and path in subject.sha256 and entity["sha256"] != subject.sha256[path]:
        yield _error("crate.sha256", where, "the file does not have the sha256 the crate states")
    if "contentSize" in entity and str(entity["contentSize"]) != str(subject.tree.sizes[path]):
        yield _error("crate.size", where, f"the file has {subject.tree.sizes[path]} bytes, the crate states otherwise")


def _actions(entities: dict[str, Entity], root: Entity) -> Iterator[Finding]:
    """Yield what Process Run Crate 0.5 asks of a crate that claims it."""
    if PROCESS_RUN not in _refs(root, "conformsTo"):
        return
    if PROCESS_RUN not in entities:
        yield _error("crate.profile", METADATA, f"no entity describes the profile {PROCESS_RUN}")
    mentioned = set(_refs(root, "mentions"))
    for name, entity in entities.items():
        if not _ACTIONS & _types(entity):
            continue
        where = _at(name)
        if not any(ref in entities for ref in _refs(entity, "instrument")):
            yield _error("crate.action", where, "the action has no instrument that is described")
        for key in ("name", "endTime", "agent"):
            if not entity.get(key):
                advice = _SAY_WHO if key == "agent" else _DERIVE
                yield _error("crate.action", where, f"the action has no {key}", advice, severity="warning")
        if name not in mentioned:
            yield _error("crate.action", where, "the root does not mention the action", severity="warning")
        if entity.get("endTime") and not _DATE.fullmatch(str(entity["endTime"])):
            yield _error("crate.date", where, "endTime is not an ISO 8601 time")


def _credit(entities: dict[str, Entity], root: Entity) -> Iterator[Finding]:
    """Yield what is missing for others to reuse and cite: licence, authors, identifiers of people."""
    where, fix = _at(root["@id"]), "complete sidecrate.toml"
    if NO_LICENSE in _refs(root, "license"):
        yield _error("credit.license", where, "no licence is stated: nobody may reuse this", fix, "warning")
    if not (_refs(root, "author") or _refs(root, "creator")):
        yield _error("credit.author", where, "nobody is named as author: it cannot be cited", fix, "warning")
    for name, entity in entities.items():
        if "Person" in _types(entity) and not name.startswith("https://orcid.org/"):
            message = f"{entity.get('name', name)} has no ORCID iD"
            yield _error("credit.orcid", _at(name), message, fix, "advice")


def _second_opinion(document: dict[str, Any]) -> Iterator[Finding]:
    """Yield a finding when ro-crate-py, the library a stranger would use, cannot read the crate."""
    from rocrate.rocrate import ROCrate

    try:
        with warnings.catch_warnings(action="ignore"):  # what it warns of is checked above
            ROCrate(deepcopy(document))  # it takes the ids out of what it is given
    except Exception as error:  # whatever the library trips over is the finding
        yield _error("crate.rocrate", METADATA, f"ro-crate-py cannot read it ({type(error).__name__}: {error})")


# ------------------------------------------------------------------------------------------- reading JSON-LD


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict) and "@value" not in item]


def _types(entity: Entity) -> set[str]:
    return {kind for kind in _list(entity.get("@type", [])) if isinstance(kind, str)}


def _refs(entity: Entity, key: str) -> list[str]:
    return [ref["@id"] for ref in _dicts(entity.get(key)) if isinstance(ref.get("@id"), str)]


def _is_local(name: str) -> bool:
    return not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|#|//", name)


def _is_dangling(ref: str, entities: dict[str, Entity]) -> bool:
    return ref not in entities and (_is_local(ref) or ref.startswith("#"))


def _reached(entities: dict[str, Entity], root: Entity) -> set[str]:
    reached: set[str] = set()
    queue = [root]
    while queue:
        for ref in _refs(queue.pop(), "hasPart"):
            if ref not in reached:
                reached.add(ref)
                queue += [entities[ref]] if ref in entities else []
    return reached
