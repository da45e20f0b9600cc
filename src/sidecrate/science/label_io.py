# SPDX-License-Identifier: Apache-2.0
"""Slices out to be painted in any program, and back in: TIFF pairs and one JSON file that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from sidecrate.artifacts import Image, Json, LabelSet
from sidecrate.digests import canonical_json, write_atomic
from sidecrate.errors import InputError
from sidecrate.science.arrays import View, check_painted_on, open_array
from sidecrate.science.label import class_names
from sidecrate.science.masks import AXES, Axis, Mask, opened_mask

SIDECAR = "slices.json"

_RULES = {
    "0": "leave this voxel as it is (unlabelled)",
    "1": "background",
    "2 and up": "the classes listed under `classes`",
    "file": "keep name, size and whole numbers: no colour, no lossy compression",
}


@dataclass(frozen=True)
class Slice:
    """One exported slice: where it lies, its two files, and the digest of the numbers in the mask as exported."""

    axis: Axis
    index: int
    raw: str
    mask: str
    mask_voxels: str


@dataclass(frozen=True)
class Export:
    """What an export says of itself: links to image and base version, class names, slices."""

    image: Json
    base: Json | None
    classes: dict[int, str]
    slices: list[Slice]


def export_slices(
    image: Image,
    folder: Path,
    axis: Axis,
    indices: Sequence[int],
    *,
    labels: LabelSet | None = None,
    classes: Mapping[int, str] | None = None,
) -> list[Path]:
    """Write slices and their masks as TIFF, with a sidecar that lets `import_slices` take them back.

    Parameters
    ----------
    image : Image
    folder : Path
        Made; must not hold an earlier export, whose painting would be lost.
    axis, indices : str and sequence of int
        The slices: numbers along the axis they are cuts across.
    labels : LabelSet, optional
        What is painted already; the masks are empty without it.
    classes : mapping of int to str, optional
        Names of further classes to paint.

    Returns
    -------
    list of Path
        The mask files to paint on.

    Raises
    ------
    InputError
        The labels are of another image, a slice is outside the image, or there is an export already.
    """
    if labels is not None:
        check_painted_on(labels, image)
    if (folder / SIDECAR).exists():
        raise InputError(f"{folder.name}: holds exported slices already; import them or choose another folder")
    if outside := [index for index in indices if not 0 <= index < image.shape[AXES.index(axis)]]:
        last = image.shape[AXES.index(axis)] - 1
        raise InputError(f"slice {axis} {outside[0]} is outside {image.ref}, whose {axis} goes from 0 to {last}")
    names = class_names(labels.classes if labels else {}, classes or {})
    folder.mkdir(parents=True, exist_ok=True)
    painted = open_array(labels) if labels else None
    slices = [_write_pair(open_array(image), painted, folder, axis, index) for index in sorted(set(indices))]
    sidecar = {
        "image": image.link(),
        "base": labels.link() if labels else None,
        "classes": {str(number): name for number, name in names.items()},
        "values": _RULES,
        "slices": [asdict(entry) for entry in slices],
    }
    write_atomic(folder / SIDECAR, canonical_json(sidecar))
    return [folder / entry.mask for entry in slices]


def _write_pair(grey: View, painted: View | None, folder: Path, axis: Axis, index: int) -> Slice:
    raw = _plane(grey, axis, index)
    mask = _plane(painted, axis, index) if painted else np.zeros(raw.shape, np.uint8)
    entry = Slice(axis, index, f"{axis}{index:05}.tif", f"{axis}{index:05}-mask.tif", _digest(mask))
    tifffile.imwrite(folder / entry.raw, raw)
    tifffile.imwrite(folder / entry.mask, mask)
    return entry


def _plane(array: View, axis: Axis, index: int) -> NDArray[Any]:
    region = tuple(index if name == axis else slice(0, n) for name, n in zip(AXES, array.shape, strict=True))
    return array[region]


def read_sidecar(folder: Path) -> Export:
    """Return what an export says of itself.

    Raises
    ------
    InputError
        There is none, or it is broken.
    """
    try:
        found = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        classes = {int(number): str(name) for number, name in found["classes"].items()}
        slices = [_read_slice(entry) for entry in found["slices"]]
        base = None if found["base"] is None else _read_link(found["base"])
        return Export(_read_link(found["image"]), base, classes, slices)
    except FileNotFoundError:
        raise InputError(f"{folder.name}: no {SIDECAR}; give a folder that `sidecrate label export` made") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{folder.name}/{SIDECAR}: broken ({error!r}); export the slices again") from error


def _read_link(link: Json) -> Json:
    return {key: str(link[key]) for key in ("kind", "ref", "digest")}


def _read_slice(entry: Json) -> Slice:
    if entry["axis"] not in AXES:
        raise ValueError(f"no axis {entry['axis']!r}")
    return Slice(entry["axis"], int(entry["index"]), *(str(entry[key]) for key in ("raw", "mask", "mask_voxels")))


def import_slices(folder: Path, image: Image, base: LabelSet | None = None) -> list[Mask]:
    """Return the painted slices of an export as masks; those nobody painted on are left out.

    Parameters
    ----------
    folder : Path
        What `export_slices` wrote, the masks painted.
    image, base : Image and LabelSet
        What was exported; both are checked by digest.

    Raises
    ------
    InputError
        Another image or base, a missing mask, or one of another shape or type.
    """
    export = read_sidecar(folder)
    _check_origin(folder, "image", export.image, image)
    _check_origin(folder, "base", export.base, base)
    masks = []
    for entry in export.slices:
        mask = Mask.slice(folder / Path(entry.mask).name, entry.axis, entry.index)
        with opened_mask(mask, image.shape) as painted:
            if _digest(painted.read(painted.box)) != entry.mask_voxels:
                masks.append(mask)
    if not masks:
        raise InputError(f"{folder.name}: no mask was changed since the export; paint on the files named *-mask.tif")
    return masks


def _digest(numbers: NDArray[np.uint8]) -> str:
    """Return the digest of the numbers alone: programs that save a mask unpainted may still change its bytes."""
    return f"sha256:{hashlib.sha256(numbers.tobytes()).hexdigest()}"


def _check_origin(folder: Path, role: str, link: Json | None, given: Image | LabelSet | None) -> None:
    exported = link["ref"] if link else "nothing"
    if (link and link["digest"]) != (given and given.digest):
        named = given.ref if given else "nothing"
        raise InputError(f"{folder.name}: its {role} is {exported}, not {named}; import on {exported}, merge later")
