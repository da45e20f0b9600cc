# SPDX-License-Identifier: Apache-2.0
"""Datasets: made, looked at, deleted."""

from __future__ import annotations

import random
import string
from typing import Any

from sidecrate.testing.dataverse import jsonld, licences, metadata, validation
from sidecrate.testing.dataverse.blocks import all_types, citation
from sidecrate.testing.dataverse.drafts import seen, to_edit
from sidecrate.testing.dataverse.envelope import UncheckedError, not_permitted, ok, text
from sidecrate.testing.dataverse.rendering import dataset_json, entry_json, version_json
from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.state import Collection, Dataset, Field, Terms, Version, now
from sidecrate.testing.messages import Answer, RefusalError, Request

SHOULDER = "10.5072/FK2"


def find_collection(server: FakeDataverse, request: Request) -> Collection:
    """Return the collection in the path.

    Raises
    ------
    RefusalError
        404.
    """
    alias = request.params["alias"]
    name = "root" if alias == ":root" else alias
    if name not in server.world.collections:
        raise RefusalError(404, f"Can't find dataverse with identifier='{alias}'")
    return server.world.collections[name]


def create(server: FakeDataverse, request: Request) -> Answer:
    """Make a dataset with a draft (§2)."""
    user = server.user(request)
    collection = find_collection(server, request)
    if not user.may_create:
        raise not_permitted(user.name, "AddDataset")
    server.count_call(user, "CreateNewDatasetCommand")
    body = _body(server, request)
    version = body["datasetVersion"]
    validation.check(version.fields, citation(server.version), collection.required)
    dataset = Dataset(server.world.new_id(), _new_pid(), collection, user.name, [version])
    dataset.kind, dataset.language = body["kind"], body["language"]
    server.world.datasets[dataset.id] = dataset
    made = {"id": dataset.id, "persistentId": dataset.pid}
    return ok(made, 201, {"Location": f"{server.url}/api/datasets/{dataset.id}"})


def _body(server: FakeDataverse, request: Request) -> dict[str, Any]:
    if request.content_type in ("application/ld+json", "application/json-ld"):
        fields, terms = jsonld.read(request.data(), all_types(server.version))
        return {"datasetVersion": _new_version(server, fields, terms), "kind": "dataset", "language": ""}
    if not request.content_type:
        # Since 5.6 the body is then read as JSON-LD, finds nothing it knows, and the title is missing.
        validation.check({}, citation(server.version))
    if request.content_type != "application/json":
        raise RefusalError(415, "HTTP 415 Unsupported Media Type")
    whole = read_json(request)
    version = whole.get("datasetVersion")
    if not isinstance(version, dict):
        raise UncheckedError("NullPointerException")
    if version.get("files") and not server.user(request).is_superuser:
        raise RefusalError(400, "Only a superuser may add files via this api")
    language = _language(server, whole.get("metadataLanguage"))
    fields, terms = read_version(server, version)
    terms.is_access_requestable = True  # creation forces it
    made = _new_version(server, fields, terms, version.get("versionNote"))
    return {"datasetVersion": made, "kind": whole.get("datasetType", "dataset"), "language": language}


def read_json(request: Request) -> Any:
    """Return the body as JSON.

    Raises
    ------
    RefusalError
        400.
    """
    try:
        return request.json()
    except ValueError as error:
        raise RefusalError(400, f"Error parsing Json: {error}") from error


def read_version(server: FakeDataverse, version: dict[str, Any]) -> tuple[dict[str, Field], Terms]:
    """Return fields and terms of a ``datasetVersion``."""
    fields = metadata.fields_of_blocks(version.get("metadataBlocks"), all_types(server.version))
    return fields, licences.terms(version)


def _language(server: FakeDataverse, language: str | None) -> str:
    if language and language not in server.settings.metadata_languages:
        raise RefusalError(400, f"Specified metadatalanguage ({language}) not allowed.")
    return language or ""


def _new_version(server: FakeDataverse, fields: dict[str, Field], terms: Terms, note: str | None = None) -> Version:
    time = now()
    return Version(server.world.new_id(), fields, terms, time, time, note=note if server.since(6, 6) else None)


def _new_pid() -> str:
    letters = random.choices(string.ascii_uppercase + string.digits, k=6)  # noqa: S311 - a name, not a secret
    return f"doi:{SHOULDER}/{''.join(letters)}"


def validate(server: FakeDataverse, request: Request) -> Answer:
    """Say in words whether a body would do; 200 either way."""
    collection = find_collection(server, request)
    try:
        fields, _ = read_version(server, read_json(request).get("datasetVersion", {}))
        validation.check(fields, citation(server.version), collection.required)
    except RefusalError as refusal:
        return text(f"The Dataset JSON provided failed validation with the following errors: {refusal.message}")
    return text("The Dataset JSON provided is valid for this Dataverse Collection.")


def show(server: FakeDataverse, request: Request) -> Answer:
    """Return a dataset with the newest version the asker may see."""
    user, dataset = server.user(request), server.dataset(request)
    return ok(dataset_json(server, dataset, seen(server, user, dataset, ":latest")))


def contents(server: FakeDataverse, request: Request) -> Answer:
    """Return the datasets of a collection that the asker may see."""
    user, collection = server.user(request), find_collection(server, request)
    found = [one for one in server.world.datasets.values() if one.collection is collection]
    visible = [one for one in found if one.latest_published or server.may_edit(user, one)]
    return ok([{**dataset_json(server, one), "type": "dataset"} for one in visible])


def delete(server: FakeDataverse, request: Request) -> Answer:
    """Delete a dataset that was never published."""
    _, dataset = to_edit(server, request, "DeleteDatasetDraft")
    if dataset.latest_published:
        raise RefusalError(403, "Only unpublished datasets can be deleted")
    del server.world.datasets[dataset.id]
    return text(f"Draft version of dataset {dataset.id} deleted", server.settings.moves_message)


def versions(server: FakeDataverse, request: Request) -> Answer:
    """Return the versions the asker may see, newest first."""
    user, dataset = server.user(request), server.dataset(request)
    may_see = server.may_edit(user, dataset)
    visible = [one for one in dataset.versions if may_see or not one.is_draft]
    offset, limit = int(request.param("offset", "0")), int(request.param("limit", "1000000"))
    shown = visible[offset : offset + limit]
    return ok([version_json(server, dataset, one, _left_out(server, request)) for one in shown])


def version(server: FakeDataverse, request: Request) -> Answer:
    """Return one version."""
    dataset = server.dataset(request)
    found = seen(server, server.user(request), dataset, request.params["version"])
    return ok(version_json(server, dataset, found, _left_out(server, request)))


def _left_out(server: FakeDataverse, request: Request) -> frozenset[str]:
    names = set()
    if request.flag("excludeFiles") and server.since(6, 2):
        names.add("files")
    if request.param("includeFiles") == "false" and not server.since(6, 2):
        names.add("files")
    if request.flag("excludeMetadataBlocks"):
        names.add("metadataBlocks")
    return frozenset(names)


def version_files(server: FakeDataverse, request: Request) -> Answer:
    """Return the files of a version, a page of them when asked."""
    dataset = server.dataset(request)
    found = seen(server, server.user(request), dataset, request.params["version"])
    words = request.param("searchText").lower()
    entries = [one for one in found.entries if words in one.label.lower() or words in one.description.lower()]
    if request.param("orderCriteria", "NameAZ") in ("NameAZ", "NameZA"):
        entries.sort(key=lambda one: one.label.lower(), reverse=request.param("orderCriteria") == "NameZA")
    offset, limit = int(request.param("offset", "0")), int(request.param("limit", "1000000"))
    return ok([entry_json(found, one) for one in entries[offset : offset + limit]], totalCount=len(entries))


def delete_draft(server: FakeDataverse, request: Request) -> Answer:
    """Delete the draft; of a dataset never published that is the dataset."""
    _, dataset = to_edit(server, request, "DeleteDatasetDraft")
    if not dataset.latest.is_draft:
        raise RefusalError(404, f"Dataset version :draft of dataset {dataset.id} not found")
    dataset.versions.pop(0)
    if not dataset.versions:
        del server.world.datasets[dataset.id]
    return text(f"Draft version of dataset {dataset.id} deleted", server.settings.moves_message)
