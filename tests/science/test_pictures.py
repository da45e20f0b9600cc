# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: in true proportions, with a legend and a scale, nothing cut off, the same bytes each time."""

import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from sidecrate.science import plots
from sidecrate.science.slice_picture import Mark, round_length_nm, slice_picture


def picture(shape=(40, 60), pixel_nm=(8, 8)):
    grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    mask = np.zeros(shape, bool)
    mask[: shape[0] // 2] = True
    return slice_picture(grey, [Mark(mask, plots.ORANGE, "there")], pixel_nm, "pore: slice z 3")


def drawn(data):
    return imread(io.BytesIO(data), format="png")[..., :3]


def coloured(pixels):
    """Return the height and width of what is not grey above the legend: of the mask."""
    pixels = pixels[:-34]
    rows, columns = np.nonzero(np.ptp(pixels, axis=2) > 0.2)
    return np.ptp(rows) + 1, np.ptp(columns) + 1


def test_a_slice_with_flat_voxels_is_drawn_in_true_proportions():
    height, width = coloured(drawn(picture((20, 100), (40, 8))))
    assert width / height == pytest.approx(2, rel=0.02)  # half of 20 × 40 nm high, 100 × 8 nm wide


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (2000, 1500)])
def test_every_slice_becomes_a_picture_of_a_size_for_a_page(shape):
    height, width, _ = drawn(picture(shape)).shape
    assert 480 <= width <= 800 and height <= 860


def test_the_same_slice_gives_the_same_bytes_without_a_word_on_the_software():
    assert picture() == picture()
    assert b"atplotlib" not in picture()


@pytest.mark.parametrize(("most", "length"), [(1, 1), (499, 200), (500, 500), (1234, 1000), (0.7, 0.5)])
def test_a_scale_bar_has_a_round_length_that_fits(most, length):
    assert round_length_nm(most) == pytest.approx(length)


def test_bars_start_at_zero_even_when_nothing_was_found():
    svg = plots.bars([0, 0], [0, 0], ["3", "7"], "pore: count", "objects").decode()
    assert "−" not in svg and "0.0" in svg


def test_the_name_of_an_axis_stays_inside_a_narrow_plot():
    svg = plots.bars([0.031], [0.004], ["1"], "pore: density", "objects / µm²").decode()
    x = float(re.search(r"rotate\(-90 ([-\d.]+) ", svg)[1])  # baseline of the name, written upwards
    assert x > 9  # the font size: above the baseline there is that much
