# SPDX-License-Identifier: Apache-2.0
"""Probabilities of any box of a volume, the same whatever boxes the volume is cut into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from sidecrate.science.blocks import ArrayLike
from sidecrate.science.devices import Engine
from sidecrate.science.padding import Bounds, Triple, box, read_mirrored
from sidecrate.science.sampling import Normalisation
from sidecrate.science.unet import Plan, UNet

_TILE = 128  # output voxels an axis computed at a time, at most
_WIDE = 32  # channels at the finest level beyond which tiles are half as long, to bound memory


def tile_shape(plan: Plan, shape: Sequence[int]) -> Triple:
    """Return the output voxels computed at a time: a function of net and volume only.

    Convolutions sum in another order for another input shape, and a probability may then round to the next
    uint8. With one tile shape for a volume, results are the same bytes whatever boxes are asked for.
    """
    longest = _TILE if plan.widths[0] < _WIDE else _TILE // 2
    tile = [_even_part(size, longest, step) for size, step in zip(shape, plan.stride, strict=True)]
    return tile[0], tile[1], tile[2]


def _even_part(size: int, longest: int, step: int) -> int:
    """Return the length of equal parts, multiples of `step`; short axes only are fitted, to keep on shards."""
    part = longest if size > 2 * longest else -(-size // -(-size // longest))
    return -(-part // step) * step


class Predictor:
    """A trained net that gives the uint8 probabilities of a volume, box by box.

    Every tile has the same shape, begins on the stride grid of the whole volume, and is read with the whole
    receptive field around it: real data inside the volume, mirrored beyond its faces, as in training.

    Parameters
    ----------
    net : UNet
    normalisation : Normalisation
        The one of the training.
    image : array-like
        Grey values, z, y, x.
    engine : Engine
    """

    def __init__(self, net: UNet, normalisation: Normalisation, image: ArrayLike, engine: Engine) -> None:
        self._plan, self._normalisation, self._engine, self._image = net.plan, normalisation, engine, image
        self._shape = tile_shape(net.plan, image.shape)
        self._input = net.plan.input_shape(self._shape)
        self._net = net.folded().to(engine.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def box(self, within: Bounds) -> NDArray[np.uint8]:
        """Return the probabilities (classes, z, y, x) of a box, 0…255 for 0…1."""
        out = np.empty((self._net.head.out_channels, *np.subtract(within[1], within[0])), np.uint8)
        for start in self._starts(within):
            low = np.maximum(start, within[0])
            high = np.minimum(np.add(start, self._shape), within[1])
            tile = self._tile(start)
            z, y, x = box(low - start, high - start)
            out[(slice(None), *box(low - within[0], high - within[0]))] = tile[:, z, y, x]
        return out

    def _starts(self, within: Bounds) -> Iterator[Triple]:
        """Yield the origins of the tiles that meet a box."""
        z, y, x = (range(low - low % n, high, n) for low, high, n in zip(*within, self._shape, strict=True))
        yield from product(z, y, x)

    def _tile(self, start: Triple) -> NDArray[np.uint8]:
        """Return the probabilities of a whole tile; the softmax is in float64 so that it adds no rounding."""
        grey = self._normalisation(read_mirrored(self._image, np.subtract(start, self._plan.halo), self._input))
        tensor = torch.from_numpy(grey)[None, None].to(self._engine.device, memory_format=torch.channels_last_3d)
        with torch.inference_mode(), self._engine.autocast():
            logits = self._net(tensor)[0]
        z, y, x = self._shape
        probability = torch.softmax(logits.double(), 0)[:, :z, :y, :x]
        return (probability * 255).round().to(torch.uint8).cpu().numpy()
