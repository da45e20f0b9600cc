# SPDX-License-Identifier: Apache-2.0
"""The little of a Dataverse client that tests of the fake need: requests and bodies, no decisions."""

from __future__ import annotations

import json
from typing import Any

import requests

from sidecrate.testing import FakeDataverse


def primitive(name: str, value: Any) -> dict[str, Any]:
    return {"typeName": name, "typeClass": "primitive", "multiple": isinstance(value, list), "value": value}


def compound(name: str, *values: dict[str, str]) -> dict[str, Any]:
    children = [{key: primitive(key, one) for key, one in value.items()} for value in values]
    return {"typeName": name, "typeClass": "compound", "multiple": True, "value": children}


def vocabulary(name: str, value: Any) -> dict[str, Any]:
    return {**primitive(name, value), "typeClass": "controlledVocabulary"}


def fields(**changed: Any) -> list[dict[str, Any]]:
    """Return a valid citation block; `changed` replaces fields, None takes one out."""
    whole = {
        "title": primitive("title", "Nuclear pores of one cell"),
        "author": compound("author", {"authorName": "Carberry, Josiah"}),
        "datasetContact": compound("datasetContact", {"datasetContactEmail": "josiah@example.org"}),
        "dsDescription": compound("dsDescription", {"dsDescriptionValue": "Predicted pores."}),
        "subject": vocabulary("subject", ["Medicine, Health and Life Sciences"]),
        **changed,
    }
    return [field for field in whole.values() if field is not None]


def body(some_fields: list[Any] | None = None, **version: Any) -> dict[str, Any]:
    blocks = {"citation": {"fields": fields() if some_fields is None else some_fields}}
    return {"datasetVersion": {"license": "CC0 1.0", "metadataBlocks": blocks, **version}}


class Client:
    """Requests to one server with one token."""

    def __init__(self, server: FakeDataverse, token: str | None = None) -> None:
        self.server = server
        self.http = requests.Session()
        self.token = server.token if token is None else token
        if self.token:
            self.http.headers["X-Dataverse-key"] = self.token

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.http.request(method, f"{self.server.url}/api{path}", timeout=20, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.call("POST", path, **options)

    def put(self, path: str, **options: Any) -> requests.Response:
        return self.call("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self.call("DELETE", path, **options)

    def create(self, some_fields: list[Any] | None = None, **version: Any) -> int:
        answer = self.post("/dataverses/root/datasets", json=body(some_fields, **version))
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    def try_fields(self, *some_fields: Any) -> requests.Response:
        """Create with these fields after the valid ones."""
        return self.post("/dataverses/root/datasets", json=body([*fields(), *some_fields]))

    def add(self, dataset: int, name: str, content: bytes, kind: str = "application/octet-stream", **params: Any):
        files = {"file": (name, content, kind), "jsonData": (None, json.dumps(params), "application/json")}
        return self.post(f"/datasets/{dataset}/add", files=files)

    def added(self, dataset: int, name: str, content: bytes, kind: str = "application/octet-stream", **params: Any):
        answer = self.add(dataset, name, content, kind, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["files"][0]

    def version(self, dataset: int, name: str = ":latest") -> dict[str, Any]:
        answer = self.get(f"/datasets/{dataset}/versions/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def locks(self, dataset: int) -> list[str]:
        return [lock["lockType"] for lock in self.get(f"/datasets/{dataset}/locks").json()["data"]]

    def unlocked(self, dataset: int) -> None:
        self.server.hurry()
        assert self.locks(dataset) == []

    def publish(self, dataset: int, kind: str = "major") -> requests.Response:
        return self.post(f"/datasets/{dataset}/actions/:publish?type={kind}")

    def published(self, dataset: int, kind: str = "major") -> dict[str, Any]:
        answer = self.publish(dataset, kind)
        assert answer.status_code == 200, answer.text
        self.unlocked(dataset)
        version = self.version(dataset)
        assert version["versionState"] == "RELEASED"
        return version


def message(answer: requests.Response) -> str:
    """Return the message of an error in the envelope."""
    whole = answer.json()
    assert whole["status"] == "ERROR", whole
    return whole["message"]
