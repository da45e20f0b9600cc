# SPDX-License-Identifier: Apache-2.0
"""A project with one of everything, made by real drafts, runs and records in a moment: the science in it is made up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sidecrate.about import About, Funding, Member
from sidecrate.artifacts import (
    Evaluation,
    Image,
    LabelSet,
    Measurements,
    Model,
    Person,
    Prediction,
    Suggestion,
)
from sidecrate.project import Project, init
from sidecrate.provenance import swhid
from sidecrate.provenance.recorder import observe, recorded
from sidecrate.store import Draft, draft

P = ParamSpec("P")
R = TypeVar("R")

# ORCID's own fictitious researcher, and the first iD of the newest block, given to nobody
JOSIAH = Person("Josiah Carberry", "0000-0002-1825-0097")
SECOND = Person("Second Annotator", "0009-0000-0000-0009")
ABOUT = About(
    title="A made-up cell",
    description="Every kind of thing a project can hold, with no science in it.",
    license="CC-BY-4.0",
    keywords=("testing", "RO-Crate"),
    people=(
        Member(JOSIAH.name, "Josiah", "Carberry", JOSIAH.orcid, "author", "Brown University", "05gq02987"),
        Member(SECOND.name, orcid=SECOND.orcid, role="annotator", affiliation="Brown University", ror="05gq02987"),
    ),
    funding=(Funding("Brown University", "05gq02987", "PSYCHO-1929"),),
)
VOLUME = {"shape": [4, 4, 4], "voxel_nm": [8.0, 4.0, 4.0]}


def _write_array(made: Draft[Any], array: str, value: int) -> None:
    made.write_json(f"{array}/zarr.json", {"zarr_format": 3, "node_type": "group"})
    made.write(f"{array}/0/c/0/0/0", bytes([value]) * 64)


def add(into: Path, value: int = 7) -> Image:
    """Return a new image."""
    with draft(Image, into) as made:
        _write_array(made, Image.array, value)
        return made.finish(VOLUME)


def label(image: Image, into: Path, who: Person, earlier: LabelSet | None = None) -> LabelSet:
    """Return the next version of a label set: the sessions of the earlier one and a new one."""
    session = {"who": {"name": who.name, "orcid": who.orcid}, "tool": "paper", "minutes": 5, "boxes": [], "voxels": {}}
    sessions = [*(earlier.sessions if earlier else []), session]
    with draft(LabelSet, into) as made:
        _write_array(made, LabelSet.array, len(sessions))
        return made.finish(
            {**VOLUME, "classes": {"1": "background", "2": "pore"}, "image": image.link(), "sessions": sessions}
        )


def train(image: Image, labels: LabelSet, into: Path, seed: int = 0, rate: float = 0.01, note: str = "") -> Model:
    """Return a model, or fail when the rate is absurd."""
    if rate > 1:
        raise ValueError(f"loss is not finite at rate {rate}")
    with draft(Model, into) as made:
        made.write("weights.safetensors", bytes([seed]) * 32)
        made.write("README.md", f"# A card\n{note}\n".encode())
        return made.finish({"labels": labels.link()})


def predict(model: Model, image: Image, into: Path, stop: bool = False) -> Prediction:
    """Return a prediction, or be interrupted half-way."""
    with draft(Prediction, into) as made:
        _write_array(made, Prediction.array, 200)
        if stop:
            raise KeyboardInterrupt
        return made.finish({**VOLUME, "classes": ["background", "pore"]})


def evaluate(prediction: Prediction, labels: LabelSet, into: Path) -> Evaluation:
    """Return scores."""
    with draft(Evaluation, into) as made:
        made.write("scores.csv", b"class,dice\npore,0.5\n")
        return made.finish({"labels": labels.link()})


def measure(prediction: Prediction, into: Path) -> Measurements:
    """Return a table and a picture in a folder."""
    with draft(Measurements, into) as made:
        made.write("objects.csv", b"id,volume_um3\n1,0.5\n")
        made.write("plots/size distribution.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
        return made.finish({})


def suggest(prediction: Prediction, labels: LabelSet, into: Path) -> Suggestion:
    """Return slices to label next."""
    with draft(Suggestion, into) as made:
        made.write_json("slices.json", [{"axis": "z", "index": 2}])
        return made.finish({"description": "one slice"})


@recorded
def draw(table: Path, picture: Path) -> Path:
    """Stand for somebody else's function: a file in, a file out."""
    picture.write_bytes(b"a picture of " + table.read_bytes())
    return picture


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Return a step with its calls recorded, under a name that is not one of sidecrate's own."""
    return observe(function, name=f"little {function.__name__}", version="1", swhid=swhid.of_file(Path(__file__)))


def build(root: Path, outside: Path) -> Project:
    """Make the project in `root`; files of other programs lie in the folder `outside`."""
    project = init(root, ABOUT, JOSIAH)
    with project.recording("sidecrate demo"):
        image = step(add)(project.series(Image, "cell"))
        pores = project.series(LabelSet, "pores")
        first = step(label)(image, pores, JOSIAH)
        second = step(label)(image, pores, SECOND, first)
        with suppress(ValueError):
            step(train)(image, second, project.series(Model, "pores"), rate=9.0)
        model = step(train)(image, second, project.series(Model, "pores"), seed=3, note="second round")
        predictions = project.series(Prediction, "pores")
        with suppress(KeyboardInterrupt):
            step(predict)(model, image, predictions, stop=True)
        prediction = step(predict)(model, image, predictions)
        step(evaluate)(prediction, second, project.series(Evaluation, "pores"))
        measured = step(measure)(prediction, project.series(Measurements, "pores"))
        step(suggest)(prediction, second, project.series(Suggestion, "pores"))
        draw(measured.path / "objects.csv", outside / "pores & sizes (100%).png")
    return project
