# SPDX-License-Identifier: Apache-2.0
"""`python -m examples.real_em PATH.npz`: the loop on a real stack, from three labelled slices to five."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import sidecrate
from examples.real_em.loop import Loop, Recipe, Round
from examples.real_em.stack import GREY, Labelled, coarser
from sidecrate import About, Image, SidecrateError, pipeline

ASSUMED_NM = (40.0, 6.0, 6.0)  # usual for SBEM; the piece this was made for does not state its voxel size
FACTOR = 2
PATCHES = {
    "batch": 2,
    "patch_voxels": 300_000,
    "class_weights": {"background": 1.0, "mitochondrion": 1.0},  # the patches favour the rare class already
}
RECIPE = Recipe(
    first=(3, 10, 16),
    more=2,
    training={**PATCHES, "widths": (8, 24, 48, 96), "iterations": 1000, "learning_rate": 2.5e-3},
    further={**PATCHES, "iterations": 600, "learning_rate": 1.5e-3},
)
COLUMNS = ("dice", "iou", "voxels_fp", "voxels_fn", "objects_tp", "objects_fp", "objects_fn")


def run(
    source: Path,
    out: Path,
    voxel_nm: tuple[float, float, float],
    seed: int,
    *,
    recipe: Recipe = RECIPE,
    control: bool = False,
) -> list[Round]:
    """Make a project in `out`, run the loop on the stack in `source`, and return the scored rounds."""
    known = Labelled.read(source).coarser(FACTOR)
    project = sidecrate.init(out, About(title=f"Mitochondria in {source.stem}: from three labelled slices to five"))
    with project.recording():
        full = pipeline.add(source, project.series(Image, "full"), dataset=GREY, voxel_nm=voxel_nm)
        image = coarser(full, project.series(Image, "stack"), FACTOR)
        return Loop(project, image, known, recipe, seed).run(control=control)


def table(rounds: Sequence[Round]) -> str:
    """Return the rounds as a Markdown table."""
    head = ("", "labelled slices", *COLUMNS)
    rows = [
        (done.name, " ".join(map(str, sorted(done.slices))), *(_text(done.scores[name]) for name in COLUMNS))
        for done in rounds
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows))


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.real_em", description=__doc__)
    parser.add_argument("source", type=Path, help="npz with raw (uint8 z y x) and mito (0 and 1, every slice)")
    parser.add_argument("--out", type=Path, default=Path("real-em-out"), help="project folder to make")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--voxel-nm", type=float, nargs=3, metavar=("Z", "Y", "X"), help="as acquired, before halving")
    parser.add_argument("--control", action="store_true", help="train as much without the new labels, too")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options, began = _arguments(words), time.monotonic()
    if options.voxel_nm is None:
        print(f"voxel size not given: {ASSUMED_NM} nm (z, y, x) is ASSUMED; it decides the shape of the net's kernels")
    try:
        voxel_nm = tuple(options.voxel_nm or ASSUMED_NM)
        rounds = run(options.source, options.out, voxel_nm, options.seed, control=options.control)
    except SidecrateError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(table(rounds))
    print(f"all scored on the slices never labelled; {time.monotonic() - began:.0f} s; records: {options.out}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
