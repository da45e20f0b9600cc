# SPDX-License-Identifier: Apache-2.0
"""label: versions of label sets from painted slices and boxes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import rich_click as click

from sidecrate.artifacts import Image, LabelSet, Person
from sidecrate.errors import InputError
from sidecrate.store import one_at_a_time
from sidecrate.surfaces.cli.common import Progress, Session, emit, json_option, made, pass_session, say, table

if TYPE_CHECKING:
    from sidecrate.project import Project
    from sidecrate.science.masks import Axis, Mask

_PLACE = re.compile(r"(?:(?P<axis>[zyx]):(?P<index>\d+)|@(?P<offset>\d+,\d+,\d+))=(?P<file>.+)")


@click.group()
def label() -> None:
    """Make label versions: 0 is unlabelled, 1 background, 2 and up are the classes you name.

    \b
    Example:
        sidecrate label export --axis z --index 40 --index 52 --to paint/ --class 2=pore
        (paint mask files in any program)
        sidecrate label import paint/ --name pores --minutes 25 --tool napari
    """


def _who(function: Any) -> Any:
    for option in (
        click.option("--note", metavar="TEXT", help="Anything worth knowing about this session."),
        click.option("--minutes", type=click.FloatRange(min=0), help="Minutes spent painting."),
        click.option("--tool", default="unknown", show_default=True, help="Program the labels were painted in."),
        click.option("--replace", is_flag=True, help="Allow painting over voxels that are labelled differently."),
        click.option(
            "--class", "classes", multiple=True, metavar="N=NAME", help="Name of class N. Repeat for several."
        ),
        click.option("--image", "image_ref", metavar="IMAGE", help="Image they were painted on (default: the newest)."),
        click.option("--base", metavar="LABELS", help="Version to build on (default: the newest of that name)."),
        click.option("--name", default="labels", show_default=True, help="Name of the label set."),
    ):
        function = option(function)
    return function


@label.command("add")
@click.argument("masks", nargs=-1, required=True, metavar="PLACE=FILE...")
@_who
@json_option
@pass_session
def add(session: Session, masks: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Make a new version from painted masks: TIFF, npy, npz or OME-Zarr.

    PLACE is z:40, y:12 or x:7 for a slice, or @Z,Y,X for the corner of a box.

    \b
    Example:
        sidecrate label add z:40=mask40.tif y:88=mask88.tif --class 2=pore --minutes 30
    """
    painted = [_mask(text) for text in masks]
    _label(session, lambda *_: painted, as_json, **options)


@label.command("import")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_who
@json_option
@pass_session
def import_(session: Session, folder: Path, as_json: bool, **options: Any) -> None:
    """Make a new version from a folder that `label export` wrote and somebody painted in.

    The folder says which image and version it came from and what the classes are called.

    \b
    Example:
        sidecrate label import paint/ --name pores --minutes 25 --tool Fiji
    """
    from sidecrate.science.label_io import import_slices, read_sidecar

    export = read_sidecar(folder)
    options["classes"] = options["classes"] or tuple(f"{n}={name}" for n, name in export.classes.items() if n > 1)
    options["base"] = options["base"] or (export.base or {}).get("ref")
    options["image_ref"] = options["image_ref"] or export.image["ref"]

    def masks(image: Image, base: LabelSet | None) -> Sequence[Mask]:
        return import_slices(folder, image, base if export.base else None)

    _label(session, masks, as_json, **options)


def _label(
    session: Session,
    masks: Callable[[Image, LabelSet | None], Sequence[Mask]],
    as_json: bool,
    *,
    name: str,
    base: str | None,
    image_ref: str | None,
    classes: tuple[str, ...],
    replace: bool,
    tool: str,
    minutes: float | None,
    note: str | None,
) -> None:
    with session.recording() as project, Progress("label") as progress:
        from sidecrate import pipeline  # after the project is found: it loads torch

        image, into = the_image(project, image_ref), project.series(LabelSet, name)
        with one_at_a_time(into):  # else two people at once build on the same version, and the newest has half
            newest, before = _base(project, None, name), _base(project, base, name)
            result = pipeline.label(
                image,
                masks(image, before),
                into,
                by=annotator(project),
                tool=tool,
                base=before,
                classes=_classes(classes) or None,
                minutes=minutes,
                note=note,
                replace=replace,
                progress=progress,
            )
    if newest is not None and newest != before:
        built = f"builds on {before.ref}" if before else "builds on nothing"
        advice = f"put them together with `sidecrate label merge {result.ref} {newest.ref}`"
        say(f"{result.ref} {built}, so what {newest.ref} holds besides is not in it; {advice}")
    voxels = result.sessions[-1]["voxels"]
    made(result, as_json, "painted: " + ", ".join(f"{count} {what}" for what, count in voxels.items()))


def _base(project: Project, ref: str | None, name: str) -> LabelSet | None:
    if ref:
        return project.get(ref, LabelSet)
    found = [artifact for artifact in project.lookup(f"labels/{name}") if isinstance(artifact, LabelSet)]
    return found[0] if found else None


def the_image(project: Project, ref: str | None) -> Image:
    """Return the named image, or the newest.

    Raises
    ------
    InputError
        There is none.
    """
    image = project.get(ref, Image) if ref else project.newest(Image)
    if image is None:
        raise InputError("no image in this project yet; take one in: `sidecrate add IMAGE --voxel-nm Z Y X`")
    return image


def annotator(project: Project) -> Person:
    """Return who is labelling.

    Raises
    ------
    InputError
        Nobody was named: a label without a person cannot be credited.
    """
    if project.operator is None:
        raise InputError("who labelled? Say `sidecrate --who 'Given Family <ORCID>' label …` or set SIDECRATE_WHO")
    return project.operator


def _mask(text: str) -> Mask:
    from sidecrate.science.masks import Mask

    match = _PLACE.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r}: write z:INDEX=FILE (or y:, x:) for a slice, @Z,Y,X=FILE for a box")
    if match["axis"]:
        return Mask.slice(Path(match["file"]), cast("Axis", match["axis"]), int(match["index"]))
    z, y, x = (int(part) for part in match["offset"].split(","))
    return Mask.box(Path(match["file"]), (z, y, x))


def _classes(texts: Sequence[str]) -> dict[int, str]:
    classes: dict[int, str] = {}
    for number, name in map(_class, texts):
        if classes.setdefault(number, name) != name:
            raise InputError(f"--class: {number} is called {classes[number]!r} and {name!r}; give it one name")
    return classes


def _class(text: str) -> tuple[int, str]:
    number, _, name = text.partition("=")
    if not number.isdecimal() or not name:
        raise InputError(f"--class {text!r}: write NUMBER=NAME, for example 2=pore")
    return int(number), name


@label.command()
@click.option("--axis", type=click.Choice(["z", "y", "x"]), default="z", show_default=True)
@click.option("--index", "indices", type=click.IntRange(0), multiple=True, required=True, help="Repeat for several.")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="FOLDER")
@click.option("--image", "image_ref", metavar="IMAGE", help="Default: the newest.")
@click.option("--labels", "labels_ref", metavar="LABELS", help="Start the masks from this version.")
@click.option("--class", "classes", multiple=True, metavar="N=NAME", help="Class to paint. Repeat for several.")
@json_option
@pass_session
def export(
    session: Session,
    axis: Axis,
    indices: tuple[int, ...],
    folder: Path,
    image_ref: str | None,
    labels_ref: str | None,
    classes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write slices to paint in any program: the grey slice, a mask to paint in, and what belongs to what.

    \b
    Example:
        sidecrate label export --axis z --index 40 --to paint/ --labels pores
    """
    from sidecrate.science.label_io import export_slices

    project = session.project()
    labels = project.get(labels_ref, LabelSet) if labels_ref else None
    made = export_slices(
        the_image(project, image_ref), folder, axis, indices, labels=labels, classes=dict(map(_class, classes))
    )
    files = [path.name for path in made]
    then = f"paint the masks, then: sidecrate label import {shlex.quote(str(folder))} --name {_series(labels)}"
    data = {"folder": str(folder), "files": files, "next": then}
    emit(data, as_json, lambda out: out.print("\n".join([*files, then]), markup=False))


def _series(labels: LabelSet | None) -> str:
    return labels.name if labels else "NAME"


@label.command()
@click.argument("mine")
@click.argument("theirs")
@click.option("--prefer", type=click.Choice(["mine", "theirs"]), help="Whose label wins where they differ.")
@click.option("--name", help="Name of the result (default: that of MINE).")
@json_option
@pass_session
def merge(session: Session, mine: str, theirs: str, prefer: Any, name: str | None, as_json: bool) -> None:
    """Merge the labels of two people; where they differ, a person decides.

    \b
    Example:
        sidecrate label merge pores@v2 pores-anna@v1
    """
    with session.recording() as project:
        from sidecrate import pipeline  # after the project is found: it loads torch
        from sidecrate.science.merge import conflicts

        first, second = project.get(mine, LabelSet), project.get(theirs, LabelSet)
        found = [] if prefer else conflicts(first, second)
        if found:
            rows = [[c.mine, c.theirs, c.voxels, c.box] for c in found]
            data = [dict(zip(("mine", "theirs", "voxels", "box"), row, strict=True)) for row in rows]
            emit(data, as_json, lambda out: out.print(table(["mine", "theirs", "voxels", "box (z, y, x)"], rows)))
            raise InputError(f"{mine} and {theirs} differ, nothing was merged; look at them, then choose with --prefer")
        into = project.series(LabelSet, name or first.name)
        result = pipeline.merge(first, second, into, by=annotator(project), prefer=prefer)
    made(result, as_json)
