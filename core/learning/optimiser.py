"""Learning step by step: the loop, the check before each update, and Adam with a state that can be stored."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor

from core.errors import NonFinite
from core.problem.merged import Measured
from core.step import State, Step


class Trainer(Protocol):
    """What `carry_out` needs of something that learns step by step."""

    def step(self) -> Measured: ...
    def finished(self) -> bool: ...
    def record(self, measured: Measured | None, seconds: float) -> Step: ...
    def restore(self, state: State) -> None: ...


def carry_out(trainer: Trainer, resume: State | None) -> Iterator[Step]:
    """Yield the steps of a trainer from its beginning, or after the step that `resume` was taken at."""
    if resume is None:
        yield trainer.record(None, 0.0)
    else:
        trainer.restore(resume)
        if trainer.finished():
            yield trainer.record(None, 0.0)  # Stopped after the last step: only its outcome is missing.
    while not trainer.finished():
        begin = time.perf_counter()
        measured = trainer.step()
        yield trainer.record(measured, time.perf_counter() - begin)


def require_finite(
    step: int, losses: Mapping[str, float], gradients: Iterable[Tensor], kept: str, remedy: str = "Lower `lr`"
) -> None:
    """Raise `NonFinite` where a NaN or infinite loss or gradient would spoil the update; `kept` is what it spares."""
    bad = [task for task, loss in losses.items() if not math.isfinite(loss)]
    if bad or not all(gradient.isfinite().all() for gradient in gradients):
        raise NonFinite(
            f"Step {step}: the loss of {', '.join(bad) or 'some task'} or its gradient is NaN or infinite. {kept} kept "
            f"as after the step before. {remedy}, or look at `similarity`."
        )


_MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam:
    """Adam, betas (0.9, 0.999), no weight decay, over named leaf tensors that are changed in place."""

    def __init__(self, parameters: Mapping[str, Tensor], lr: float) -> None:
        self.parameters = dict(parameters)
        self._adam = torch.optim.Adam(list(self.parameters.values()), lr=lr, betas=(0.9, 0.999))

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """One update of every parameter."""
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name].to(parameter)
        self._adam.step()

    def state(self) -> State:
        """Copies of parameters and moments; those of the parameter `raw` are called plainly `exp_avg`, `exp_avg_sq`."""
        found: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            known = self._adam.state.get(parameter) or {}
            found[name] = parameter.detach().clone()
            for moment in _MOMENTS:
                value = known.get(moment)
                found[_key(name, moment)] = torch.zeros_like(parameter) if value is None else value.clone()
        return found

    @torch.no_grad()
    def restore(self, state: State, steps: int) -> None:
        """Go on as after `steps` updates."""
        for name, parameter in self.parameters.items():
            parameter.copy_(state[name])
            moments = {moment: state[_key(name, moment)].to(parameter, copy=True) for moment in _MOMENTS}
            self._adam.state[parameter] = {"step": torch.tensor(float(steps)), **moments}


def _key(name: str, moment: str) -> str:
    return moment if name == "raw" else f"{name}.{moment}"
