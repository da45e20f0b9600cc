# SPDX-License-Identifier: Apache-2.0
"""add: taking in an image."""

from __future__ import annotations

import re
from pathlib import Path

import rich_click as click

from sidecrate.artifacts import Image
from sidecrate.errors import InputError
from sidecrate.surfaces.cli.common import Progress, Session, json_option, made, pass_session


@click.command()
@click.argument("source")
@click.option("--name", metavar="NAME", help="Name of the image (default: from the file name).")
@click.option(
    "--voxel-nm",
    nargs=3,
    type=click.FloatRange(min=0, min_open=True),
    metavar="Z Y X",
    help="Voxel size in nanometres; needed when the source does not say it.",
)
@click.option("--dataset", metavar="KEY", help="Which array inside an npz, HDF5 or Zarr.")
@click.option("--rescale", nargs=2, type=float, metavar="LOW HIGH", help="Map these grey values to 0…255 (uint8).")
@click.option("--reference", is_flag=True, help="Do not copy: describe the Zarr array where it lies (path, https, s3).")
@click.option("--description", metavar="TEXT", help="What the image shows and how it was taken.")
@json_option
@pass_session
def add(
    session: Session,
    source: str,
    name: str | None,
    voxel_nm: tuple[float, float, float] | None,
    dataset: str | None,
    rescale: tuple[float, float] | None,
    reference: bool,
    description: str | None,
    as_json: bool,
) -> None:
    """Take in an image as OME-Zarr (or refer to one elsewhere).

    SOURCE is a TIFF file or a folder of TIFF slices, OME-Zarr, Zarr, npz, npy, HDF5 or MRC. It is copied block by
    block; memory does not grow with the volume. A stopped copy goes on when the command is repeated.

    \b
    Example:
        sidecrate add stack.tif --voxel-nm 8 8 8
        sidecrate add https://host/cell.zarr --reference
    """
    if "://" in source and not reference:
        raise InputError(f"{default_name(source)}: what lies at an address is not copied; add --reference")
    with session.recording() as project, Progress("add") as progress:
        from sidecrate import pipeline  # after the project is found: it loads torch

        into = project.series(Image, name or default_name(source))
        if reference:
            place = source if "://" in source else Path(source)
            image = pipeline.refer(
                place, into, voxel_nm=voxel_nm, dataset=dataset, description=description, progress=progress
            )
        else:
            image = pipeline.add(
                Path(source),
                into,
                voxel_nm=voxel_nm,
                dataset=dataset,
                rescale=rescale,
                description=description,
                progress=progress,
            )
    size, voxel = "x".join(map(str, image.shape)), "x".join(f"{nm:g}" for nm in image.voxel_nm)
    made(image, as_json, f"{size} voxels of {voxel} nm (z, y, x)")


def default_name(source: str) -> str:
    """Return the name a series gets from the name of a file."""
    stem = re.sub(r"(\.ome)?\.[A-Za-z0-9]+$", "", Path(source.rstrip("/")).name)
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")[:64] or "image"
