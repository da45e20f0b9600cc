# SPDX-License-Identifier: Apache-2.0
"""A citation as text, BibTeX, CSL-JSON, CITATION.cff and DataCite 4.5 JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sidecrate.publish.cite import KINDS, Citation, Name, Relation

Json = dict[str, Any]

_TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX["\\"] = r"\textbackslash{}"
_SPDX = "https://spdx.org/licenses/"
# DataCite 4.5, appendix 3: standard values for what is not known
_UNKNOWN, _LATER = "(:unkn)", "(:tba)"


def _said(values: Json) -> Json:
    """Return a mapping without what nobody has said."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {}, ())}


# -------------------------------------------------------------------------------------------------- text


def text(cited: Citation) -> str:
    """Return one line in the manner of APA 7: authors, year, title, version, publisher, identifier, annotators."""
    year = cited.date[:4] if cited.date else "n.d."
    where = f"https://doi.org/{cited.doi}" if cited.doi else cited.url or cited.digest
    line = f"{_people(cited.authors)}({year}). {cited.title} (Version {cited.version}) [{_type(cited)}]. "
    line += f"{cited.publisher}. " if cited.publisher else ""
    line += where if where.startswith("http") else f"{where}."
    annotators = ", ".join(_initials(name) for name in cited.annotators)
    return f"{line} Labels painted by {annotators}" + ("" if annotators.endswith(".") else ".") if annotators else line


def _type(cited: Citation) -> str:
    return {"Model": "Trained model", "Image": "Image volume"}.get(cited.kind, "Data set")


def _people(names: Sequence[Name]) -> str:
    listed = [_initials(name) for name in names]
    joined = ", ".join(listed[:-1]) + f", & {listed[-1]}" if len(listed) > 1 else "".join(listed)
    return f"{joined} " if joined else ""


def _initials(name: Name) -> str:
    """Return ``Carberry, J.``; the name as it stands when its parts are not known apart."""
    if not (name.family and name.given):
        return name.name
    return f"{name.family}, {' '.join(f'{part[0]}.' for part in name.given.split())}"


# ------------------------------------------------------------------------------------------------ BibTeX


def bibtex(cited: Citation) -> str:
    """Return a ``@misc`` entry, which every style knows."""
    first = cited.authors[0].family or cited.authors[0].name if cited.authors else cited.kind
    key = re.sub(r"[^a-z0-9]+", "", first.lower()) + re.sub(r"[^a-z0-9]+", "-", cited.ref.lower())
    annotators = " and ".join(_tex(name.name) for name in cited.annotators)
    fields = {
        "author": " and ".join(_bibtex_name(name) for name in cited.authors),
        "title": f"{{{_tex(cited.title)}}}",
        "year": cited.date[:4] if cited.date else None,
        "month": str(int(cited.date[5:7])) if cited.date else None,
        "version": cited.version,
        "publisher": _tex(cited.publisher or ""),
        "doi": cited.doi,
        "url": f"https://doi.org/{cited.doi}" if cited.doi else cited.url,
        "note": "; ".join(filter(None, [cited.digest, f"labels painted by {annotators}" if annotators else ""])),
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in _said(fields).items())
    return f"@misc{{{key},\n{lines}\n}}\n"


def _bibtex_name(name: Name) -> str:
    return f"{_tex(name.family)}, {_tex(name.given)}" if name.family and name.given else f"{{{_tex(name.name)}}}"


def _tex(value: str) -> str:
    return "".join(_TEX.get(char, char) for char in value)


# -------------------------------------------------------------------------------------------------- CSL


def csl(cited: Citation) -> str:
    """Return CSL-JSON 1.0.2: what Zotero, pandoc and citeproc read."""
    item = {
        "id": cited.ref,
        "type": "dataset",
        "title": cited.title,
        "author": [_csl_name(name) for name in cited.authors],
        "contributor": [_csl_name(name) for name, _ in cited.contributors],
        "issued": {"date-parts": [[int(part) for part in cited.date.split("-")]]} if cited.date else None,
        "version": cited.version,
        "publisher": cited.publisher,
        "DOI": cited.doi,
        "URL": cited.url,
        "genre": KINDS[cited.kind][0],
        "abstract": cited.description,
        "keyword": ", ".join(cited.keywords),
        "note": cited.digest,
    }
    return _json([_said(item)])


def _csl_name(name: Name) -> Json:
    if name.family and name.given:
        return {"family": name.family, "given": name.given}
    return {"literal": name.name}


# -------------------------------------------------------------------------------------------------- CFF


def cff(cited: Citation) -> str:
    """Return ``CITATION.cff`` 1.2.0; it has no roles, so the annotators are named in the abstract."""
    annotators = ", ".join(name.name for name in cited.annotators)
    what = "identifier of the project" if cited.digest.startswith("urn:") else "sha256 of the manifest of this version"
    identifiers = [{"type": "other", "value": cited.digest, "description": what}]
    if cited.doi:
        identifiers.insert(0, {"type": "doi", "value": cited.doi, "description": "DOI of the deposit"})
    document = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them as below.",
        "type": "dataset",
        "title": cited.title,
        "abstract": f"{cited.description} {f'Labels painted by {annotators}.' if annotators else ''}".strip(),
        "authors": [_cff_name(name) for name in cited.authors] or [{"name": "Authors not stated"}],
        "version": cited.version,
        "date-released": cited.date,
        "license": cited.license if re.fullmatch(r"[\w.+-]+", cited.license or "") else None,
        "doi": cited.doi,
        "url": cited.url,
        "keywords": list(dict.fromkeys(cited.keywords)),
        "identifiers": identifiers,
    }
    return "\n".join(_yaml(_said(document))) + "\n"


def _cff_name(name: Name) -> Json:
    orcid = f"https://orcid.org/{name.orcid}" if name.orcid else None
    if name.family and name.given:
        person = {"family-names": name.family, "given-names": name.given, "affiliation": name.affiliation}
        return _said({**person, "orcid": orcid})
    return _said({"name": name.name, "orcid": orcid})


def _yaml(mapping: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a mapping; scalars are written as JSON strings, which YAML 1.2 reads the same."""
    for key, value in mapping.items():
        if isinstance(value, list):
            yield f"{key}:"
            yield from (f"  - {json.dumps(item, ensure_ascii=False)}" for item in value)
        else:
            yield f"{key}: {json.dumps(value, ensure_ascii=False)}"


# ---------------------------------------------------------------------------------------------- DataCite


def datacite(cited: Citation) -> str:
    """Return DataCite 4.5 JSON; what must be there and is not known yet has the schema's own standard value."""
    document = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "doi": cited.doi,
        "url": cited.url,
        "types": {"resourceTypeGeneral": KINDS[cited.kind][1], "resourceType": KINDS[cited.kind][0]},
        "creators": [_datacite_name(name) for name in cited.authors] or [{"name": _UNKNOWN}],
        "titles": [{"title": cited.title}],
        "publisher": {"name": cited.publisher or _LATER},
        "publicationYear": cited.date[:4] if cited.date else _UNKNOWN,
        "contributors": [{**_datacite_name(name), "contributorType": role} for name, role in cited.contributors],
        "dates": [{"date": cited.date, "dateType": "Created"}] if cited.date else [],
        "version": cited.version,
        "alternateIdentifiers": [
            {"alternateIdentifier": cited.digest, "alternateIdentifierType": "sha256 of the version's manifest"}
        ],
        "relatedIdentifiers": [found for relation in cited.relations if (found := _related_identifier(relation))],
        "relatedItems": [_related_item(relation) for relation in cited.relations if not _related_identifier(relation)],
        "rightsList": [_rights(cited.license)] if cited.license else [],
        "descriptions": [{"description": cited.description, "descriptionType": "Abstract"}],
        "subjects": [{"subject": keyword} for keyword in cited.keywords],
        "fundingReferences": [_funding(entry) for entry in cited.funding],
    }
    return _json(_said(document))


def _datacite_name(name: Name) -> Json:
    parts = name.family and name.given
    orcid = {"nameIdentifierScheme": "ORCID", "schemeUri": "https://orcid.org/"}
    affiliation: Json = _said({"name": name.affiliation})
    if affiliation and name.ror:
        affiliation |= {
            "affiliationIdentifier": f"https://ror.org/{name.ror}",
            "affiliationIdentifierScheme": "ROR",
            "schemeUri": "https://ror.org/",
        }
    return _said(
        {
            "name": f"{name.family}, {name.given}" if parts else name.name,
            "nameType": "Personal",
            "givenName": name.given if parts else None,
            "familyName": name.family if parts else None,
            "nameIdentifiers": [{"nameIdentifier": f"https://orcid.org/{name.orcid}", **orcid}] if name.orcid else [],
            "affiliation": [affiliation] if affiliation else [],
        }
    )


def _related_identifier(relation: Relation) -> Json | None:
    if relation.doi:
        return {
            "relatedIdentifier": relation.doi,
            "relatedIdentifierType": "DOI",
            "relationType": relation.type,
        }
    known = {"URN": relation.urn, "URL": relation.url}
    for kind, value in known.items():
        if value:
            return {"relatedIdentifier": value, "relatedIdentifierType": kind, "relationType": relation.type}
    return None


def _related_item(relation: Relation) -> Json:
    """Return a relation to what has no identifier that DataCite knows: by title and version."""
    item = {
        "relatedItemType": relation.general,
        "relationType": relation.type,
        "titles": [{"title": relation.title}],
        "volume": f"version {relation.version}" if relation.version else None,
    }
    return _said(item)


def _rights(license_id: str) -> Json:
    if not re.fullmatch(r"[\w.+-]+", license_id):
        return {"rights": license_id}
    scheme = {"rightsIdentifierScheme": "SPDX", "schemeUri": _SPDX}
    return {"rights": license_id, "rightsUri": _SPDX + license_id, "rightsIdentifier": license_id, **scheme}


def _funding(entry: Mapping[str, str]) -> Json:
    ror = entry.get("ror")
    identifier = {"funderIdentifier": f"https://ror.org/{ror}", "funderIdentifierType": "ROR"} if ror else {}
    return _said({"funderName": entry["funder"], **identifier, "awardNumber": entry.get("award")})


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Citation], str]] = {
    "text": text,
    "bibtex": bibtex,
    "csl": csl,
    "cff": cff,
    "datacite": datacite,
}
