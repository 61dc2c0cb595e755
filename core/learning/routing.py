"""An image encoder whose MLPs are merged anew for each image, with coefficients that a small router computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.encoders.encoder import Encoder
from core.errors import BadInput
from core.problem.problem import Problem
from core.seeds import generator

_LAYERS = ("c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias")
SPREAD = 0.01
"""Standard deviation of a router's weights at the start (FusionBench)."""


class RoutedMLP(nn.Module):
    """MLP with weights θ₀ + Σ_k r_k(x) τ_k, r(x) = mean over tokens of W₂ ReLU(W₁ x + b₁) + b₂.

    Each image gets its own r; because the layers are linear, r_k scales each expert's product instead of its weights.
    """

    def __init__(self, mlp: nn.Module, width: int, experts: int, batch_first: bool) -> None:
        super().__init__()
        inner = dict(mlp.named_children())
        self.c_fc, self.gelu, self.c_proj = inner["c_fc"], inner["gelu"], inner["c_proj"]
        self.router = nn.ModuleList([nn.Linear(width, width, device="meta"), nn.Linear(width, experts, device="meta")])
        for name in _LAYERS:
            shape = mlp.get_parameter(name).shape
            self.register_buffer(f"tau_{name.replace('.', '_')}", torch.empty(experts, *shape, device="meta"))
        self._tokens = 1 if batch_first else 0

    def forward(self, x: Tensor) -> Tensor:
        """`[N, tokens, width]` (or tokens first) -> the same shape."""
        weights = self.router[1](self.router[0](x).relu()).mean(self._tokens, keepdim=True)
        hidden = self._layer(self.c_fc, x, weights, "c_fc")
        return self._layer(self.c_proj, self.gelu(hidden), weights, "c_proj")

    def _layer(self, base: nn.Module, x: Tensor, weights: Tensor, name: str) -> Tensor:
        total: Tensor = base(x)
        matrices, biases = getattr(self, f"tau_{name}_weight"), getattr(self, f"tau_{name}_bias")
        for at in range(len(matrices)):
            total = total + weights[..., at : at + 1] * F.linear(x, matrices[at].to(x), biases[at].to(x))
        return total


class RoutedEncoder(Encoder):
    """The problem's encoder with a `RoutedMLP` in every block; raises `BadInput` where it has no such blocks."""

    def __init__(self, problem: Problem) -> None:
        inner = problem.encoder
        super().__init__(inner.arch, inner.device, inner.precision)
        transformer: Any = getattr(self._visual, "transformer", None)
        if not isinstance(getattr(transformer, "resblocks", None), nn.ModuleList):
            raise BadInput(f"`wemoe` needs open_clip's own vision transformer. Found architecture `{inner.arch.name}`.")
        self._blocks = [f"transformer.resblocks.{at}.mlp" for at in range(len(transformer.resblocks))]
        for block in transformer.resblocks:
            width = block.mlp.get_submodule("c_fc").in_features
            block.mlp = RoutedMLP(block.mlp, width, len(problem.tasks), bool(transformer.batch_first))
        self._problem = problem

    def fixed(self, merged: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Merged weights outside the MLPs, the base's inside them, and the experts' task vectors of the MLPs."""
        vectors = self._problem.task_vectors
        weights = dict(merged)
        for path in self._blocks:
            for name in _LAYERS:
                weights[f"{path}.{name}"] = vectors.base[f"{path}.{name}"]
                weights[f"{path}.tau_{name.replace('.', '_')}"] = vectors.delta(f"{path}.{name}")
        return weights

    def routers(self, seed: int, init: float) -> dict[str, Tensor]:
        """Newly drawn routers whose answer is close to `init` for every expert."""
        drawn = {}
        for path in self._blocks:
            mlp = self._visual.get_submodule(path)
            for name, parameter in mlp.named_parameters():
                if name.startswith("router."):
                    drawn[f"{path}.{name}"] = self._draw(seed, f"{path}.{name}", parameter.shape, init)
        return drawn

    def _draw(self, seed: int, name: str, shape: torch.Size, init: float) -> Tensor:
        like, tasks = self._problem.task_vectors.origin, self._problem.tasks
        if name.endswith("bias"):
            return like.new_full(shape, init if name.endswith("1.bias") else 0.0)
        if not name.endswith("1.weight"):
            return SPREAD * torch.randn(shape, generator=generator(seed, name)).to(like)
        # A row for each task, drawn by its name: the order of tasks does not matter.
        rows = [torch.randn(shape[1], generator=generator(seed, name, task)) for task in tasks]
        return SPREAD * torch.stack(rows).to(like)
