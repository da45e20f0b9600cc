# SPDX-License-Identifier: Apache-2.0
"""The metadata of a draft: read, with what is wrong dropped and reported; checked against vocabularies; shown."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from sidecrate.testing.inveniordm import vocabularies
from sidecrate.testing.inveniordm.identifiers import ORGANISATIONS, PEOPLE, WORKS, Errors, error
from sidecrate.testing.inveniordm.identifiers import read as read_identifier
from sidecrate.testing.inveniordm.loading import MISSING, Reader, as_is, edtf, html, list_of, mapping, text, url
from sidecrate.testing.inveniordm.vocabularies import Term

REQUIRED = ("resource_type", "creators", "title", "publication_date")
NO_PUBLISHER = error("metadata.publisher", "Missing publisher field required for DOI registration.")

Json = dict[str, Any]


def _identified(value: Any, path: str, errors: Errors) -> Any:
    """Read ``{"id": …}``; whether the vocabulary has it is looked up afterwards."""
    return mapping({"id": as_is}, ("id",))(value, path, errors)


def _work(value: Any, path: str, errors: Errors) -> Any:
    kept = mapping({"identifier": as_is, "scheme": as_is})(value, path, errors)
    return read_identifier(kept, path, WORKS, errors)


def _relation(value: Any, path: str, errors: Errors) -> Any:
    fields = {"identifier": as_is, "scheme": as_is, "relation_type": _identified, "resource_type": _identified}
    kept = mapping(fields, ("relation_type",))(value, path, errors)
    return read_identifier(kept, path, WORKS, errors)


def _person_or_org(value: Any, path: str, errors: Errors) -> Any:
    names = {key: text() for key in ("type", "name", "given_name", "family_name")}
    kept: Json = mapping({**names, "identifiers": as_is})(value, path, errors)
    kind = kept.get("type")
    if kind not in ("personal", "organizational"):
        errors.append(error(f"{path}.type", "Invalid value. Choose one of ['organizational', 'personal']."))
        return kept
    if kind == "personal" and not kept.get("family_name"):
        errors.append(error(f"{path}.family_name", "Family name cannot be blank."))
    elif kind == "personal":
        kept["name"] = ", ".join(filter(None, [kept["family_name"], kept.get("given_name")]))
    elif not kept.get("name"):
        errors.append(error(f"{path}.name", "Name cannot be blank."))
    allowed = PEOPLE if kind == "personal" else ORGANISATIONS
    if "identifiers" in kept:
        kept["identifiers"] = [
            read_identifier(item, f"{path}.identifiers.{number}", allowed, errors)
            for number, item in enumerate(kept["identifiers"])
        ]
    return kept


def _subject(value: Any, path: str, errors: Errors) -> Any:
    kept = mapping({"id": as_is, "subject": text(), "scheme": as_is})(value, path, errors)
    if "id" not in kept and "subject" not in kept:
        errors.append(error(f"{path}.subjects", "An existing id or a free text subject must be present."))
    return {key: item for key, item in kept.items() if key != "scheme"}


_PERSON = {
    "person_or_org": _person_or_org,
    "role": _identified,
    "affiliations": list_of(mapping({"id": as_is, "name": text(), "identifiers": as_is})),
}
_AWARD = {"id": as_is, "number": text(), "title": as_is, "identifiers": as_is}
_FIELDS: dict[str, Reader] = {
    "resource_type": _identified,
    "creators": list_of(mapping(_PERSON, ("person_or_org",))),
    "title": text(least=3),
    "additional_titles": list_of(
        mapping({"title": text(least=3), "type": _identified, "lang": _identified}, ("title", "type"))
    ),
    "publisher": text(),
    "publication_date": edtf,
    "subjects": list_of(_subject),
    "contributors": list_of(mapping(_PERSON, ("person_or_org", "role"))),
    "dates": list_of(mapping({"date": edtf, "type": _identified, "description": text()}, ("date", "type"))),
    "languages": list_of(_identified),
    "identifiers": list_of(_work),
    "related_identifiers": list_of(_relation),
    "sizes": list_of(text()),
    "formats": list_of(text()),
    "version": text(most=191),
    "rights": list_of(mapping({"id": as_is, "title": as_is, "description": as_is, "link": url})),
    "description": html,
    "additional_descriptions": list_of(
        mapping({"description": html, "type": _identified, "lang": _identified}, ("description", "type"))
    ),
    "locations": as_is,
    "funding": list_of(
        mapping({"funder": mapping({"id": as_is, "name": text()}), "award": mapping(_AWARD)}, ("funder",))
    ),
    "references": list_of(mapping({"reference": text(), "scheme": as_is, "identifier": as_is}, ("reference",))),
}
_read_all = mapping(_FIELDS, REQUIRED)


def read(given: Any) -> tuple[Json, Errors]:
    """Return the metadata that is kept, and what is wrong with what was given."""
    errors: Errors = []
    kept = _read_all(given if isinstance(given, dict) else {}, "metadata", errors)
    if not kept.get("publisher"):
        errors.append(NO_PUBLISHER)
    return kept, errors


def missing(kept: Json) -> Errors:
    """Return what stops a publication."""
    found = [error(f"metadata.{name}", MISSING) for name in REQUIRED if not kept.get(name)]
    if found:
        return found
    errors: Errors = []
    _read_all(kept, "metadata", errors)
    return errors or ([] if kept.get("publisher") else [NO_PUBLISHER])


# ------------------------------------------------------------------------------------------------ vocabularies

_PLACES = {  # where a record names a term: path → vocabulary
    ("resource_type",): "resourcetypes",
    ("creators", "role"): "creatorsroles",
    ("creators", "affiliations"): "affiliations",
    ("contributors", "role"): "contributorsroles",
    ("contributors", "affiliations"): "affiliations",
    ("additional_titles", "type"): "titletypes",
    ("additional_titles", "lang"): "languages",
    ("additional_descriptions", "type"): "descriptiontypes",
    ("additional_descriptions", "lang"): "languages",
    ("subjects",): "subjects",
    ("dates", "type"): "datetypes",
    ("languages",): "languages",
    ("related_identifiers", "relation_type"): "relationtypes",
    ("related_identifiers", "resource_type"): "resourcetypes",
    ("rights",): "licenses",
    ("funding", "funder"): "funders",
    ("funding", "award"): "awards",
}


def check_terms(kept: Json, terms: dict[str, dict[str, Term]]) -> None:
    """Refuse ids that the vocabularies do not have.

    Raises
    ------
    RefusalError
        400 for the first of them, without saying where it stands.
    """
    for vocabulary, named in _named(kept):
        vocabularies.check(terms, vocabulary, named["id"])


def shown(kept: Json, terms: dict[str, dict[str, Term]]) -> Json:
    """Return the metadata as answers show it, with titles and names beside the ids."""
    whole = copy.deepcopy(kept)
    for vocabulary, named in _named(whole):
        named.update(vocabularies.shown(terms, vocabulary, named["id"]))
    return whole


def _named(metadata: Json) -> Iterator[tuple[str, Json]]:
    for path, vocabulary in _PLACES.items():
        for item in _items(metadata, path):
            if "id" in item:
                yield vocabulary, item


def _items(value: Any, path: tuple[str, ...]) -> Iterator[Json]:
    if isinstance(value, list):
        for item in value:
            yield from _items(item, path)
    elif path and isinstance(value, dict):
        yield from _items(value.get(path[0]), path[1:])
    elif isinstance(value, dict):
        yield value
