# SPDX-License-Identifier: Apache-2.0
"""Datasets, versions, files and locks as Dataverse's JSON."""

from __future__ import annotations

from typing import Any

from sidecrate.testing.dataverse.server import FakeDataverse
from sidecrate.testing.dataverse.state import Dataset, Entry, Lock, Terms, Version, stamp

Json = dict[str, Any]


def dataset_json(server: FakeDataverse, dataset: Dataset, version: Version | None = None) -> Json:
    """Return a dataset, with one of its versions as ``latestVersion`` unless None."""
    authority, _, identifier = dataset.pid.removeprefix("doi:").partition("/")
    shown: Json = {
        "id": dataset.id,
        "identifier": identifier,
        "persistentUrl": f"https://doi.org/{authority}/{identifier}",
        "protocol": "doi",
        "authority": authority,
        "separator": "/",
        "publisher": "Root",
        "storageIdentifier": f"s3://{authority}/{identifier}",
    }
    if dataset.published:
        shown["publicationDate"] = dataset.published.date().isoformat()
    if server.since(6, 4):
        shown["datasetType"] = dataset.kind
    if version is None:
        return shown
    if server.since(6, 10):
        shown["locks"] = [lock_json(dataset, lock) for lock in dataset.locks]
    return {**shown, "latestVersion": version_json(server, dataset, version)}


def version_json(
    server: FakeDataverse, dataset: Dataset, version: Version, leave_out: frozenset[str] = frozenset()
) -> Json:
    """Return a version; `leave_out` may name ``files`` and ``metadataBlocks``."""
    shown: Json = {
        "id": version.id,
        "datasetId": dataset.id,
        "datasetPersistentId": dataset.pid,
        "storageIdentifier": f"s3://{dataset.pid.removeprefix('doi:')}",
        "versionState": "DRAFT" if version.is_draft else "RELEASED",
        "lastUpdateTime": stamp(version.updated),
        "createTime": stamp(version.created),
        **_numbers(version),
        **_terms(version.terms),
    }
    if server.since(6, 3):
        shown["latestVersionPublishingState"] = "DRAFT" if dataset.latest.is_draft else "RELEASED"
    if server.since(6, 7):
        shown["internalVersionNumber"] = version.id
    if version.note is not None:
        shown["versionNote"] = version.note
    if "metadataBlocks" not in leave_out:
        shown["metadataBlocks"] = {
            "citation": {
                "displayName": "Citation Metadata",
                "name": "citation",
                "fields": list(version.fields.values()),
            }
        }
    if "files" not in leave_out:
        shown["files"] = [entry_json(version, entry) for entry in version.entries]
    return shown


def _numbers(version: Version) -> Json:
    if version.number is None or version.released is None:
        return {}
    major, minor = version.number
    return {"versionNumber": major, "versionMinorNumber": minor, "releaseTime": stamp(version.released)}


def _terms(terms: Terms) -> Json:
    shown: Json = {"fileAccessRequest": terms.is_access_requestable}
    if terms.licence:
        shown["license"] = {key: terms.licence[key] for key in ("name", "uri")}
    if terms.use is not None:
        shown["termsOfUse"] = terms.use
    if terms.access is not None:
        shown["termsOfAccess"] = terms.access
    return shown


def entry_json(version: Version, entry: Entry) -> Json:
    """Return a file in a version. Keys without a value are left out, as Dataverse does."""
    optional = {
        "directoryLabel": entry.directory,
        "description": entry.description,
        "categories": entry.categories,
        "provFreeForm": entry.provenance,
    }
    return {
        "label": entry.label,
        "restricted": entry.is_restricted,
        "version": 1,
        "datasetVersionId": version.id,
        **{key: value for key, value in optional.items() if value},
        "dataFile": file_json(entry),
    }


def file_json(entry: Entry) -> Json:
    """Return the bytes of a file."""
    file = entry.file
    shown: Json = {
        "id": file.id,
        "persistentId": "",
        "filename": entry.label,
        "contentType": file.content_type,
        "friendlyType": file.content_type,
        "filesize": file.blob.size,
        "storageIdentifier": file.storage_id,
        "rootDataFileId": file.root_id,
        "checksum": {"type": file.algorithm, "value": file.checksum},
        "tabularData": file.is_tabular,
        "creationDate": file.created.date().isoformat(),
        "fileAccessRequest": True,
    }
    if entry.description:
        shown["description"] = entry.description
    if file.algorithm == "MD5":
        shown["md5"] = file.checksum
    if file.previous_id is not None:
        shown["previousDataFileId"] = file.previous_id
    if file.published:
        shown["publicationDate"] = file.published.date().isoformat()
    if file.original is not None:
        shown |= {
            "originalFileFormat": file.original_type,
            "originalFormatLabel": file.original_type,
            "originalFileSize": file.original.size,
            "originalFileName": file.original_name,
            "UNF": f"UNF:6:{file.blob.digest('md5')}==",
        }
    return shown


def lock_json(dataset: Dataset, lock: Lock) -> Json:
    """Return a lock."""
    return {
        "lockType": lock.kind,
        "date": lock.since.strftime("%a %b %d %H:%M:%S UTC %Y"),
        "user": lock.user,
        "dataset": dataset.pid,
        "message": lock.message,
    }
