# SPDX-License-Identifier: Apache-2.0
"""Where a net runs, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from sidecrate.errors import InputError


@dataclass(frozen=True)
class Engine:
    """A device and the precision convolutions run in there; part of what makes a result repeatable."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def pick(cls, device: str) -> Engine:
        """Return the engine for ``auto`` (CUDA when there is one), ``cpu``, ``cuda`` or ``cuda:1``.

        float32, except bfloat16 where the hardware multiplies it natively; elsewhere it would be slower.

        Raises
        ------
        InputError
            No such device here.
        """
        name = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        try:
            picked = torch.device(name)
            torch.zeros(1, device=picked).item()  # "meta" holds no values
        except (RuntimeError, AssertionError):
            raise InputError(f"device {device!r} is not here; use auto, cpu or cuda") from None
        return cls(picked, torch.bfloat16 if _native_bfloat16(picked) else torch.float32)

    @property
    def description(self) -> dict[str, str]:
        """Return device and dtype as metadata names them."""
        return {"device": self.device.type, "dtype": str(self.dtype).removeprefix("torch.")}

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context convolutions run in."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
