# SPDX-License-Identifier: Apache-2.0
"""A citation as Dataverse's metadata, and whether the server kept what it was told.

The server drops unknown names without a word and crashes on what its blocks do not foresee, so fields are built from
the blocks it describes. What it cannot hold, or asks for and nobody has said, is a finding.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sidecrate.errors import Finding
from sidecrate.publish.cite import Citation, Name, Relation
from sidecrate.publish.repositories.dataverse_blocks import FieldType
from sidecrate.publish.repositories.inveniordm_metadata import differences as plain_differences

Json = dict[str, Any]
Types = Mapping[str, FieldType]

SUBJECT = "Medicine, Health and Life Sciences"
_OTHER = "Other"
_SOURCES = ("IsDerivedFrom", "Requires", "IsCompiledBy")
_PLACES = {"Apache-2.0": "apache.org/licenses/license-2.0", "CC0-1.0": "creativecommons.org/publicdomain/zero/1.0"}
_TABLE = "the [repositories.NAME] table"


def metadata(
    cited: Citation, types: Types, licences: Sequence[Mapping[str, Any]], *, project: str, options: Mapping[str, Any]
) -> tuple[Json, list[Finding]]:
    """Return a ``datasetVersion``, and a finding for everything it cannot hold or lacks.

    Parameters
    ----------
    cited : Citation
        Of the package as a whole.
    types : mapping of str to FieldType
        The blocks of the collection.
    licences : sequence of mapping
        Those of the server.
    project : str
        Identifier of the project, by which a dataset is found again.
    options : mapping
        `contact_email`, `contact_name`, `subject`, `organism`, `cell_type` of the repository's table.
    """
    found: list[Finding] = []
    said = {**_citation(cited, project, options, found), **_life_sciences(types, options)}
    fields = [made for name, value in said.items() if (made := _field(name, value, types, found)) is not None]
    blocks: Json = {}
    for made in fields:
        blocks.setdefault(types[made["typeName"]].block, {"fields": []})["fields"].append(made)
    found += _required({made["typeName"]: made["value"] for made in fields}, types)
    found += [_lacking(what) for what in cited.missing if not what.startswith(("DOI", "publisher"))]
    return {**_terms(cited.license, licences, found), "metadataBlocks": blocks}, found


def _citation(cited: Citation, project: str, options: Mapping[str, Any], found: list[Finding]) -> Json:
    """Return name → value of the citation block, in plain form: compounds are lists of child → text."""
    contact = next((name.name for name, role in cited.contributors if role == "ContactPerson"), None)
    contact = options.get("contact_name") or contact or next((_named(name) for name in cited.authors), None)
    email = options.get("contact_email")
    sources = [relation for relation in cited.relations if relation.type in _SOURCES]
    others = [one for one in cited.relations if one.type not in _SOURCES and one.urn != project]
    return {
        "title": cited.title,
        "otherId": [{"otherIdAgency": "sidecrate", "otherIdValue": project}],
        "author": [_author(name, found) for name in cited.authors],
        "datasetContact": [{"datasetContactName": contact, "datasetContactEmail": email}] if email else [],
        "dsDescription": [{"dsDescriptionValue": cited.description, "dsDescriptionDate": cited.date}],
        "subject": [one.strip() for one in str(options.get("subject", SUBJECT)).split(";")],
        "keyword": [{"keywordValue": keyword} for keyword in cited.keywords],
        "contributor": [_contributor(name, role, found) for name, role in cited.contributors],
        "grantNumber": [_grant(entry, found) for entry in cited.funding],
        "productionDate": cited.date,
        "dataSources": [_related(relation) for relation in sources],
        "relatedMaterial": [_related(relation) for relation in others],
    }


def _life_sciences(types: Types, options: Mapping[str, Any]) -> Json:
    """Return fields of the life sciences block, where a collection has it and the table says something."""
    organism, known = options.get("organism"), types.get("studyAssayOrganism")
    said: Json = {"studyAssayCellType": options.get("cell_type")} if "studyAssayCellType" in types else {}
    if known is None or organism is None:
        return said
    is_listed = not known.values or organism in known.values
    listed = {"studyAssayOrganism": organism if is_listed else _OTHER}
    return {**said, **listed, **({} if is_listed else {"studyAssayOtherOrganism": organism})}


def _named(name: Name) -> str:
    return f"{name.family}, {name.given}" if name.family and name.given else name.name


def _author(name: Name, found: list[Finding]) -> Json:
    if name.ror:
        found.append(_lost(f"affiliation of {name.name}", "the ROR id of an affiliation", "its name is sent"))
    orcid = {"authorIdentifierScheme": "ORCID", "authorIdentifier": name.orcid} if name.orcid else {}
    return {"authorName": _named(name), "authorAffiliation": name.affiliation, **orcid}


def _contributor(name: Name, role: str, found: list[Finding]) -> Json:
    if name.orcid:
        found.append(_lost(f"contributor {name.name}", "the ORCID iD of a contributor", "the name is sent"))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", role)  # DataCollector → Data Collector
    return {"contributorType": words, "contributorName": _named(name)}


def _grant(entry: Mapping[str, str], found: list[Finding]) -> Json:
    if entry.get("ror"):
        found.append(_lost(f"funder {entry['funder']}", "the ROR id of a funder", "its name is sent"))
    return {"grantNumberAgency": entry["funder"], "grantNumberValue": entry.get("award")}


def _related(relation: Relation) -> str:
    place = f"https://doi.org/{relation.doi}" if relation.doi else relation.url or relation.urn
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", relation.type).capitalize()
    return f"{words}: {relation.title}" + (f" ({place})" if place else "")


def _lost(where: str, what: str, instead: str) -> Finding:
    return Finding("advice", "metadata.lost", where, f"Dataverse cannot hold {what}", f"{instead}; the crate has both")


def _lacking(what: str) -> Finding:
    name, _, advice = what.partition(": ")
    return Finding("advice", "metadata.missing", name, "not said", advice)


# ---------------------------------------------------------------------------------------- fields as a block asks


def _field(name: str, value: Any, types: Types, found: list[Finding]) -> Json | None:
    """Return a field in the form the server takes, None when there is nothing to say."""
    kind = types.get(name)
    values = [one for one in (value if isinstance(value, list) else [value]) if one not in (None, "")]
    if kind is None:
        if values:
            advice = "it stays in the crate"
            found.append(Finding("warning", "metadata.lost", name, "this server has no such field", advice))
        return None
    made = [one for one in (_value(kind, value, found) for value in values) if one]
    if not made:
        return None
    if len(made) > 1 and not kind.is_multiple:
        left = f"it takes one value, {len(made)} were to be sent"
        found.append(Finding("warning", "metadata.lost", name, left, "the first is sent, the crate has all"))
    return _typed(kind, made if kind.is_multiple else made[0])


def _value(kind: FieldType, value: Any, found: list[Finding]) -> Any:
    if kind.kind == "compound":
        children = {
            name: _value(kind.children[name], one, found)
            for name, one in value.items()
            if one and name in kind.children
        }
        return {name: _typed(kind.children[name], one) for name, one in children.items() if one}
    text = str(value)
    return text if not kind.values or text in kind.values else _from_vocabulary(kind, text, found)


def _from_vocabulary(kind: FieldType, text: str, found: list[Finding]) -> str | None:
    """Return the value a vocabulary has instead of one it does not know."""
    same = next((one for one in kind.values if one.lower() == text.lower()), None)
    if same is not None:
        return same
    taken = _OTHER if _OTHER in kind.values else None
    nearest = ", ".join(difflib.get_close_matches(text, kind.values, n=3, cutoff=0.3))
    instead = f"{taken} is sent instead" if taken else "it is left out"
    advice = f"{instead}; it offers {nearest}" if nearest else instead
    found.append(Finding("warning", "metadata.vocabulary", kind.name, f"the server does not know {text}", advice))
    return taken


def _typed(kind: FieldType, value: Any) -> Json:
    listed = [value] if kind.is_multiple and not isinstance(value, list) else value
    return {"typeName": kind.name, "typeClass": kind.kind, "multiple": kind.is_multiple, "value": listed}


def _required(sent: Mapping[str, Any], types: Types) -> Iterator[Finding]:
    """Yield a finding for each field that has to be there and is not."""
    for kind in types.values():
        value = sent.get(kind.name)
        if kind.is_required and value is None:
            yield _needed(kind.name)
        entries = value if isinstance(value, list) else [value or {}]
        for child in kind.children.values():
            if child.is_required and not all(child.name in entry for entry in entries):
                yield _needed(child.name)


def _needed(name: str) -> Finding:
    known = {
        "datasetContactEmail": f"set contact_email in {_TABLE}",
        "authorName": "add [[people]] to sidecrate.toml",
        "subject": f"set subject in {_TABLE} to a value of the server",
    }
    advice = known.get(name, "choose another collection, or ask its people whether it has to be")
    return Finding("error", "metadata.required", name, "the collection asks for it and it is not said", advice)


# ------------------------------------------------------------------------------------------------------ licence


def _terms(spdx: str | None, licences: Sequence[Mapping[str, Any]], found: list[Finding]) -> Json:
    if not spdx:
        advice = "set license in sidecrate.toml; without one it cannot be published"
        found.append(Finding("warning", "metadata.licence", "license", "none is said", advice))
        return {}
    licence = next((one for one in licences if one.get("active", True) and _is_licence(one, spdx)), None)
    if licence is not None:
        return {"license": {"name": licence["name"], "uri": licence["uri"]}}
    offered = difflib.get_close_matches(spdx, [str(one.get("name")) for one in licences], n=3, cutoff=0.0)
    advice = f"it is sent as terms of use; it offers {', '.join(offered) or 'none'}"
    found.append(Finding("warning", "metadata.licence", "license", f"the server does not know {spdx}", advice))
    return {"termsOfUse": f"{spdx} (https://spdx.org/licenses/{spdx})" if re.fullmatch(r"[\w.+-]+", spdx) else spdx}


def _is_licence(offered: Mapping[str, Any], spdx: str) -> bool:
    """Return whether a licence on offer is the one of an SPDX identifier: by its name or by its address."""
    place = re.sub(r"^https?://(www\.)?|/(legalcode)?$", "", str(offered.get("uri", ""))).lower()
    words = re.sub(r"[^a-z0-9]", "", str(offered.get("name", "")).lower())
    creative = re.fullmatch(r"cc-(by(?:-nc|-nd|-sa)*)-([\d.]+)", spdx.lower())
    if creative and place == f"creativecommons.org/licenses/{creative[1]}/{creative[2]}":
        return True
    is_place = place in (_PLACES.get(spdx), f"opensource.org/licenses/{spdx.lower()}")
    return is_place or words == re.sub(r"[^a-z0-9]", "", spdx.lower())


# ---------------------------------------------------------------------------------------------- sent and kept


def fields_of(version: Mapping[str, Any]) -> Iterator[Json]:
    """Yield the fields of a ``datasetVersion``, whatever their block."""
    for block in (version.get("metadataBlocks") or {}).values():
        yield from (one for one in block.get("fields", []) if isinstance(one, dict) and "typeName" in one)


def plain(fields: Iterable[Mapping[str, Any]]) -> Json:
    """Return name → value of fields, without what only says how they are typed."""
    return {str(one["typeName"]): _plain(one.get("value")) for one in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return plain(value.values()) if isinstance(value, dict) else value


def differences(sent: Mapping[str, Any], kept: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding for each thing a version does not say as it was sent."""
    yield from plain_differences(plain(fields_of(sent)), plain(fields_of(kept)))
    wanted, there = sent.get("license") or {}, kept.get("license") or {}
    named = there.get("name") if isinstance(there, Mapping) else there
    if wanted and wanted.get("name") != named:
        message = f"sent {wanted.get('name')}, the repository has {named or 'none'}"
        yield Finding("warning", "metadata.changed", "metadata.license", message, "set it there")
