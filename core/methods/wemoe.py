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

    def __init__(self, mlp: nn.Module, experts: int, batch_first: bool) -> None:
        super().__init__()
        self._layers = dict(mlp.named_children())
        for name, layer in self._layers.items():
            self.add_module(name, layer)
        width = _linear(mlp)[0].in_features
        self.router = nn.ModuleList([nn.Linear(width, width, device="meta"), nn.Linear(width, experts, device="meta")])
        for name in _routed(mlp):
            self.register_buffer(_tau(name), torch.empty(experts, *mlp.get_parameter(name).shape, device="meta"))
        self._batch_first = batch_first

    def forward(self, x: Tensor) -> Tensor:
        """`[N, tokens, width]` (or tokens first, or more than one dimension of them) -> the same shape."""
        tokens = tuple(range(1, x.dim() - 1)) if self._batch_first else (0,)
        weights = self.router[1](self.router[0](x).relu()).mean(tokens, keepdim=True)
        for name, layer in self._layers.items():
            x = self._layer(layer, x, weights, name) if isinstance(layer, nn.Linear) else layer(x)
        return x

    def _layer(self, base: nn.Linear, x: Tensor, weights: Tensor, name: str) -> Tensor:
        total: Tensor = base(x)
        matrices = getattr(self, _tau(f"{name}.weight"))
        biases = None if base.bias is None else getattr(self, _tau(f"{name}.bias"))
        for at in range(len(matrices)):
            bias = None if biases is None else biases[at].to(x)
            total = total + weights[..., at : at + 1] * F.linear(x, matrices[at].to(x), bias)
        return total


def _tau(name: str) -> str:
    return f"tau_{name.replace('.', '_')}"


def _linear(mlp: nn.Module) -> list[nn.Linear]:
    return [layer for layer in mlp.children() if isinstance(layer, nn.Linear)]


def _routed(mlp: nn.Module) -> list[str]:
    """Names of what the router weighs."""
    layers = [name for name, layer in mlp.named_children() if isinstance(layer, nn.Linear)]
    return [f"{layer}.{name}" for layer in layers for name, _ in mlp.get_submodule(layer).named_parameters()]


def _is_mlp(name: str, module: nn.Module) -> bool:
    """Whether it is two linear layers, one after the other."""
    shapes = [(layer.in_features, layer.out_features) for layer in _linear(module)]
    return name.rpartition(".")[2] == "mlp" and len(shapes) == 2 and shapes[0] == shapes[1][::-1]


class RoutedEncoder(Encoder):
    """The problem's encoder with a `RoutedMLP` in every block; raises `BadInput` where it has no such blocks."""

    def __init__(self, problem: Problem) -> None:
        inner = problem.encoder
        super().__init__(inner.arch, inner.device, inner.precision)
        found = {name: module for name, module in self._visual.named_modules() if _is_mlp(name, module)}
        if not found:
            raise BadInput(
                f"`wemoe` needs blocks with an `mlp` of two linear layers. Found none in `{inner.arch.name}`."
            )
        self._names = {path: _routed(mlp) for path, mlp in found.items()}
        transformer: Any = getattr(self._visual, "transformer", None)
        for path, mlp in found.items():
            routed = RoutedMLP(mlp, len(problem.tasks), getattr(transformer, "batch_first", True))
            self._visual.set_submodule(path, routed)
        self._problem = problem

    def fixed(self, merged: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Merged weights outside the MLPs, the base's inside them, and the experts' task vectors of the MLPs."""
        vectors = self._problem.task_vectors
        weights = dict(merged)
        for path, names in self._names.items():
            for name in names:
                weights[f"{path}.{name}"] = vectors.base[f"{path}.{name}"]
                weights[f"{path}.{_tau(name)}"] = vectors.delta(f"{path}.{name}").to(vectors.deltas.dtype)
        return weights

    def routers(self, seed: int, init: float) -> dict[str, Tensor]:
        """Newly drawn routers whose answer is close to `init` for every expert."""
        drawn = {}
        for path in self._names:
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
