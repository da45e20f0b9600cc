# SPDX-License-Identifier: Apache-2.0
"""The state of a training as bytes: tensors as safetensors, the rest as JSON in their header; never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from sidecrate.store import Draft

Weights = dict[str, Tensor]

_NAME = "checkpoint-"


class Checkpoints(Protocol):
    """Keeps the last state of an interrupted training."""

    def save(self, data: bytes) -> None:
        """Keep a state in the place of the one before; after a crash one of them is there, whole."""

    def load(self) -> bytes | None:
        """Return the last state kept, or None."""


@dataclass
class State:
    """Where a training stands, apart from the net and its optimiser.

    Attributes
    ----------
    iteration : int
        Iterations done.
    curve : list of dict
        Iteration, training loss and validation loss at each check.
    best_loss : float
        Lowest validation loss.
    best : dict of str to Tensor
        The weights that had it; empty without validation.
    """

    iteration: int
    curve: list[dict[str, float]]
    best_loss: float
    best: Weights


def pack(state: State, net: nn.Module, optimiser: torch.optim.Optimizer) -> bytes:
    """Return everything a training needs to go on."""
    tensors = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in moments.items()}
    rest = {"iteration": state.iteration, "curve": state.curve, "best_loss": state.best_loss}
    header = {"state": json.dumps(rest)}
    return save({name: tensor.contiguous() for name, tensor in tensors.items()}, header)


def unpack(data: bytes, net: nn.Module, optimiser: torch.optim.Optimizer) -> State:
    """Put a training back to where `pack` found it and return its state."""
    tensors = load(data)
    length = int.from_bytes(data[:8], "little")
    rest = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["state"])
    net.load_state_dict(below(tensors, "net."))
    moments: dict[int, dict[str, Any]] = {}
    for name, tensor in below(tensors, "optimiser.").items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return State(rest["iteration"], rest["curve"], rest["best_loss"], below(tensors, "best."))


def below(tensors: Mapping[str, Tensor], prefix: str) -> Weights:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


class DraftCheckpoints:
    """Checkpoints kept in the draft of the model, each in a new file before the one before is deleted."""

    def __init__(self, made: Draft[Any]) -> None:
        self._made = made

    def save(self, data: bytes) -> None:
        """Keep a state in the place of the one before."""
        before = self._names()
        number = int(before[-1].removeprefix(_NAME)) + 1 if before else 0
        self._made.write(f"{_NAME}{number:06d}", data)
        self._delete(before)

    def load(self) -> bytes | None:
        """Return the last state kept, or None."""
        names = self._names()
        return (self._made.path / names[-1]).read_bytes() if names else None

    def clear(self) -> None:
        """Delete what is kept; the training is over."""
        self._delete(self._names())

    def _names(self) -> list[str]:
        return sorted(name for name in self._made.digests if name.startswith(_NAME))

    def _delete(self, names: Sequence[str]) -> None:
        for name in names:
            (self._made.path / name).unlink()
            self._made.forget(name)
