"""Adam over a method's few parameters, and its state as tensors that go into a checkpoint and come back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.methods.base import State

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

    def restore(self, state: State, steps: int) -> None:
        """Go on as after `steps` updates."""
        for name, parameter in self.parameters.items():
            parameter.copy_(state[name])
            moments = {moment: state[_key(name, moment)].to(parameter, copy=True) for moment in _MOMENTS}
            self._adam.state[parameter] = {"step": torch.tensor(float(steps)), **moments}


def _key(name: str, moment: str) -> str:
    return moment if name == "raw" else f"{name}.{moment}"
