# SPDX-License-Identifier: Apache-2.0
"""Changing metadata: ``editMetadata``, the whole draft, the licence, JSON-LD (§7)."""

from __future__ import annotations

from typing import Any

from sidecrate.testing.dataverse import jsonld, licences, metadata, validation
from sidecrate.testing.dataverse.blocks import all_types, citation
from sidecrate.testing.dataverse.datasets import read_json, read_version
from sidecrate.testing.dataverse.drafts import edited, to_edit
from sidecrate.testing.dataverse.envelope import UncheckedError, ok, text
from sidecrate.testing.dataverse.rendering import version_json
from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.state import Dataset, Field, Terms, stamp
from sidecrate.testing.messages import Answer, RefusalError, Request


def edit_metadata(server: FakeDataverse, request: Request) -> Answer:
    """Add to the metadata, or replace fields with ``replace=true``."""
    _, dataset = to_edit(server, request)
    _check_time(server, request, dataset)
    body = read_json(request)
    items = body.get("fields", [body]) if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise UncheckedError("ClassCastException")
    given = metadata.fields_of(items, all_types(server.version), is_lenient=True)
    is_replacing = request.flag("replace")
    fields = merged(dataset.latest.fields, given, is_replacing)
    if is_replacing:
        emptied = {str(item.get("typeName")) for item in items} - given.keys()
        fields = {name: value for name, value in fields.items() if name not in emptied}
    return _saved(server, dataset, fields)


def merged(old: dict[str, Field], new: dict[str, Field], is_replacing: bool) -> dict[str, Field]:
    """Return the metadata after an edit.

    Without replacing, fields of many values are appended to, and a single value that is there is left as it was.
    """
    fields = dict(old)
    for name, field in new.items():
        if is_replacing or name not in fields:
            fields[name] = field
        elif field["multiple"]:
            before = fields[name]["value"]
            added = [value for value in field["value"] if value not in before]
            fields[name] = {**fields[name], "value": [*before, *added]}
    return fields


def _check_time(server: FakeDataverse, request: Request, dataset: Dataset) -> None:
    """Refuse an edit of something older than what is there (6.8)."""
    seen = request.param("sourceLastUpdateTime")
    if seen and server.since(6, 8) and seen != stamp(dataset.latest.updated):
        raise RefusalError(400, "The provided internal version timestamp is stale: the dataset was updated in between.")


def _saved(server: FakeDataverse, dataset: Dataset, fields: dict[str, Field], terms: Terms | None = None) -> Answer:
    validation.check(fields, citation(server.version), dataset.collection.required)
    draft = edited(server, dataset)
    draft.fields = fields
    draft.terms = terms or draft.terms
    return ok(version_json(server, dataset, draft))


def put_draft(server: FakeDataverse, request: Request) -> Answer:
    """Replace everything: what the body lacks is gone, the licence and access requests too."""
    _, dataset = to_edit(server, request)
    body = read_json(request)
    version = body.get("datasetVersion", body) if isinstance(body, dict) else None
    if not isinstance(version, dict):
        raise UncheckedError("ClassCastException")
    if version.get("files"):
        raise RefusalError(400, "You may not add files via this api.")
    fields, terms = read_version(server, version)
    if (
        not terms.is_access_requestable
        and not terms.access
        and any(one.is_restricted for one in dataset.latest.entries)
    ):
        raise RefusalError(
            409, "Restricted files need either access requests or terms of access; see terms of use and access."
        )
    return _saved(server, dataset, fields, terms)


def put_licence(server: FakeDataverse, request: Request) -> Answer:
    """Set a licence by name, or own terms (6.9)."""
    _, dataset = to_edit(server, request)
    body: dict[str, Any] = read_json(request)
    if "name" not in body and "customTerms" not in body:
        raise RefusalError(400, "Either a license name or custom terms are needed.")
    licence = licences.find(body["name"]) if "name" in body else None
    terms = edited(server, dataset).terms
    terms.licence = licence
    terms.use = None if licence else body["customTerms"].get("termsOfUse")
    return text("License has been updated.", server.settings.moves_message)


def put_jsonld(server: FakeDataverse, request: Request) -> Answer:
    """Add to the metadata from JSON-LD, or replace it."""
    _, dataset = to_edit(server, request)
    given, terms = jsonld.read(request.data(), all_types(server.version))
    fields = merged(dataset.latest.fields, given, request.flag("replace"))
    old = dataset.latest.terms
    if terms.licence is None and terms.use is None:
        terms.licence, terms.use = old.licence, old.use
    try:
        return _saved(server, dataset, fields, terms)
    except RefusalError as refusal:
        raise RefusalError(400, refusal.message) from refusal
