# SPDX-License-Identifier: Apache-2.0
"""Plots and overlays with the same bytes for the same numbers: no time, no random ids, no software version."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture: TypeAlias = NDArray[np.uint8]

# Okabe & Ito 2008: told apart with every common kind of colour vision.
BLUE, ORANGE, GREEN, YELLOW, GREY = "#0072B2", "#D55E00", "#009E73", "#F0E442", "#999999"

_MOST_BARS = 40
_EDGES_IN = {"left": 0.78, "right": 0.14, "bottom": 0.5, "top": 0.3}  # room for labels, in inches


@contextmanager
def figure_of(width: float, height: float) -> Iterator[Figure]:
    """Give a figure of a size in inches whose bytes are deterministic."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change the bytes
        matplotlib.rcParams.update({"svg.hashsalt": "sidecrate", "svg.fonttype": "none", "font.size": 9})
        yield Figure(figsize=(width, height))


def _axes(figure: Figure) -> Axes:
    """Return the only axes of a figure, with the same room for their labels whatever its size."""
    width, height = figure.get_size_inches()
    left, bottom = _EDGES_IN["left"] / width, _EDGES_IN["bottom"] / height
    right, top = 1 - _EDGES_IN["right"] / width, 1 - _EDGES_IN["top"] / height
    return figure.add_axes((left, bottom, right - left, top - bottom))


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def bars(values: ArrayLike, errors: ArrayLike, names: Sequence[str], title: str, unit: str) -> bytes:
    """Return an SVG of one bar with its standard deviation for each name (the first 40)."""
    height, sd = np.atleast_1d(values), np.atleast_1d(errors)
    count = min(len(height), _MOST_BARS)
    with figure_of(max(3.2, 1.2 + 0.5 * count), 3.0) as figure:
        axes = _axes(figure)
        axes.bar(range(count), height[:count], yerr=sd[:count], color=BLUE, ecolor="black", capsize=3)
        axes.set_xticks(range(count), names[:count])
        axes.set_ylim(0, None if (height[:count] + sd[:count]).any() else 1)
        shown = "" if count == len(height) else f" (first {count} of {len(height)})"
        axes.set(title=title + shown, ylabel=unit, xlabel="host")
        return _svg(figure)


def histogram(counts: ArrayLike, edges: ArrayLike, title: str, xlabel: str, mark: float | None = None) -> bytes:
    """Return an SVG of counts between edges, with a dashed line at `mark` (the median)."""
    with figure_of(4.2, 3.0) as figure:
        axes = _axes(figure)
        axes.stairs(counts, edges, fill=True, color=BLUE)
        if mark is not None:
            axes.axvline(mark, color=ORANGE, linestyle="--", label=f"median {mark:.4g}")
            axes.legend(frameon=False)
        axes.set(title=title, xlabel=xlabel, ylabel="objects")
        return _svg(figure)


def lines(series: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str, xlabel: str, ylabel: str) -> bytes:
    """Return an SVG of one line (x, y) for each name."""
    with figure_of(4.2, 3.0) as figure:
        axes = _axes(figure)
        for (name, (x, y)), colour in zip(series.items(), (BLUE, ORANGE, GREEN, GREY), strict=False):
            axes.plot(x, y, color=colour, marker=".", label=name)
        axes.legend(frameon=False)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        return _svg(figure)


def overlay(grey: NDArray[Any], marks: Sequence[tuple[NDArray[np.bool_], str]], strength: float = 0.55) -> Picture:
    """Return an RGB picture of a grey slice with masks painted over it in their colours.

    Grey values are stretched between their 1st and 99th percentile.
    """
    low, high = np.percentile(grey, (1, 99))
    shade = np.clip((grey - low) / max(high - low, 1e-9), 0, 1) * 255
    picture = np.repeat(shade[..., None], 3, axis=2)
    for mask, colour in marks:
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        picture[mask] = (1 - strength) * picture[mask] + strength * rgb
    rounded: Picture = np.rint(picture).astype(np.uint8)
    return rounded


def file_name(text: str) -> str:
    """Return a text with everything but letters and digits replaced by ``-``."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)
