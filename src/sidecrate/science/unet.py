# SPDX-License-Identifier: Apache-2.0
"""The 3D U-Net of Çiçek et al. 2016 (arXiv 1606.06650) with valid convolutions.

A tile of the output depends on the `halo` of input around it and on nothing else, so the same voxels come out
however a volume is cut into tiles, as long as the tiles begin on the `stride` grid of the volume.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Triple: TypeAlias = tuple[int, int, int]

_COARSE = 2.0  # an axis more than this many times coarser than the finest one is neither convolved nor pooled yet
_SEEN = 0.5  # of a coarse axis of the volume, at most, is within the receptive field
_ENDLESS = (math.inf, math.inf, math.inf)


@dataclass(frozen=True)
class Plan:
    """The geometry of a net.

    Attributes
    ----------
    widths : tuple of int
        Channels of each level, finest first.
    kernels : tuple of Triple
        Convolution kernel of each level, z, y, x, each 1 or 3.
    pools : tuple of Triple
        Pooling between a level and the next coarser one, each 1 or 2.
    """

    widths: tuple[int, ...]
    kernels: tuple[Triple, ...]
    pools: tuple[Triple, ...]

    @classmethod
    def for_voxels(cls, voxel_nm: Sequence[float], widths: Sequence[int], extent: Sequence[float] = _ENDLESS) -> Plan:
        """Return the plan for a voxel size: coarse axes join once pooling has made the others as coarse.

        In a volume of few slices, `extent` voxels, they join later: each slice more that the net sees costs it
        another plane at the finest level, and would mostly be a mirror image of those that are there.
        """
        coarseness = [step / min(voxel_nm) for step in voxel_nm]
        joins = [_joining_level(*axis, len(widths)) for axis in zip(coarseness, extent, strict=True)]
        kernels = [_triple(3 if level >= join else 1 for join in joins) for level in range(len(widths))]
        pools = [_triple(2 if level >= join else 1 for join in joins) for level in range(len(widths) - 1)]
        return cls(tuple(widths), tuple(kernels), tuple(pools))

    @property
    def strides(self) -> tuple[Triple, ...]:
        """Return the voxels of the input per voxel of each level."""
        strides: list[Triple] = [(1, 1, 1)]
        for pool in self.pools:
            strides.append(_triple(s * p for s, p in zip(strides[-1], pool, strict=True)))
        return tuple(strides)

    @property
    def stride(self) -> Triple:
        """Return the grid on which tiles have to begin: the voxels per voxel of the coarsest level."""
        return self.strides[-1]

    @property
    def halo(self) -> Triple:
        """Return what valid convolutions take off each side: what a tile on the stride grid has to see around it."""
        return _triple(sum(self._loss(level, axis) for level in range(len(self.widths))) for axis in range(3))

    @property
    def radius(self) -> Triple:
        """Return how far a voxel sees at most: the halo around its cell of the stride grid."""
        return _triple(halo + step - 1 for halo, step in zip(self.halo, self.stride, strict=True))

    def input_shape(self, output_shape: Sequence[int]) -> Triple:
        """Return the smallest input the net can process that yields at least `output_shape`."""
        return _triple(self._input_size(size, axis) for axis, size in enumerate(output_shape))

    def output_shape(self, input_shape: Sequence[int]) -> Triple:
        """Return the shape the net makes of an input shape."""
        return _triple(size - 2 * halo for size, halo in zip(input_shape, self.halo, strict=True))

    def _loss(self, level: int, axis: int) -> int:
        """Return the input voxels a level takes off each side: two convolutions down, two up."""
        convolutions = 4 if level < len(self.pools) else 2
        return convolutions * (self.kernels[level][axis] // 2) * self.strides[level][axis]

    def _input_size(self, output_size: int, axis: int) -> int:
        size = output_size + 2 * self.halo[axis]
        while not self._divides(size, axis):
            size += 1
        return size

    def _divides(self, size: int, axis: int) -> bool:
        """Return whether each pooling meets a size it divides."""
        for kernel, pool in zip(self.kernels, self.pools, strict=False):
            size -= 4 * (kernel[axis] // 2)
            if size <= 0 or size % pool[axis]:
                return False
            size //= pool[axis]
        return True


class UNet(nn.Module):
    """A 3D U-Net: float tensor (n, 1, z, y, x) in, logits (n, classes, z', y', x') out, smaller by the halo.

    Each level has two convolutions, BatchNorm before each ReLU; channels are doubled before the pooling, so
    that there is no bottleneck; skips are cropped and concatenated.
    """

    def __init__(self, plan: Plan, classes: int) -> None:
        super().__init__()
        self.plan = plan
        widths, kernels = plan.widths, plan.kernels
        inputs = (1, *widths)
        self.encoder = nn.ModuleList(
            _two_convolutions(inputs[i], max(1, widths[i] // 2), widths[i], kernels[i]) for i in range(len(widths))
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(widths[i + 1], widths[i + 1], pool, stride=pool) for i, pool in enumerate(plan.pools)
        )
        self.decoder = nn.ModuleList(
            _two_convolutions(widths[i] + widths[i + 1], widths[i], widths[i], kernels[i])
            for i in range(len(plan.pools))
        )
        self.head = nn.Conv3d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the voxels whose whole receptive field is in `x`."""
        skips: list[Tensor] = []
        for convolutions, pool in zip(self.encoder, self.plan.pools, strict=False):
            x = convolutions(x)
            skips.append(x)
            x = nn.functional.max_pool3d(x, pool)
        x = self.encoder[-1](x)
        for up, convolutions in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = up(x)
            x = convolutions(torch.cat([_crop(skips.pop(), x.shape[2:]), x], dim=1))
        return cast(Tensor, self.head(x))

    def freeze_statistics(self) -> None:
        """Make every BatchNorm use its running statistics from now on, so that it trains what it will be."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eval()

    def with_classes(self, classes: int) -> UNet:
        """Return a copy with at least as many classes; the weights of those it knows stay."""
        net = copy.deepcopy(self)
        old, net.head = self.head, nn.Conv3d(self.head.in_channels, classes, 1)
        with torch.no_grad():
            net.head.weight[: old.out_channels] = old.weight
            cast(Tensor, net.head.bias)[: old.out_channels] = cast(Tensor, old.bias)
        return net

    def folded(self) -> UNet:
        """Return a copy for inference with each BatchNorm folded into the convolution before it."""
        net = copy.deepcopy(self).eval().requires_grad_(False)
        for convolutions in (*net.encoder, *net.decoder):
            for i in (0, 3):
                convolutions[i] = fuse_conv_bn_eval(convolutions[i], convolutions[i + 1])
                convolutions[i + 1] = nn.Identity()
        return net


def _joining_level(coarseness: float, extent: float, levels: int) -> int:
    """Return the finest level that convolves and pools an axis so much coarser than the finest one."""
    level = max(0, math.ceil(math.log2(coarseness / _COARSE)))
    while coarseness > 1 and level < levels - 1 and 2 * _halo_from(level, levels) + 1 > _SEEN * extent:
        level += 1
    return level


def _halo_from(level: int, levels: int) -> int:
    """Return the halo of an axis that is convolved and pooled from a level on: the sum of `Plan._loss`."""
    return 6 * (1 << levels - 1 - level) - 4


def _two_convolutions(inputs: int, middle: int, outputs: int, kernel: Triple) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, middle, kernel),
        nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        nn.Conv3d(middle, outputs, kernel),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
    )


def _crop(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the centre of `x`; the margins are even because each level loses the same on both sides."""
    starts = [(have - want) // 2 for have, want in zip(x.shape[2:], shape, strict=True)]
    z, y, x_ = (slice(start, start + want) for start, want in zip(starts, shape, strict=True))
    return x[:, :, z, y, x_]


def _triple(values: Iterable[int]) -> Triple:
    z, y, x = values
    return z, y, x
