"""Steps that the device has been asked for, and how the host reads several of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.problem.merged import Measured
from core.step import Coefficients, Weights


@dataclass(frozen=True)
class Made:
    """What a step came to, where `Problem.small` says; nothing of it changes with the next one."""

    number: int
    measured: Measured | None
    """None for step 0."""
    coefficients: Coefficients | None
    weights: Callable[[], Weights] | None

    @property
    def sound(self) -> bool:
        """Whether no loss and no gradient is NaN or infinite; to be asked of what was read."""
        known = self.measured
        return known is None or (bool(known.finite) and all(map(math.isfinite, known.losses.values())))


def read(made: Sequence[Made]) -> list[Made]:
    """The same in the host's memory, brought there by one copy: each waits for all that the device was asked before."""
    tensors = [tensor for one in made for tensor in _tensors(one)]
    distant = [tensor for tensor in tensors if tensor.device.type != "cpu"]
    if not distant:
        return list(made)
    flat = torch.cat([tensor.double().flatten() for tensor in distant]).cpu().split([one.numel() for one in distant])
    here = {id(one): part.view(one.shape).to(one.dtype) for one, part in zip(distant, flat, strict=True)}
    return [_replaced(one, [here.get(id(tensor), tensor) for tensor in _tensors(one)]) for one in made]


def _tensors(one: Made) -> list[Tensor]:
    found = [] if one.measured is None else [one.measured.values, one.measured.finite]
    return found if one.coefficients is None else [*found, one.coefficients.values]


def _replaced(one: Made, tensors: list[Tensor]) -> Made:
    coefficients = None if one.coefficients is None else replace(one.coefficients, values=tensors.pop())
    measured = None if one.measured is None else Measured(one.measured.tasks, tensors[0], finite=tensors[1])
    return replace(one, measured=measured, coefficients=coefficients)
