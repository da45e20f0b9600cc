# SPDX-License-Identifier: Apache-2.0
"""Trained nets on disk: ``weights.safetensors`` and ``model.json``, checked before they are used.

Both may come from strangers, so nothing is built or allocated before its size is known to be sane.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from sidecrate.artifacts import Json, Model
from sidecrate.errors import InputError
from sidecrate.science.checkpoints import Weights
from sidecrate.science.sampling import Normalisation
from sidecrate.science.unet import Plan, UNet
from sidecrate.store import check_file

WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"

_MOST_LEVELS, _MOST_CHANNELS, _MOST_CLASSES = 6, 1024, 254
_DTYPES = {torch.float32: "F32", torch.int64: "I64"}


@dataclass(frozen=True)
class Trained:
    """A net and what is needed to use it.

    Attributes
    ----------
    net : UNet
    classes : tuple of str
        Names in channel order, ``background`` first.
    voxel_nm : tuple of float
        Voxel size it was trained at, z, y, x.
    normalisation : Normalisation
    """

    net: UNet
    classes: tuple[str, ...]
    voxel_nm: tuple[float, ...]
    normalisation: Normalisation

    def description(self) -> Json:
        """Return what ``model.json`` says of the net itself."""
        plan = self.net.plan
        return {
            "architecture": {
                "name": "3D U-Net with valid convolutions (Çiçek et al. 2016, arXiv 1606.06650)",
                **asdict(plan),
                "halo_voxels": plan.halo,
                "stride_voxels": plan.stride,
                "parameters": sum(parameter.numel() for parameter in self.net.parameters()),
            },
            "classes": self.classes,
            "voxel_nm": self.voxel_nm,
            "normalisation": asdict(self.normalisation),
        }

    def weights(self) -> bytes:
        """Return the weights in safetensors format."""
        return save({name: tensor.contiguous().cpu() for name, tensor in self.net.state_dict().items()})


def load(model: Model) -> Trained:
    """Return the net of a model version, ready to be used or trained on.

    Raises
    ------
    InputError
        ``model.json`` or the weights are broken, or do not fit each other.
    RecordError
        They are missing, or not the bytes of this version.
    """
    for name in (DESCRIPTION, WEIGHTS):
        check_file(model, name)
    where = f"{model.ref}/{DESCRIPTION}"
    try:
        described = json.loads((model.path / DESCRIPTION).read_bytes())
        architecture, shift = described["architecture"], described["normalisation"]
        plan = _plan(architecture)
        classes = _names(described["classes"])
        voxel_nm = tuple(_positive(step) for step in described["voxel_nm"])
        normalisation = Normalisation(_finite(shift["mean"]), _positive(shift["sd"]))
        if len(voxel_nm) != 3:
            raise ValueError("voxel_nm has not three numbers")
    except (InputError, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{where}: not a usable model ({error}); train it again or restore it") from error
    with torch.device("meta"):  # a net without memory: what a stranger's description asks for is not allocated
        net = UNet(plan, len(classes))
    net.load_state_dict(_read_weights(model.path / WEIGHTS, net, model.ref), assign=True)
    return Trained(net.eval(), classes, voxel_nm, normalisation)


def _read_weights(path: Path, net: UNet, ref: str) -> Weights:
    """Return the weights; names, shapes and types are compared in the file's header before anything is read."""
    where = f"{ref}/{WEIGHTS}"
    expected = {name: (list(tensor.shape), _DTYPES[tensor.dtype]) for name, tensor in net.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
            found = {name: (part.get_shape(), part.get_dtype()) for name, part in parts.items()}
            if found != expected:
                odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
                raise InputError(f"{where}: {odd[0]} is not what {DESCRIPTION} describes; restore the model")
            weights = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{where}: not a readable safetensors file ({error}); restore the model") from error
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{where}: {name} holds values that are not finite; train the model again")
    return weights


def _plan(architecture: Json) -> Plan:
    widths = check_widths(architecture["widths"])
    kernels = [_steps(kernel, (1, 3)) for kernel in architecture["kernels"]]
    pools = [_steps(pool, (1, 2)) for pool in architecture["pools"]]
    if len(kernels) != len(widths) or len(pools) != len(widths) - 1:
        raise ValueError("widths, kernels and pools do not fit each other")
    return Plan(widths, tuple(kernels), tuple(pools))


def check_widths(widths: Sequence[Any]) -> tuple[int, ...]:
    """Return the channels of each level: 1 to 6 whole numbers from 1 to 1024.

    Raises
    ------
    InputError
        They are something else.
    """
    if not 1 <= len(widths) <= _MOST_LEVELS or any(type(w) is not int or not 1 <= w <= _MOST_CHANNELS for w in widths):
        raise InputError(f"widths {widths!r}: give 1 to {_MOST_LEVELS} numbers from 1 to {_MOST_CHANNELS}")
    return tuple(widths)


def _steps(values: Sequence[Any], allowed: Sequence[int]) -> tuple[int, int, int]:
    z, y, x = (_integer(value, allowed) for value in values)
    return z, y, x


def _names(values: Sequence[Any]) -> tuple[str, ...]:
    names = tuple(str(value) for value in values)
    if not 2 <= len(set(names)) == len(names) <= _MOST_CLASSES:
        raise ValueError("classes must be two or more different names")
    return names


def _integer(value: Any, allowed: Sequence[int]) -> int:
    if type(value) is not int or value not in allowed:
        raise ValueError(f"{value!r} is out of range")
    return value


def _finite(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _positive(value: Any) -> float:
    if _finite(value) <= 0:
        raise ValueError(f"{value!r} is not more than 0")
    return float(value)
