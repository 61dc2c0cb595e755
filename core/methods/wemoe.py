"""WEMoE: MLPs that are merged anew for every image, by routers learned without labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import objectives
from core.encoders.encoder import Encoder
from core.errors import BadInput
from core.learning.optimiser import Adam, Drawing, carry_out, finite, require_finite
from core.learning.watch import Watch, WatchedSettings
from core.problem.merged import Measured, accumulate, merge
from core.problem.method import Method, Need, Outcome, Problem, State, Step, Weights
from core.seeds import generator
from core.settings import setting

PAPER = "WEMoE (ICML 2024)"
_LAYERS = ("c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias")
SPREAD = 0.01
"""Standard deviation of a router's weights at the start (FusionBench)."""


@objectives.tunable
class WEMoESettings(WatchedSettings):
    """Settings of WEMoE."""

    objective: objectives.Name = setting("entropy", "What to minimise.", source=f"{PAPER}, section 4.3")
    init: float = setting(
        0.3, "λ outside the MLPs, and the routers' output at the start.", source=f"{PAPER}, section 5", ge=-10, le=10
    )
    lr: float = setting(1e-4, "Adam's learning rate.", source=f"{PAPER}, section 5", gt=0, le=10)
    steps: int = setting(1000, "Optimiser steps.", source=f"{PAPER}, section 5", ge=1, le=1_000_000)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}, section 5", ge=1, le=4096)
    fraction: float = setting(1.0, "Share of the split's images to use.", source=f"{PAPER}: all", gt=0, le=1)
    keep_every: int = setting(
        25,
        "How many steps apart to save states from which a stopped run can resume.",
        source="Mergescope",
        ge=1,
        le=1_000_000,
    )


class WEMoE(Method[WEMoESettings]):
    """Task Arithmetic outside the MLPs; MLP(x) with θ₀ + Σ_k r_k(x) τ_k inside, r learned by minimising entropy."""

    title = "WEMoE"
    paper = (
        "Weight-Ensembling Mixture of Experts (Tang et al., ICML 2024), equations 5 to 7, routers of two layers. Each "
        "image is routed on its own, in training too, so an answer never depends on the other images in the batch (by "
        "default, FusionBench averages over the batch in training)."
    )
    summary = "Keeps the MLPs of all experts and lets a small router mix them for each image."
    cost = (
        "K + 1 times the computation and weights of the MLPs, in training and afterwards, plus a router of width² + "
        "width·K numbers in each block. Takes as much memory as AdaMerging: 3.4 GiB for ViT-B/32 and eight tasks."
    )
    trains = "A router in each block"
    needs = Need.UNLABELLED
    single = False
    modules = True
    Settings = WEMoESettings

    def steps(self, problem: Problem, settings: WEMoESettings, resume: State | None = None) -> Iterator[Step]:
        yield from carry_out(_RouterTrainer(problem, settings), resume)


class _RouterTrainer(Drawing):
    def __init__(self, problem: Problem, settings: WEMoESettings) -> None:
        objective = objectives.chosen(settings.objective, settings)
        super().__init__(problem, settings, objective, Watch(problem, settings, settings.steps))
        self.keep_every = settings.keep_every  # Routers of a large model take 100 MB with their moments.
        self._encoder = RoutedEncoder(problem)
        self._merged = merge(problem.task_vectors, dict.fromkeys(problem.tasks, settings.init))
        self._fixed = self._encoder.fixed(self._merged)
        self._routers = self._encoder.routers(settings.seed, settings.init)
        self._adam = Adam(self._routers, settings.lr)

    def step(self) -> Measured:
        batches = self._batches.next()
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in self._routers.items()}
        count = sum(len(batch.images) for batch in batches)

        def work(size: int) -> Measured:
            for leaf in leaves.values():
                leaf.grad = torch.zeros_like(leaf)
            weights = self._fixed | leaves
            return Measured.of(accumulate(self._problem, self._encoder, weights, batches, self._objective, size))

        # K + 1 products are kept for the backward pass where the plain encoder keeps one.
        measured = self._problem.within_memory(count, lambda size: work(max(1, size // (1 + len(self._problem.tasks)))))
        gradients = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
        require_finite(self.number + 1, measured.losses, finite(*gradients.values()), "The routers were")
        self._adam.step(gradients)
        self._batches.note(measured)
        return measured

    def outcome(self) -> Outcome:
        encoder, merged = self._encoder, self._merged
        weights = self._fixed | {name: tensor.detach().clone() for name, tensor in self._routers.items()}

        def compute(_weights: Weights, prepared: Tensor) -> Tensor:
            return encoder.features(weights, prepared)

        return Outcome(lambda _task: merged, single=False, features_for=lambda _task: compute)


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
                tau = vectors.delta(f"{path}.{name}").to(vectors.deltas.dtype)
                weights[f"{path}.tau_{name.replace('.', '_')}"] = tau
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
