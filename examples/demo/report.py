# SPDX-License-Identifier: Apache-2.0
"""What the demo prints and draws: the rounds with their controls, and measured against true."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from examples.demo.loop import Round
from sidecrate import Measurements
from sidecrate.testing.synthetic import SyntheticCell

Tell = Callable[[str], None]

ROUND_COLUMNS = (
    "round", "slices", "new", "labelled by", "matched", "FP", "FN", "precision", "recall", "F1", "voxel Dice",
)  # fmt: skip


def round_row(one: Round) -> list[str]:
    """Return a line of the table of rounds; object counts are matched one to one, never totals alone."""
    pore = one.scores["pore"]
    sessions = one.labels.sessions
    return [
        one.name,
        str(sum(len(session["boxes"]) for session in sessions)),
        " ".join(f"{axis}:{index}" for axis, index in one.new) or "none",
        sessions[-1]["who"]["name"] if one.new else "",
        *(str(pore[f"objects_{key}"]) for key in ("tp", "fp", "fn")),
        *(_share(pore[key]) for key in ("precision", "recall", "f1", "dice")),
    ]


def _share(value: float | None) -> str:
    """Return a share, or a dash where nothing was there to take it of."""
    return "–" if value is None else f"{value:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> Table:
    """Return a plain table for the terminal."""
    made = Table(*head, box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for row in rows:
        made.add_row(*row)
    return made


def write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write the same table as a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


TRUTH_COLUMNS = ("nucleus", "", "pores", "area µm²", "pores per µm²", "median diameter nm")


def compare(cell: SyntheticCell, measured: Measurements) -> list[list[str]]:
    """Return measured and true of each nucleus, and the difference in per cent."""
    with (measured.path / "hosts.csv").open(newline="", encoding="utf-8") as file:
        hosts = list(csv.DictReader(file))
    rows = []
    for nucleus in cell.truth:
        host = min(hosts, key=lambda row: _distance(row, cell, nucleus.nucleus_id), default=None)
        true = (
            nucleus.pore_count,
            nucleus.area_um2,
            nucleus.pores_per_um2,
            float(np.median(nucleus.pore_diameters_nm)),
        )
        keys = ("objects", "surface_um2", "density_per_um2", "median_diameter_nm")
        found = tuple(float(host[key] or "nan") if host else float("nan") for key in keys)
        name = str(nucleus.nucleus_id)
        rows.append([name, "true", *_numbers(true)])
        rows.append([name, "measured", *_numbers(found)])
        rows.append([name, "off by", *(f"{100 * (f / t - 1):+.1f} %" for f, t in zip(found, true, strict=True))])
    return rows


def _distance(row: dict[str, Any], cell: SyntheticCell, nucleus: int) -> float:
    centre = np.argwhere(cell.nuclei == nucleus).mean(axis=0) * cell.voxel_nm
    return float(np.linalg.norm(centre - [float(row[f"{axis}_nm"]) for axis in "zyx"]))


def _numbers(values: Sequence[float]) -> list[str]:
    count, *rest = values
    return [f"{count:.0f}", *(f"{value:.4g}" for value in rest)]


def draw_rounds(rounds: Sequence[Round], path: Path) -> None:
    """Draw matched false positives, false negatives and F1 of the rounds, the controls beside them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 3)
    for axis, key, title in zip(
        axes, ("objects_fp", "objects_fn", "f1"), ("false positives", "false negatives", "F1"), strict=True
    ):
        _draw(axis, [r for r in rounds if "control" not in r.name], key, "o-", "#0072b2", "with new labels")
        _draw(
            axis,
            [r for r in rounds if "control" in r.name],
            key,
            "s",
            "#d55e00",
            "control: same training, no new labels",
        )
        axis.set_title(f"pores: {title}")
        axis.set_xlabel("round")
        axis.set_xticks(sorted({int(r.name.split()[0]) for r in rounds}))
        axis.set_ylim(bottom=0)
    axes[2].legend(loc="lower right", fontsize=7)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw(axis: Any, rounds: Sequence[Round], key: str, style: str, colour: str, label: str) -> None:
    if rounds:
        number = [int(r.name.split()[0]) for r in rounds]
        axis.plot(number, [r.scores["pore"][key] for r in rounds], style, color=colour, label=label, clip_on=False)
