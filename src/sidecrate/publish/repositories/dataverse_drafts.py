# SPDX-License-Identifier: Apache-2.0
"""Datasets of a Dataverse: found before they are made, described, and published under locks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sidecrate.errors import NetworkError, RepositoryError
from sidecrate.publish.memory import Memory
from sidecrate.publish.repositories import dataverse_metadata as mapping
from sidecrate.publish.repositories.base import Receipt
from sidecrate.publish.repositories.dataverse_api import Api, StillLockedError, is_unsure

Json = dict[str, Any]

_LOOKED_AT = 50  # of the newest datasets of a collection, when nothing else tells whether ours is among them
_NOT_OURS = (401, 403, 404)


class Datasets:
    """The datasets of one server.

    Parameters
    ----------
    api : Api
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    # ---- looking

    def version(self, dataset: int, name: str = ":latest", absent: tuple[int, ...] = (404,)) -> Json | None:
        """Return a version of a dataset with its metadata, None when there is none of that name."""
        asked = {"excludeFiles": "true"} if self._api.release >= (6, 2) else {"includeFiles": "false"}
        found = self._api.look(f"datasets/{dataset}/versions/{quote(name)}", absent, params=asked)
        return found if isinstance(found, dict) else None

    def released(self, dataset: int) -> Json | None:
        """Return the newest published version."""
        return self.version(dataset, ":latest-published", _NOT_OURS)

    def number(self, dataset: int) -> int:
        """Return the number that the next version of a dataset gets; files change, so it is a whole one."""
        released = self.released(dataset)
        return int(released["versionNumber"]) + 1 if released else 1

    def by_pid(self, pid: str) -> int | None:
        """Return the number of a dataset, None when there is none of that identifier."""
        found = self._api.look("datasets/:persistentId/versions/:latest", params={"persistentId": pid})
        return int(found["datasetId"]) if isinstance(found, dict) and "datasetId" in found else None

    def find(self, collection: str, project: str, above: int = 0) -> int | None:
        """Return the newest dataset of a collection that holds the identifier of a project.

        Parameters
        ----------
        collection, project : str
        above : int
            Only datasets of higher numbers.
        """
        for dataset in sorted(self._numbers(collection), reverse=True)[:_LOOKED_AT]:
            if dataset <= above:
                return None
            version = self.version(dataset, absent=_NOT_OURS)
            others = mapping.plain(mapping.fields_of(version or {})).get("otherId") or []
            if project in [one.get("otherIdValue") for one in others if isinstance(one, dict)]:
                return dataset
        return None

    def _numbers(self, collection: str) -> list[int]:
        found = self._api.ask("GET", f"dataverses/{quote(collection)}/contents")
        listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        return [int(one["id"]) for one in listed if one.get("type", "dataset") == "dataset"]

    # ---- making

    def place(self, body: Mapping[str, Any], project: str, collection: str, known: int | None, memory: Memory) -> int:
        """Return the number of the project's dataset; one is made only when there is none.

        Parameters
        ----------
        body : mapping
            ``datasetVersion`` of a dataset that has to be made.
        project, collection : str
        known : int or None
            The dataset that a receipt or the memory names.
        memory : Memory

        Raises
        ------
        RepositoryError, NetworkError
        """
        if known is not None and self.version(known) is not None:
            return known
        began = memory.get("creating")
        found = self.find(collection, project, 0 if began is None else int(began))
        if found is None:
            if began is None:
                memory.set(creating=max(self._numbers(collection), default=0))
            found = self._create(body, project, collection, int(memory.get("creating")))
        memory.set(dataset=found, creating=None)
        return found

    def _create(self, body: Mapping[str, Any], project: str, collection: str, above: int) -> int:
        """Make a dataset and return its number; after a lost answer it is looked for among the new ones."""
        whole = {"datasetVersion": body}
        try:
            return int(self._api.ask("POST", f"dataverses/{quote(collection)}/datasets", json=whole)["id"])
        except (NetworkError, RepositoryError, KeyError, TypeError, ValueError) as error:
            found = self.find(collection, project, above) if is_unsure(error) else None
            if found is None:
                raise
            return found

    # ---- changing

    def describe(self, dataset: int, body: Mapping[str, Any]) -> None:
        """Say what is not said yet; only fields that differ are sent, others stay as they are."""
        kept = self.version(dataset) or {}
        there = mapping.plain(mapping.fields_of(kept))
        changed = [
            one
            for one in mapping.fields_of(body)
            if mapping.plain([one])[one["typeName"]] != there.get(one["typeName"])
        ]
        licence: Any = body.get("license")
        is_other = bool(licence) and (kept.get("license") or {}).get("name") != licence["name"]
        if not changed and not is_other:
            return
        self._api.wait(dataset)
        if changed:
            place = f"datasets/{dataset}/editMetadata"
            self._api.ask("PUT", place, params={"replace": "true"}, json={"fields": changed})
        if is_other and self._api.release >= (6, 9):
            self._api.ask("PUT", f"datasets/{dataset}/license", json={"name": licence["name"]})

    # ---- publishing

    def publish(self, dataset: int) -> tuple[Json, str]:
        """Publish the draft and return the version with ``published``, or with ``review`` when somebody has to agree.

        Raises
        ------
        RepositoryError
            The server refuses, or ended the publication without releasing anything.
        NetworkError
            It is still at it.
        """
        trouble: Exception | None = None
        if not self._api.locks(dataset).keys() & {"finalizePublication", "Workflow"}:
            try:
                self._api.ask("POST", f"datasets/{dataset}/actions/:publish", params={"type": "major"})
            except (NetworkError, RepositoryError) as error:
                if isinstance(error, RepositoryError) and error.status == 401:
                    return self._submitted(dataset, error)
                trouble = error
        if (status := self.finished(dataset)) == "review":
            return self._must(dataset), status
        version = self._must(dataset)
        if version.get("versionState") == "RELEASED":
            return version, "published"
        if trouble is not None:
            raise trouble
        raise RepositoryError(
            f"{self._api.http.host}: took the publication of dataset {dataset} and did not release it, as when its DOI "
            "cannot be registered; publish again later, and ask its people if it stays"
        )

    def finished(self, dataset: int) -> str:
        """Wait for the end of a publication, if one is under way; ``review`` when it is people that are waited for."""
        try:
            self._api.wait(dataset)
        except StillLockedError:
            if "Workflow" not in self._api.locks(dataset):
                raise
            return "review"
        return ""

    def _submitted(self, dataset: int, refusal: RepositoryError) -> tuple[Json, str]:
        """Hand the draft to the curators of the collection: whoever may not publish may do that."""
        if "InReview" not in self._api.locks(dataset):
            try:
                self._api.ask("POST", f"datasets/{dataset}/submitForReview")
            except (NetworkError, RepositoryError) as error:
                if "InReview" not in self._api.locks(dataset):
                    raise (error if is_unsure(error) else refusal) from error
        return self._must(dataset), "review"

    def _must(self, dataset: int) -> Json:
        version = self.version(dataset)
        if version is None:
            raise RepositoryError(f"{self._api.http.host}: dataset {dataset} is not there any more; ask its people")
        return version


def pid_of(version: Mapping[str, Any]) -> str:
    """Return the persistent identifier of the dataset of a version: ``doi:10.…``."""
    return str(version["datasetPersistentId"])


def doi_of(version: Mapping[str, Any]) -> str | None:
    """Return the DOI of the dataset of a version, None when its identifier is of another kind."""
    scheme, _, name = pid_of(version).partition(":")
    return name if scheme == "doi" else None


def name_of(version: Mapping[str, Any], number: int) -> str:
    """Return ``2.1`` of a published version, and of a draft what it will be."""
    if "versionNumber" in version and version.get("versionState") == "RELEASED":
        return f"{version['versionNumber']}.{version.get('versionMinorNumber', 0)}"
    return f"{number}.0"


def known_dataset(datasets: Datasets, earlier: Receipt | None, memory: Memory) -> int | None:
    """Return the dataset that the memory or a receipt names, None when neither does or it is gone."""
    if (dataset := memory.get("dataset")) is not None:
        return int(dataset)
    return datasets.by_pid(earlier.object_id) if earlier else None
