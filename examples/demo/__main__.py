# SPDX-License-Identifier: Apache-2.0
"""Run the main job on a synthetic cell with known truth: ``python -m examples.demo``."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

import sidecrate
from examples.demo import report
from examples.demo.loop import CLASSES, LIBRARIANS, TRUTH_MAKER, Loop, Recipe, Round
from sidecrate import About, Deposit, Image, LabelSet, Member, Project, pipeline
from sidecrate.publish import citation_formats
from sidecrate.publish.audit import audit
from sidecrate.publish.cite import citation
from sidecrate.science.masks import Mask
from sidecrate.testing import synthetic

ABOUT = About(
    title="Nuclear pores of a synthetic cell",
    description="A synthetic cell with two nuclei and known truth, labelled slice by slice, predicted and measured.",
    license="CC0-1.0",
    keywords=("nuclear pore", "synthetic data", "3D U-Net", "FIB-SEM"),
    people=(
        Member("Josiah Carberry", "Josiah", "Carberry", LIBRARIANS[0].orcid, "author", "Brown University", "05gq02987"),
    ),
)


def main() -> int:
    """Run the demo and return the exit code: 1 when the audit found an error."""
    options = _options()
    out: Path = options.out
    if out.exists():
        if not (out / "project" / "sidecrate.toml").exists():
            sys.exit(f"{out}: exists and is not an earlier demo; choose another --out")
        shutil.rmtree(out)
    (out / "source").mkdir(parents=True)
    began = time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)

    def tell(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/dim]  {line}")

    cell = synthetic.cell(options.seed)
    np.save(out / "source" / "cell.npy", cell.raw)
    project = sidecrate.init(out / "project", ABOUT)
    with project.recording(command=f"python -m examples.demo --seed {options.seed}"):
        rounds, measured = _science(project, out, cell, options, tell)
        _tables(console, out, cell, rounds, measured)
        package = _publish(project, out, tell)
    errors = _checks(console, project, [package, out / "archive"])
    _places(console, out, project, measured, time.monotonic() - began)
    return 1 if errors else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the cell and of the training (default 0)")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for everything (default demo-out)")
    parser.add_argument("--no-control", action="store_true", help="leave the controls out: faster, less honest")
    parser.add_argument("--quick", action="store_true", help="a few iterations only: shows the way, not the science")
    return parser.parse_args()


def _science(
    project: Project, out: Path, cell: synthetic.SyntheticCell, options: argparse.Namespace, tell: report.Tell
) -> tuple[list[Round], sidecrate.Measurements]:
    image = pipeline.add(out / "source" / "cell.npy", project.series(Image, "cell"), voxel_nm=cell.voxel_nm)
    truth = pipeline.label(
        image,
        [Mask.box(cell.classes, (0, 0, 0))],
        project.series(LabelSet, "truth"),
        by=TRUTH_MAKER,
        tool="sidecrate.testing.synthetic",
        classes=CLASSES,
        note="known because the cell was made; used for scores only",
    )
    recipe = Recipe(start={"iterations": 8}, go_on={"iterations": 4}) if options.quick else Recipe()
    loop = Loop(project, image, cell.classes, truth, recipe, options.seed, tell)
    rounds = list(loop.rounds(control=not options.no_control))
    final = [one for one in rounds if "control" not in one.name][-1]
    measured = loop.measure(final.prediction)
    tell(f"measured: {measured.ref}")
    return rounds, measured


def _publish(project: Project, out: Path, tell: report.Tell) -> Path:
    archive = out / "package.zip"
    package = pipeline.pack(pipeline.plan_package(project), archive, form="zip")
    tell(f"packed {len(package.tree.sizes)} files, {package.bytes / 1e6:.1f} MB")
    into = project.series(Deposit, "archive")
    receipt = pipeline.deposit(archive, f"ocfl:{out / 'archive'}", into, by=project.operator).meta["receipt"]
    tell(f"deposited as {receipt['object_id']} {receipt['version']}")
    return archive


def _tables(
    console: Console, out: Path, cell: synthetic.SyntheticCell, rounds: list[Round], measured: sidecrate.Measurements
) -> None:
    rows = [report.round_row(one) for one in rounds]
    console.print(report.table(report.ROUND_COLUMNS, rows, "\nRounds (pores, matched one to one at IoU ≥ 0.2)"))
    report.write_csv(out / "rounds.csv", report.ROUND_COLUMNS, rows)
    report.draw_rounds(rounds, out / "rounds.png")
    rows = report.compare(cell, measured)
    console.print(report.table(report.TRUTH_COLUMNS, rows, "Measured against true"))
    report.write_csv(out / "measured.csv", report.TRUTH_COLUMNS, rows)


def _checks(console: Console, project: Project, targets: list[Path]) -> int:
    errors = 0
    for target in [project.root, *targets]:
        findings = audit(target)
        bad = [finding for finding in findings if finding.severity == "error"]
        console.print(f"audit {target.name}: {len(bad)} errors, {len(findings) - len(bad)} other findings")
        for finding in bad:
            console.print(f"  {finding.code} {finding.where}: {finding.message}", markup=False)
        errors += len(bad)
    return errors


def _places(console: Console, out: Path, project: Project, measured: sidecrate.Measurements, seconds: float) -> None:
    artifacts, records = project.artifacts(), project.records()
    labels = project.get("labels/pores", LabelSet)
    receipts = [artifact.meta["receipt"] for artifact in artifacts if isinstance(artifact, Deposit)]
    for thing in (labels, measured):
        cited = citation(thing, project=project.config, records=records, artifacts=artifacts, receipts=receipts)
        console.print(f"\n{citation_formats.text(cited).strip()}", markup=False)
    console.print("\nLook at:")
    for path, what in (
        (project.root / "ro-crate-preview.html", "the crate: lineage, who did what, numbers, how to cite"),
        (measured.path, "tables and plots of the pores on each nucleus"),
        (out / "rounds.png", "the rounds and their controls"),
        (out / "package.zip", "the bag"),
        (out / "archive", "the OCFL storage root it was deposited in"),
    ):
        console.print(f"  {path}  [dim]{what}[/dim]")
    console.print(f"\n{len(records)} records; {seconds:.0f} s in all")


if __name__ == "__main__":
    sys.exit(main())
