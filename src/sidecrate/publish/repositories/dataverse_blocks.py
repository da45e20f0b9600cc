# SPDX-License-Identifier: Apache-2.0
"""The metadata blocks of a Dataverse, as the server describes them: installations change them, so they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecrate.errors import RepositoryError
from sidecrate.publish.repositories.dataverse_api import Api

CITATION, LIFE_SCIENCES = "citation", "biomedical"
_STOCK = ("title", "authorName", "datasetContactEmail", "dsDescriptionValue", "subject")  # where the server is silent


@dataclass(frozen=True)
class FieldType:
    """A field of a block.

    Attributes
    ----------
    name, block : str
    kind : str
        ``primitive``, ``compound`` or ``controlledVocabulary``.
    is_multiple, is_required : bool
    values : tuple of str
        Of a controlled vocabulary.
    children : dict of str to FieldType
    """

    name: str
    block: str
    kind: str
    is_multiple: bool
    is_required: bool
    values: tuple[str, ...] = ()
    children: Mapping[str, FieldType] = field(default_factory=dict)


def read_types(api: Api, collection: str) -> dict[str, FieldType]:
    """Return name → field of the blocks a collection uses, as far as they are of use here.

    Raises
    ------
    RepositoryError
        There is no such collection, or it has no citation block.
    """
    asked = {"returnDatasetFieldTypes": "true"}
    found = api.ask("GET", f"dataverses/{collection}/metadatablocks", params=asked)
    blocks = {str(one.get("name")): one for one in found if isinstance(one, dict)} if isinstance(found, list) else {}
    types: dict[str, FieldType] = {}
    for name in (CITATION, LIFE_SCIENCES):
        if name in blocks:
            whole = blocks[name] if blocks[name].get("fields") else api.ask("GET", f"metadatablocks/{name}")  # 6.3
            types |= types_of(name, whole)
    if "title" not in types:
        raise RepositoryError(f"{api.http.host}: collection {collection} has no citation block; deposit elsewhere")
    return types


def types_of(block: str, described: Mapping[str, Any]) -> dict[str, FieldType]:
    """Return the fields of a block by name; children are below their parents only."""
    fields = described.get("fields")
    listed = list(fields.values()) if isinstance(fields, dict) else []
    says_required = any("isRequired" in one for one in _all(listed))
    made = [_type(block, one, says_required) for one in listed]
    nested = {child for one in made for child in one.children}
    return {one.name: one for one in made if one.name not in nested}


def _all(listed: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for one in listed:
        if isinstance(one, dict):
            yield one
            yield from _all((one.get("childFields") or {}).values())


def _type(block: str, said: Mapping[str, Any], says_required: bool) -> FieldType:
    name = str(said["name"])
    below = said.get("childFields") or {}
    values = tuple(str(one) for one in said.get("controlledVocabularyValues") or ())
    kind = said.get("typeClass") or ("compound" if below else "controlledVocabulary" if values else "primitive")
    return FieldType(
        name=name,
        block=block,
        kind=str(kind),
        is_multiple=bool(said.get("multiple")),
        is_required=bool(said.get("isRequired")) if says_required else block == CITATION and name in _STOCK,
        values=values,
        children={str(key): _type(block, child, says_required) for key, child in below.items()},
    )
