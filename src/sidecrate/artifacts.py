# SPDX-License-Identifier: Apache-2.0
"""The nouns: what a step takes and what it returns.

A noun is one immutable version in a folder of its own::

    labels/pores/v3/            LabelSet "pores@v3"
        artifact.json           what it is (the `meta` of the noun)
        labels.ome.zarr/ ...    its payload
        manifest-sha256.txt     sha256 of every other file; its own digest is the identity

This module is a leaf: it knows the standard library and `errors` only, so that science and provenance can
both build on it without meeting.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from sidecrate.errors import InputError

META = "artifact.json"
MANIFEST = "manifest-sha256.txt"
PARTS = "parts-sha256.txt"  # digests of the files of an image that is only referred to

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """Who did it; a Person among the arguments of a step becomes the agent of its record.

    Attributes
    ----------
    name : str
        As it should be printed, given name first.
    orcid : str, optional
        The bare sixteen characters, ``0000-0002-1825-0097``; None when not given.
    """

    name: str
    orcid: str | None = None


@dataclass(frozen=True)
class Artifact:
    """One immutable version of something.

    Attributes
    ----------
    path : Path
        Folder of the version.
    name : str
        Name of the series, for example ``pores``.
    version : int
        1, 2, 3 …
    digest : str
        ``sha256:<hex>`` of the version's manifest.
    """

    path: Path
    name: str
    version: int
    digest: str

    kind: ClassVar[str] = "artifact"
    folder: ClassVar[str] = "artifacts"

    @property
    def ref(self) -> str:
        """Return the short name people type, ``pores@v3``."""
        return f"{self.name}@v{self.version}"

    @property
    def place(self) -> str:
        """Return the path inside a project, ``labels/pores/v3``."""
        return f"{self.folder}/{self.name}/v{self.version}"

    @cached_property
    def meta(self) -> Json:
        """Return what ``artifact.json`` says.

        Raises
        ------
        InputError
            The file is missing or not JSON.
        """
        return read_meta(self.path)

    def link(self) -> dict[str, str]:
        """Return the reference another version's metadata keeps to this one: ref, kind, digest."""
        return {"kind": self.kind, "ref": self.ref, "digest": self.digest}


class _Volume(Artifact):
    """A noun that holds one OME-Zarr array."""

    array: ClassVar[str] = "array.ome.zarr"

    @property
    def array_path(self) -> Path:
        """Return the folder of the OME-Zarr group."""
        return self.path / self.array

    @property
    def voxel_nm(self) -> tuple[float, float, float]:
        """Return the voxel size in nanometres, z, y, x."""
        z, y, x = self.meta["voxel_nm"]
        return float(z), float(y), float(x)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of voxels, z, y, x."""
        z, y, x = self.meta["shape"]
        return int(z), int(y), int(x)


class Image(_Volume):
    """A grey volume: OME-Zarr here, or a reference to one elsewhere (``meta["reference"]``)."""

    kind = "Image"
    folder = "images"
    array = "image.ome.zarr"

    @property
    def source(self) -> Json | None:
        """Return the file or folder it was copied from (kind, name, bytes, digest), None when that is not known."""
        said = self.meta.get("source", {})
        if "sha256" not in said:
            return None
        kind = "Folder" if "files" in said else "File"
        return {"kind": kind, "name": said["name"], "bytes": said["bytes"], "digest": f"sha256:{said['sha256']}"}


class LabelSet(_Volume):
    """Painted voxels of one image: 0 unlabelled, 1 background, 2… classes; sparse, missing = 0."""

    kind = "LabelSet"
    folder = "labels"
    array = "labels.ome.zarr"

    @property
    def classes(self) -> dict[int, str]:
        """Return class number → name, 1 being ``background``."""
        return {int(k): str(v) for k, v in self.meta["classes"].items()}

    @property
    def image(self) -> dict[str, str]:
        """Return the link to the image these labels were painted on."""
        return dict(self.meta["image"])

    @property
    def sessions(self) -> list[Json]:
        """Return the labelling sessions behind this version: who, when, minutes, boxes, voxels per class."""
        return list(self.meta["sessions"])


class Model(Artifact):
    """Trained weights: ``weights.safetensors``, ``model.json`` and a model card."""

    kind = "Model"
    folder = "models"


class Prediction(_Volume):
    """Per-class uint8 probabilities, axes c, z, y, x; ``meta["classes"]`` lists the names along c."""

    kind = "Prediction"
    folder = "predictions"
    array = "prediction.ome.zarr"

    @property
    def classes(self) -> list[str]:
        """Return the class names in channel order, ``background`` first."""
        return [str(name) for name in self.meta["classes"]]


class Evaluation(Artifact):
    """Scores of a prediction against labels it was not trained on."""

    kind = "Evaluation"
    folder = "evaluations"


class Measurements(Artifact):
    """Counts, densities, sizes and spacings with units."""

    kind = "Measurements"
    folder = "measurements"


class Suggestion(Artifact):
    """Slices worth labelling next, and why."""

    kind = "Suggestion"
    folder = "suggestions"


class Files(Artifact):
    """A file or folder that somebody else's program made, kept as a version."""

    kind = "Files"
    folder = "files"


class Deposit(Artifact):
    """The receipt of a deposit: which repository holds what, since when, under which identifiers."""

    kind = "Deposit"
    folder = "deposits"


KINDS: dict[str, type[Artifact]] = {
    noun.kind: noun
    for noun in (Image, LabelSet, Model, Prediction, Evaluation, Measurements, Suggestion, Files, Deposit)
}


def read_meta(path: Path) -> Json:
    """Return the parsed ``artifact.json`` of a version folder.

    Raises
    ------
    InputError
        The file is missing, unreadable or not a JSON object.
    """
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path.name}: no {META}; this is not a version of an artifact") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name}/{META}: not readable ({error}); run `sidecrate audit`") from error
    if not isinstance(meta, dict) or str(meta.get("kind")) not in KINDS:
        raise InputError(f"{path.name}/{META}: no known kind of artifact; run `sidecrate audit`")
    return meta
