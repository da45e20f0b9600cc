# SPDX-License-Identifier: Apache-2.0
"""`python -m examples.real_em.instances PATH.npz`: are counts and volumes those of a plain whole-array count?"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import sidecrate
from sidecrate import About, Image, Measurements, SidecrateError, pipeline

IDS = "neurons"
STATED_NM = (10.0, 10.0, 10.0)  # by the source of the piece this was made for


def measured(source: Path, out: Path, voxel_nm: tuple[float, float, float]) -> Measurements:
    """Return the measured instances of a stack of ids, made in a new project."""
    project = sidecrate.init(out, About(title=f"Instances of {source.stem}"))
    with project.recording():
        ids = pipeline.add(source, project.series(Image, IDS), dataset=IDS, voxel_nm=voxel_nm)
        return pipeline.measure(ids, project.series(Measurements, IDS), objects="neuron", min_voxels=1)


def expected(source: Path) -> dict[int, int]:
    """Return the voxels of each id but 0, counted in the whole array at once."""
    with np.load(source) as arrays:
        ids, voxels = np.unique(arrays[IDS], return_counts=True)
    return {int(i): int(n) for i, n in zip(ids, voxels, strict=True) if i != 0}


def differences(found: Measurements, want: dict[int, int], voxel_nm: Sequence[float]) -> list[str]:
    """Return a line for each instance whose voxels or volume are not exactly those expected."""
    with (found.path / "objects.csv").open(newline="") as file:
        rows = {int(row["object"]): (int(row["voxels"]), float(row["volume_um3"])) for row in csv.DictReader(file)}
    voxel_nm3 = float(np.prod(voxel_nm))
    exact = {i: (voxels, voxels * voxel_nm3 / 1e9) for i, voxels in want.items()}
    return [f"id {i}: {rows.get(i)}, not {exact.get(i)}" for i in sorted(rows | exact) if rows.get(i) != exact.get(i)]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 when anything differs."""
    parser = argparse.ArgumentParser(prog="python -m examples.real_em.instances", description=__doc__)
    parser.add_argument("source", type=Path, help=f"npz with {IDS} (integer ids z y x, 0 is none)")
    parser.add_argument("--out", type=Path, default=Path("real-em-instances"), help="project folder to make")
    parser.add_argument("--voxel-nm", type=float, nargs=3, metavar=("Z", "Y", "X"), default=STATED_NM)
    options = parser.parse_args(words)
    try:
        found = measured(options.source, options.out, tuple(options.voxel_nm))
    except SidecrateError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    want = expected(options.source)
    wrong = differences(found, want, options.voxel_nm)
    print("\n".join(wrong) or f"{len(want)} instances, {sum(want.values())} voxels: counts and volumes are equal")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
