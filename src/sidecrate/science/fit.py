# SPDX-License-Identifier: Apache-2.0
"""The training loop: batches in, a trained net out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sidecrate.errors import InputError
from sidecrate.science.arrays import Progress
from sidecrate.science.checkpoints import Checkpoints, State, pack, unpack
from sidecrate.science.devices import Engine
from sidecrate.science.sampling import Batch
from sidecrate.science.unet import UNet

_WARM_UP = 50  # iterations in which the learning rate rises to its full value
_STEEPEST = 1.0  # norm of the gradient, at most: one odd patch of a thin label must not undo what was learnt


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a net is trained.

    Attributes
    ----------
    iterations : int
    learning_rate : float
        Of AdamW at its height; it rises linearly, then falls along a cosine to nothing.
    frozen_from : int
        Iteration from which on BatchNorm keeps its statistics, so that the function trained is the one used.
    check_every : int
        Iterations between two points of the curve, validations and checkpoints.
    patience : int
        Checks without a lower validation loss after which the training ends.
    """

    iterations: int
    learning_rate: float
    frozen_from: int
    check_every: int
    patience: int

    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration."""
        rising = min(1.0, (iteration + 1) / _WARM_UP)
        return self.learning_rate * rising * (1 + math.cos(math.pi * iteration / self.iterations)) / 2


def fit(
    net: UNet,
    draw: Callable[[int], Batch],
    class_weights: NDArray[np.float32],
    schedule: Schedule,
    engine: Engine,
    *,
    validation: Sequence[Batch] = (),
    checkpoints: Checkpoints | None = None,
    progress: Progress | None = None,
) -> State:
    """Train a net in place and return the final state.

    With validation batches the weights of the lowest validation loss are kept, and the training ends early when
    it stops falling. With `checkpoints` an interrupted training goes on where it was and, on the same machine
    and with as many threads, ends with the same weights as an uninterrupted one.

    Raises
    ------
    InputError
        The loss is not a finite number.
    """
    net.to(engine.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters())
    weights = torch.from_numpy(class_weights).to(engine.device)
    state = State(0, [], math.inf, {})
    if checkpoints is not None and (data := checkpoints.load()) is not None:
        state = unpack(data, net, optimiser)
    losses: list[float] = []
    for iteration, batch in _ahead(draw, state.iteration, schedule.iterations):
        if _exhausted(state, schedule):
            break
        losses.append(_step(net, batch, weights, optimiser, schedule, iteration, engine))
        state.iteration = iteration + 1
        if progress is not None:
            progress(state.iteration, schedule.iterations, f"loss {losses[-1]:.3f}")
        if state.iteration % schedule.check_every == 0 or state.iteration == schedule.iterations:
            _check(state, net, losses, validation, weights, engine)
            losses.clear()
            if checkpoints is not None:
                checkpoints.save(pack(state, net, optimiser))
    if state.best:
        net.load_state_dict(state.best)
    return state


def loss_of(net: UNet, batch: Batch, class_weights: Tensor, engine: Engine) -> Tensor:
    """Return the weighted softmax cross-entropy of a batch; unlabelled voxels weigh nothing.

    Label 1 is channel 0 (background), label 2 channel 1, and so on.
    """
    grey = torch.from_numpy(batch.grey)[:, None].to(engine.device, memory_format=torch.channels_last_3d)
    target = torch.from_numpy(batch.labels.astype(np.int64)).to(engine.device) - 1
    with engine.autocast():
        logits = net(grey)
    return torch.nn.functional.cross_entropy(logits.float(), target, class_weights, ignore_index=-1)


def _step(
    net: UNet,
    batch: Batch,
    weights: Tensor,
    optimiser: torch.optim.Optimizer,
    schedule: Schedule,
    iteration: int,
    engine: Engine,
) -> float:
    net.train()
    if iteration >= schedule.frozen_from:
        net.freeze_statistics()
    for group in optimiser.param_groups:
        group["lr"] = schedule.rate(iteration)
    loss = loss_of(net, batch, weights, engine)
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(f"iteration {iteration}: the loss is {value}; use a lower learning rate")
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), _STEEPEST)
    optimiser.step()
    return value


def _check(
    state: State,
    net: UNet,
    losses: Sequence[float],
    validation: Sequence[Batch],
    weights: Tensor,
    engine: Engine,
) -> None:
    """Add a point to the curve; remember the weights if they are the best so far."""
    point = {"iteration": state.iteration, "training_loss": round(float(np.mean(losses)), 6)}
    if validation:
        net.eval()
        with torch.inference_mode():
            loss = float(np.mean([float(loss_of(net, batch, weights, engine)) for batch in validation]))
        point["validation_loss"] = round(loss, 6)
        if loss < state.best_loss:
            state.best_loss = loss
            state.best = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state.curve.append(point)


def _exhausted(state: State, schedule: Schedule) -> bool:
    """Return whether the validation loss has stopped falling."""
    losses = [point["validation_loss"] for point in state.curve if "validation_loss" in point]
    return len(losses) - 1 - int(np.argmin(losses)) >= schedule.patience if losses else False


def _ahead(draw: Callable[[int], Batch], start: int, stop: int) -> Iterator[tuple[int, Batch]]:
    """Yield (i, batch i), the next batch being drawn in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(draw, start)
        for i in range(start, stop):
            batch = upcoming.result()
            upcoming = pool.submit(draw, i + 1)
            yield i, batch
