# SPDX-License-Identifier: Apache-2.0
"""A small project made by the real store, recorder and crate; each test gets a copy of its own."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sidecrate import project as projects
from sidecrate.artifacts import Artifact, Image, LabelSet, Measurements, Model, Person, Prediction
from sidecrate.project import About, Member, Project
from sidecrate.provenance.recorder import observe
from sidecrate.publish.audit import audit
from sidecrate.publish.pack import pack
from sidecrate.publish.package import Package
from sidecrate.science import arrays
from sidecrate.store import Draft, draft

JOSIAH = Person("Josiah Carberry", "0000-0002-1825-0097")  # the fictitious person ORCID keeps for examples
HELPER = Person("Example Annotator")
SHAPE = (4, 8, 8)
VOXEL_NM = (8.0, 4.0, 4.0)


def _volume(new: Draft[Image | LabelSet], name: str, seed: int) -> dict[str, object]:
    array = arrays.create(new, name, shape=SHAPE, dtype="uint8", voxel_nm=VOXEL_NM)[0]
    array[...] = np.random.default_rng(seed).integers(1, 3, SHAPE, dtype="uint8")
    return {"shape": list(SHAPE), "voxel_nm": list(VOXEL_NM)}


def add(into: Path, seed: int = 0) -> Image:
    with draft(Image, into) as new:
        return new.finish({**_volume(new, Image.array, seed), "dtype": "uint8", "description": "A made-up cell."})


def label(image: Image, into: Path, by: Person, sessions: Sequence[dict[str, object]] = (), seed: int = 1) -> LabelSet:
    session = {"who": {"name": by.name, "orcid": by.orcid}, "when": "2026-01-02T03:04:05Z", "minutes": 5}
    with draft(LabelSet, into) as new:
        meta = _volume(new, LabelSet.array, seed)
        classes = {"1": "background", "2": "pore"}
        return new.finish({**meta, "image": image.link(), "classes": classes, "sessions": [*sessions, session]})


def train(labels: LabelSet, image: Image, into: Path, header: str = "") -> Model:
    text = json.dumps({"__metadata__": {"note": header}}).encode()
    with draft(Model, into) as new:
        new.write("weights.safetensors", struct.pack("<Q", len(text)) + text + bytes(64))
        new.write_json("model.json", {"architecture": "unet"})
        return new.finish({"classes": ["background", "pore"], "labels": labels.link()})


def predict(model: Model, image: Image, into: Path) -> Prediction:
    with draft(Prediction, into) as new:
        names = ["background", "pore"]
        shape, nm = SHAPE, VOXEL_NM
        arrays.create(new, Prediction.array, shape=shape, dtype="uint8", voxel_nm=nm, channels=names)[0][...] = 7
        return new.finish({"shape": list(shape), "voxel_nm": list(nm), "classes": names})


def measure(prediction: Prediction, into: Path) -> Measurements:
    with draft(Measurements, into) as new:
        new.write("objects.csv", b"id,volume_um3\n1,0.5\n")
        return new.finish({"description": "one pore"})


@dataclass
class Made:
    """A project with two label versions, two models, and what follows from the second."""

    project: Project

    @property
    def root(self) -> Path:
        return self.project.root

    def get(self, place: str) -> Artifact:
        return next(artifact for artifact in self.project.artifacts() if artifact.place == place)

    def pack(self, target: Path, *places: str, **options: object) -> Package:
        return pack(
            self.root,
            target,
            project=self.project.config,
            records=self.project.records(),
            artifacts=self.project.artifacts(),
            chosen=[self.get(place) for place in places] or None,
            **options,
        )

    def step(self, function, *args, **kwargs):
        with self.project.recording():
            return observe(function)(*args, **kwargs)


def make(root: Path) -> Made:
    josiah = Member(JOSIAH.name, "Josiah", "Carberry", JOSIAH.orcid, affiliation="Example University")
    about = About("Pores of a made-up cell", "Made for tests.", "CC-BY-4.0", ("pores",), (josiah,))
    made = Made(projects.init(root, about))
    image = made.step(add, root / "images/cell")
    first = made.step(label, image, root / "labels/pores", JOSIAH)
    made.step(train, first, image, root / "models/net")
    second = made.step(label, image, root / "labels/pores", HELPER, first.sessions, seed=2)
    model = made.step(train, second, image, root / "models/net")
    prediction = made.step(predict, model, image, root / "predictions/pores")
    made.step(measure, prediction, root / "measurements/pores")
    return made


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("template") / "cell").root


@pytest.fixture
def made(template, tmp_path) -> Made:
    shutil.copytree(template, tmp_path / "cell")
    return Made(Project(tmp_path / "cell"))


@pytest.fixture
def outside(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def codes(target: Path) -> set[str]:
    """Return the codes of the errors an audit finds."""
    return {finding.code for finding in audit(target) if finding.severity == "error"}
