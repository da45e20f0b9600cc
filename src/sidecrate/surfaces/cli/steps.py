# SPDX-License-Identifier: Apache-2.0
"""train, predict, evaluate, suggest, measure: the science steps."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from sidecrate.artifacts import Artifact, Evaluation, Image, LabelSet, Measurements, Model, Prediction, Suggestion
from sidecrate.errors import InputError
from sidecrate.surfaces.cli.common import Progress, Session, json_option, made, pass_session, table

if TYPE_CHECKING:
    from sidecrate.project import Project

A = TypeVar("A", bound=Artifact)

# what is shown of the tables; the files hold more
SCORES = ("class", "dice", "objects_tp", "objects_fp", "objects_fn", "precision", "recall", "f1")
HOSTS = ("host", "objects", "surface_um2", "density_per_um2", "median_diameter_nm", "nearest_median_nm")

_device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
_name = click.option("--name", metavar="NAME", help="Name of the result (default: that of what it is made from).")


def chosen(project: Project, ref: str | None, noun: type[A], before: str) -> A:
    """Return the named version, or the newest of its kind.

    Raises
    ------
    InputError
        There is none; the message names the command that makes one.
    """
    found = project.get(ref, noun) if ref else project.newest(noun)
    if found is None:
        raise InputError(f"no {noun.kind} in this project yet; make one: `{before}`")
    return found


def linked(project: Project, noun: type[A], link: dict[str, str]) -> A:
    """Return the version that another version's metadata links to.

    Raises
    ------
    InputError
        It is not in this project.
    """
    found = project.get(link["ref"], noun)
    if found.digest != link["digest"]:
        raise InputError(f"{link['ref']} in this project is not the {link['digest'][:19]}… that was meant")
    return found


@click.command()
@click.option(
    "--labels", "labels_refs", multiple=True, metavar="LABELS", help="Default: the newest. Repeat for several."
)
@click.option("--validation", metavar="LABELS", help="Labels that are only watched, never trained on.")
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 0.5),
    default=0.0,
    show_default=True,
    help="Share of the labels kept back for validation.",
)
@click.option(
    "--start",
    metavar="MODEL",
    help="Go on from this model (`--start none`: from nothing; default: the newest of that name, if there is one).",
)
@click.option("--iterations", type=click.IntRange(1), help="Length of the training.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Height of the schedule.")
@click.option("--widths", metavar="N,N,N", help="Channels of each level, finest first.")
@click.option("--batch", type=click.IntRange(1), help="Patches an iteration.")
@click.option("--weight", "weights", multiple=True, metavar="CLASS=WEIGHT", help="Weight of a class in the loss.")
@click.option("--seed", type=int, default=0, show_default=True)
@_device
@_name
@json_option
@pass_session
def train(
    session: Session,
    labels_refs: tuple[str, ...],
    validation: str | None,
    hold_out: float,
    start: str | None,
    iterations: int | None,
    learning_rate: float | None,
    widths: str | None,
    batch: int | None,
    weights: tuple[str, ...],
    seed: int,
    device: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Train a 3D U-Net from sparse labels; unlabelled voxels have no say.

    A stopped training goes on when the command is repeated.

    \b
    Example:
        sidecrate train
        sidecrate train --labels pores@v2 --iterations 1000
    """
    with session.recording() as project, Progress("train") as progress:
        from sidecrate import pipeline  # after the project is found: it loads torch

        labels = [project.get(ref, LabelSet) for ref in labels_refs] or [
            chosen(project, None, LabelSet, "sidecrate label add z:N=MASK --class 2=NAME")
        ]
        images = {item.image["digest"]: linked(project, Image, item.image) for item in labels}
        into = project.series(Model, name or labels[0].name)
        given: dict[str, Any] = {
            "iterations": iterations,
            "learning_rate": learning_rate,
            "widths": _numbers(widths) if widths is not None else None,
            "batch": batch,
            "class_weights": dict(_weight(text) for text in weights) or None,
            "validation": project.get(validation, LabelSet) if validation else None,
        }
        model = pipeline.train(
            list(images.values()),
            labels,
            into,
            start=_start(project, start, into.name),
            hold_out=hold_out,
            seed=seed,
            device=device,
            progress=progress,
            **{key: value for key, value in given.items() if value is not None},
        )
    made(model, as_json, f"model card: {model.place}/README.md")


def _start(project: Project, ref: str | None, name: str) -> Model | None:
    if ref == "none":
        return None
    if ref:
        return project.get(ref, Model)
    found = [artifact for artifact in project.lookup(f"models/{name}") if isinstance(artifact, Model)]
    return found[0] if found else None


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{text!r}: write whole numbers with commas, for example 8,16,32") from None


def _weight(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise InputError(f"--weight {text!r}: write CLASS=WEIGHT, for example pore=4") from None


@click.command()
@click.option("--image", "image_ref", metavar="IMAGE", help="Default: the newest.")
@click.option("--model", "model_ref", metavar="MODEL", help="Default: the newest.")
@_device
@_name
@json_option
@pass_session
def predict(
    session: Session, image_ref: str | None, model_ref: str | None, device: str, name: str | None, as_json: bool
) -> None:
    """Predict class probabilities over a whole image, block by block.

    The result does not depend on the block size. A stopped prediction goes on when the command is repeated.

    \b
    Example:
        sidecrate predict --model pores@v2
    """
    with session.recording() as project, Progress("predict") as progress:
        from sidecrate import pipeline  # after the project is found: it loads torch

        image = chosen(project, image_ref, Image, "sidecrate add IMAGE --voxel-nm Z Y X")
        model = chosen(project, model_ref, Model, "sidecrate train")
        into = project.series(Prediction, name or model.name)
        prediction = pipeline.predict(image, model, into, device=device, progress=progress)
    made(prediction, as_json, f"classes: {', '.join(prediction.classes)}")


def trained_on(project: Project, prediction: Prediction) -> list[LabelSet]:
    """Return every label version the model behind a prediction has learnt from, its warm starts included."""
    from sidecrate.provenance.lineage import Lineage

    behind = set(Lineage(project.records()).ancestors(prediction.digest))
    return [a for a in project.artifacts() if isinstance(a, LabelSet) and a.digest in behind]


@click.command()
@click.option("--prediction", "prediction_ref", metavar="PREDICTION", help="Default: the newest.")
@click.option("--truth", required=True, metavar="LABELS", help="Labels to score against.")
@click.option(
    "--threshold", type=click.IntRange(1, 255), default=128, show_default=True, help="Of the uint8 probability."
)
@click.option(
    "--min-voxels", type=click.IntRange(1), default=12, show_default=True, help="Smaller objects are left out."
)
@click.option(
    "--min-iou",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.2,
    show_default=True,
    help="Least overlap of a matched pair.",
)
@_name
@json_option
@pass_session
def evaluate(
    session: Session,
    prediction_ref: str | None,
    truth: str,
    threshold: int,
    min_voxels: int,
    min_iou: float,
    name: str | None,
    as_json: bool,
) -> None:
    """Score a prediction against labels; voxels that its model was trained on are left out.

    \b
    Example:
        sidecrate evaluate --truth pores-check@v1
    """
    with session.recording() as project:
        from sidecrate import pipeline  # after the project is found: it loads torch

        prediction = chosen(project, prediction_ref, Prediction, "sidecrate predict")
        labels = project.get(truth, LabelSet)
        result = pipeline.evaluate(
            prediction,
            labels,
            project.series(Evaluation, name or prediction.name),
            exclude=trained_on(project, prediction),
            image=linked(project, Image, labels.image),
            threshold=threshold,
            min_voxels=min_voxels,
            min_iou=min_iou,
        )
    made(result, as_json, _columns(result, "scores.csv", SCORES))


@click.command()
@click.option("--prediction", "prediction_ref", metavar="PREDICTION", help="Default: the newest.")
@click.option("--labels", "labels_ref", metavar="LABELS", help="Default: the newest.")
@click.option("--count", type=click.IntRange(1), default=2, show_default=True, help="How many slices.")
@click.option("--focus", metavar="CLASS", help="Only doubt about this class counts.")
@click.option("--axes", metavar="ZYX", help="Only slices across these axes (default: those with nearly square pixels).")
@_name
@json_option
@pass_session
def suggest(
    session: Session,
    prediction_ref: str | None,
    labels_ref: str | None,
    count: int,
    focus: str | None,
    axes: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Say which slices to label next, and why.

    \b
    Example:
        sidecrate suggest --count 2 --focus pore
    """
    with session.recording() as project:
        from sidecrate import pipeline  # after the project is found: it loads torch

        prediction = chosen(project, prediction_ref, Prediction, "sidecrate predict")
        labels = chosen(project, labels_ref, LabelSet, "sidecrate label add z:N=MASK --class 2=NAME")
        into = project.series(Suggestion, name or prediction.name)
        result = pipeline.suggest(
            prediction,
            labels,
            into,
            count=count,
            focus=focus,
            axes=axes,
            image=linked(project, Image, labels.image),
        )
    slices = json.loads((result.path / "suggestion.json").read_text(encoding="utf-8"))["slices"]
    made(result, as_json, *(f"{s['axis']}:{s['index']}  {s['reason']}" for s in slices))


@click.command()
@click.option("--prediction", "prediction_ref", metavar="PREDICTION", help="Default: the newest.")
@click.option("--labels", "labels_ref", metavar="LABELS", help="Measure labels instead of a prediction.")
@click.option("--image", "image_ref", metavar="IMAGE", help="Measure an image whose grey values are object numbers.")
@click.option("--objects", required=True, metavar="CLASS", help="Class to count.")
@click.option("--hosts", metavar="CLASS", help="Class they sit in or on.")
@click.option(
    "--threshold", type=click.IntRange(1, 255), default=128, show_default=True, help="Of the uint8 probability."
)
@click.option(
    "--min-voxels", type=click.IntRange(1), default=12, show_default=True, help="Smaller objects are left out."
)
@click.option(
    "--search-nm",
    type=click.FloatRange(0, min_open=True),
    default=200.0,
    show_default=True,
    help="Farthest host of an object.",
)
@click.option(
    "--host-min-fraction",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Bodies smaller than this part of the largest are no hosts.",
)
@_name
@json_option
@pass_session
def measure(
    session: Session,
    prediction_ref: str | None,
    labels_ref: str | None,
    image_ref: str | None,
    objects: str,
    hosts: str | None,
    threshold: int,
    min_voxels: int,
    search_nm: float,
    host_min_fraction: float,
    name: str | None,
    as_json: bool,
) -> None:
    """Count and size objects on their hosts: number, density, size, spacing, with units.

    \b
    Example:
        sidecrate measure --objects pore --hosts nucleus
    """
    with session.recording() as project:
        from sidecrate import pipeline  # after the project is found: it loads torch

        volume = _measurable(project, prediction_ref, labels_ref, image_ref)
        result = pipeline.measure(
            volume,
            project.series(Measurements, name or volume.name),
            objects=objects,
            hosts=hosts,
            threshold=threshold,
            min_voxels=min_voxels,
            search_nm=search_nm,
            host_min_fraction=host_min_fraction,
        )
    made(result, as_json, _columns(result, "hosts.csv", HOSTS), *_oddities(result))


def _measurable(
    project: Project, prediction: str | None, labels: str | None, image: str | None
) -> Prediction | LabelSet | Image:
    if sum(ref is not None for ref in (prediction, labels, image)) > 1:
        raise InputError("--prediction, --labels and --image: say one of them, that is what is measured")
    if labels:
        return project.get(labels, LabelSet)
    return project.get(image, Image) if image else chosen(project, prediction, Prediction, "sidecrate predict")


def _oddities(result: Measurements) -> Iterator[str]:
    """Yield what is not in the table of hosts and must not be overlooked."""
    if orphans := result.meta["totals"]["orphans"]:
        yield f"{orphans} of {result.meta['totals']['objects']} objects too far from any host"
    yield from (f"unusual: {warning['message']}" for warning in result.meta["warnings"])


def _columns(result: Artifact, name: str, columns: Sequence[str]) -> Any:
    """Return some columns of a CSV file of a version as a table for people."""
    with (result.path / name).open(newline="", encoding="utf-8") as file:
        rows = [[_short(row[column]) for column in columns] for row in csv.DictReader(file)]
    return table(columns, rows)


def _short(cell: str) -> str:
    """Return a number with four digits that count, anything else as it is."""
    try:
        return cell if cell.lstrip("-").isdigit() else f"{float(cell):.4g}"
    except ValueError:
        return cell
