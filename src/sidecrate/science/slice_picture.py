# SPDX-License-Identifier: Apache-2.0
"""A slice as a picture that stands alone: masks in colour, a title, a legend and a scale bar."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sidecrate.science.plots import figure_of, overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100
_LEAST_PIXELS, _MOST_PIXELS = 480, 800  # of the longer side; the legend needs the first, a page the second
_TITLE, _LEGEND = 26, 34  # pixels above and below the slice


@dataclass(frozen=True)
class Mark:
    """A mask of a slice, its colour, and what it means."""

    mask: NDArray[np.bool_]
    colour: str
    meaning: str


def slice_picture(grey: NDArray[Any], marks: Sequence[Mark], pixel_nm: tuple[float, float], title: str) -> bytes:
    """Return a PNG of a grey slice in its true proportions, without metadata.

    Parameters
    ----------
    grey : array, rows, columns
    marks : sequence of Mark
        Later ones lie over earlier ones.
    pixel_nm : tuple of float
        Height and width of a pixel.
    title : str
    """
    rows, columns = grey.shape
    shown = np.array([rows * pixel_nm[0], columns * pixel_nm[1]]) / min(pixel_nm)
    factor = min(np.ceil(_LEAST_PIXELS / shown.max()), _MOST_PIXELS / shown.max())
    height, width = np.maximum(1, np.rint(shown * factor))
    whole = height + _TITLE + _LEGEND, max(width, _LEAST_PIXELS)
    buffer = io.BytesIO()
    with figure_of(whole[1] / _DPI, whole[0] / _DPI) as figure:
        place = (0.5 - width / whole[1] / 2, _LEGEND / whole[0], width / whole[1], height / whole[0])
        axes = figure.add_axes(place)
        axes.imshow(overlay(grey, [(mark.mask, mark.colour) for mark in marks]), aspect="auto")
        axes.set_axis_off()
        figure.text(6 / whole[1], 1 - _TITLE / 2 / whole[0], title, va="center")
        _legend(figure, marks)
        _scale_bar(figure, columns * pixel_nm[1], width / whole[1], _LEGEND / whole[0])
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _legend(figure: Figure, marks: Sequence[Mark]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=mark.colour, label=mark.meaning) for mark in marks]
    style: dict[str, Any] = {"frameon": False, "fontsize": 8, "columnspacing": 1.0, "handlelength": 1.0}
    figure.legend(handles=handles, loc="lower left", ncols=len(marks), borderaxespad=0.1, **style)


def _scale_bar(figure: Figure, field_nm: float, width: float, strip: float) -> None:
    """Draw a bar of a round length, at most a fifth of the field, at the right of the strip below the slice."""
    from matplotlib.lines import Line2D

    length = round_length_nm(field_nm / 5)
    right, share = 0.985, length / field_nm * width
    figure.add_artist(Line2D([right - share, right], [strip * 0.72] * 2, color="black", linewidth=2.5))
    text = f"{length / 1000:g} µm" if length >= 1000 else f"{length:g} nm"
    figure.text(right, strip * 0.3, text, ha="right", va="center", fontsize=8)


def round_length_nm(most: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not above a length."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))
