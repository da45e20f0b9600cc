# SPDX-License-Identifier: Apache-2.0
"""A citation as InvenioRDM's metadata, and whether the server kept what it was told.

What it cannot hold, or holds in another form, is a finding; nothing is left out without a word.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sidecrate.errors import Finding
from sidecrate.publish.cite import KINDS, Citation, Name, Relation
from sidecrate.publish.repositories.vocabularies import Vocabularies

Json = dict[str, Any]

_SPDX = "https://spdx.org/licenses/"
_TOML = "sidecrate.toml"
_OTHER = "other"


def metadata(cited: Citation, known: Vocabularies, *, project: str, publisher: str) -> tuple[Json, list[Finding]]:
    """Return the metadata of a record, and a finding for everything it cannot hold as it is.

    Parameters
    ----------
    cited : Citation
        Of the package as a whole.
    known : Vocabularies
        Those of the server.
    project : str
        Identifier of the project, by which a draft is found again.
    publisher : str
        Name of the repository.
    """
    found: list[Finding] = []
    made = {
        "resource_type": {"id": _resource_type(cited, known, found)},
        "title": cited.title,
        "description": f"<p>{html.escape(cited.description, quote=False)}</p>",
        "publication_date": cited.date,
        "publisher": publisher,
        "version": cited.version,
        "creators": [_person(name, known, found) for name in cited.authors],
        "contributors": [_contributor(name, role, known, found) for name, role in cited.contributors],
        "rights": _rights(cited.license, known, found),
        "subjects": [{"subject": keyword} for keyword in cited.keywords],
        "dates": [{"date": cited.date, "type": {"id": "created"}}] if cited.date else [],
        "identifiers": [{"identifier": project, "scheme": "urn"}],
        "related_identifiers": list(_related(cited.relations, known, found)),
        "funding": [_funding(entry, known, found) for entry in cited.funding],
    }
    found += [_lacking(what) for what in cited.missing if not what.startswith(("DOI", "publisher"))]
    if not cited.authors:
        found.append(Finding("error", "metadata.creators", "creators", "nobody is named", f"add [[people]] to {_TOML}"))
    return {key: value for key, value in made.items() if value not in (None, [])}, found


def _lacking(what: str) -> Finding:
    name, _, advice = what.partition(": ")
    return Finding("advice", "metadata.missing", name, "not said", advice)


def _unknown(found: list[Finding], where: str, what: str, instead: str, nearest: list[str]) -> None:
    offered = f"; it offers {', '.join(nearest)}" if nearest else ""
    advice = f"{instead}{offered}"
    found.append(Finding("warning", "metadata.vocabulary", where, f"the server does not know {what}", advice))


def _resource_type(cited: Citation, known: Vocabularies, found: list[Finding]) -> str:
    wanted = KINDS[cited.kind][1].lower()
    if known.knows("resourcetypes", wanted):
        return wanted
    nearest = known.nearest("resourcetypes", wanted)
    taken = "dataset" if known.knows("resourcetypes", "dataset") else (nearest or [_OTHER])[0]
    _unknown(found, "resource_type", wanted, f"{taken} is sent instead", nearest)
    return taken


# ------------------------------------------------------------------------------------------------ people


def _person(name: Name, known: Vocabularies, found: list[Finding]) -> Json:
    parts = name.family and name.given
    said: Json = {"type": "personal", "family_name": name.family if parts else name.name}
    if parts:
        said["given_name"] = name.given
    if name.orcid:
        said["identifiers"] = [{"scheme": "orcid", "identifier": name.orcid}]
    entry: Json = {"person_or_org": said}
    if name.affiliation:
        entry["affiliations"] = [_affiliation(name, known, found)]
    return entry


def _affiliation(name: Name, known: Vocabularies, found: list[Finding]) -> Json:
    if name.ror and known.knows("affiliations", name.ror):
        return {"id": name.ror}
    if name.ror:
        _unknown(found, f"affiliation of {name.name}", f"ROR id {name.ror}", "its name is sent without the id", [])
    return {"name": name.affiliation}


def _contributor(name: Name, role: str, known: Vocabularies, found: list[Finding]) -> Json:
    wanted = role.lower()
    if not known.knows("contributorsroles", wanted):
        _unknown(
            found,
            f"role of {name.name}",
            wanted,
            f"{_OTHER} is sent instead",
            known.nearest("contributorsroles", wanted),
        )
        wanted = _OTHER
    return {**_person(name, known, found), "role": {"id": wanted}}


# ------------------------------------------------------------------------------- licence, relations, money


def _rights(spdx: str | None, known: Vocabularies, found: list[Finding]) -> list[Json]:
    if not spdx:
        return []
    if re.fullmatch(r"[\w.+-]+", spdx) and known.knows("licenses", spdx.lower()):
        return [{"id": spdx.lower()}]
    _unknown(found, "rights", spdx, "it is sent as text", known.nearest("licenses", spdx.lower()))
    page = {"link": f"{_SPDX}{spdx}"} if re.fullmatch(r"[\w.+-]+", spdx) else {}
    return [{"title": {"en": spdx}, **page}]


def _related(relations: tuple[Relation, ...], known: Vocabularies, found: list[Finding]) -> Iterator[Json]:
    for relation in relations:
        schemes = {"doi": relation.doi, "url": relation.url, "urn": relation.urn}
        scheme, identifier = next(((s, i) for s, i in schemes.items() if i), (None, None))
        kind = relation.type.lower()
        where = f"relation {relation.type} {relation.title}"
        if identifier is None:
            advice = "it stays in the crate; deposit that version too"
            found.append(Finding("warning", "metadata.lost", where, "it has no identifier to send", advice))
        elif not known.knows("relationtypes", kind):
            _unknown(found, where, kind, "it stays in the crate only", known.nearest("relationtypes", kind))
        else:
            yield {"identifier": identifier, "scheme": scheme, "relation_type": {"id": kind}}


def _funding(entry: Mapping[str, str], known: Vocabularies, found: list[Finding]) -> Json:
    ror, award = entry.get("ror"), entry.get("award")
    is_known = bool(ror) and known.knows("funders", str(ror))
    if ror and not is_known:
        _unknown(found, f"funder {entry['funder']}", f"ROR id {ror}", "its name is sent without the id", [])
    made: Json = {"funder": {"id": ror} if is_known else {"name": entry["funder"]}}
    return made | ({"award": {"number": award, "title": {"en": award}}} if award else {})


# ---------------------------------------------------------------------------------------- sent and kept


def differences(sent: Any, kept: Any, where: str = "metadata") -> Iterator[Finding]:
    """Yield a finding for each thing that was sent and is not there, or is there otherwise.

    A server adds to what it is told, titles in many languages above all; that is no difference.
    """
    if isinstance(sent, Mapping) and isinstance(kept, Mapping):
        for key, value in sent.items():
            yield from differences(value, kept.get(key), f"{where}.{key}")
    elif isinstance(sent, list) and isinstance(kept, list):
        yield from _listed(sent, kept, where)
    elif _plain(sent) != _plain(kept):
        shown = "nothing" if kept is None else repr(kept)
        message = f"sent {_short(sent)}, the repository has {shown[:80]}"
        yield Finding("warning", "metadata.changed", where, message, "correct it there, or here and deposit again")


def _listed(sent: list[Any], kept: list[Any], where: str) -> Iterator[Finding]:
    """Compare lists; an entry is there if one of the other list differs from it in nothing."""
    for number, value in enumerate(sent):
        if not any(next(differences(value, other), None) is None for other in kept):
            message = f"sent {_short(value)}, the repository does not have it"
            yield Finding("warning", "metadata.dropped", f"{where}.{number}", message, "correct it there or here")
    if len(kept) > len(sent):
        message = f"the repository has {len(kept)}, {len(sent)} were sent"
        yield Finding("advice", "metadata.added", where, message, "somebody may have added to it")


def _plain(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def _short(value: Any) -> str:
    """Return a value as a person would name it."""
    if isinstance(value, Mapping):
        person = value.get("person_or_org", value)
        telling = ("given_name", "family_name", "name", "identifier", "id", "subject")
        return " ".join(str(person[key]) for key in telling if key in person) or str(dict(value))[:80]
    return repr(value)[:80]


def refused(answer: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a server says it did not take when it saved a draft."""
    for error in answer.get("errors") or ():
        words = " ".join(str(one) for one in error.get("messages", ()))
        advice = "the value was dropped; correct it"
        yield Finding("warning", "metadata.refused", str(error.get("field", "metadata")), words or "refused", advice)


def cited_differences(cited: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what the ``datacite.json`` of a deposit says and the record it lies in does not.

    Parameters
    ----------
    cited : mapping
        DataCite JSON.
    record : mapping
        As the server gives it.
    """
    told = record.get("metadata", {})
    for key, where in (("creators", "creators"), ("contributors", "contributors")):
        there = {_name_of(one.get("person_or_org", {})) for one in told.get(where, [])}
        for name in sorted({str(one.get("name")) for one in cited.get(key, [])} - there):
            yield _dropped(where, name)
    licences = {str(one.get("id") or one.get("title", {}).get("en")).lower() for one in told.get("rights", [])}
    for one in cited.get("rightsList", []):
        if str(one.get("rights")).lower() not in licences:
            yield _dropped("rights", str(one.get("rights")))
    related = {str(one.get("identifier")) for one in told.get("related_identifiers", [])}
    for one in cited.get("relatedIdentifiers", []):
        if str(one.get("relatedIdentifier")) not in related:
            yield _dropped("related_identifiers", str(one.get("relatedIdentifier")))
    named = record.get("pids", {}).get("doi", {}).get("identifier")
    if cited.get("doi") and cited["doi"] != named:
        message = f"datacite.json says {cited['doi']}, the record {named}"
        yield Finding("error", "deposit.doi", "doi", message, "cite what the record says")


def _name_of(person: Mapping[str, Any]) -> str:
    """Return a name as DataCite writes it: Family, Given."""
    parts = [str(person[key]) for key in ("family_name", "given_name") if person.get(key)]
    return ", ".join(parts) or str(person.get("name"))


def _dropped(where: str, what: str) -> Finding:
    message = f"the deposit names {what}, the record does not"
    return Finding("warning", "metadata.dropped", f"metadata.{where}", message, "correct it there")
