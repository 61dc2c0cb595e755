"""WEMoE: MLPs that are merged anew for every image, by routers learned without labels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from core import objectives
from core.learning.batches import Batches
from core.learning.optimiser import Adam, Trainer, carry_out, require_finite
from core.learning.routing import RoutedEncoder
from core.learning.watch import Watch, WatchedSettings
from core.problem.merged import Measured, accumulate, merge
from core.problem.method import Method, Need, Outcome, State, Step, Weights
from core.problem.problem import Problem
from core.settings import setting

PAPER = "WEMoE (ICML 2024)"


@objectives.tunable
class WEMoESettings(WatchedSettings):
    """Settings of WEMoE."""

    objective: objectives.Name = setting("entropy", "What is minimised.", source=f"{PAPER}, section 4.3")
    init: float = setting(
        0.3, "λ outside the MLPs, and the routers' answer at the start.", source=f"{PAPER}, section 5", ge=-10, le=10
    )
    lr: float = setting(1e-4, "Adam's learning rate.", source=f"{PAPER}, section 5", gt=0, le=10)
    steps: int = setting(1000, "Optimiser steps.", source=f"{PAPER}, section 5", ge=1, le=1_000_000)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}, section 5", ge=1, le=4096)
    fraction: float = setting(1.0, "Share of that split's images that is used.", source=f"{PAPER}: all", gt=0, le=1)
    keep_every: int = setting(
        25, "Steps between two states from which a stopped run can go on.", source="Mergescope", ge=1, le=1_000_000
    )


class WEMoE(Method[WEMoESettings]):
    """Task Arithmetic outside the MLPs; MLP(x) with θ₀ + Σ_k r_k(x) τ_k inside, r learned by minimising entropy."""

    name = "wemoe"
    title = "WEMoE"
    paper = (
        "Weight-Ensembling Mixture of Experts (Tang et al., ICML 2024), equations 5 to 7, routers of two layers. Each "
        "image is routed on its own, in training too, so that an answer does not depend on the other images of the "
        "batch (FusionBench's training averages over the batch by default)."
    )
    summary = "Keeps all experts' MLPs and lets a small router mix them for every single image."
    cost = (
        "K + 1 times the MLPs' computation and weights, in training and afterwards; a router of width² + width·K "
        "numbers in each block. Memory as AdaMerging: 3.4 GiB for ViT-B/32 and eight tasks."
    )
    trains = "A router in each block"
    needs = Need.UNLABELLED
    single = False
    modules = True
    Settings = WEMoESettings

    def steps(self, problem: Problem, settings: WEMoESettings, resume: State | None = None) -> Iterator[Step]:
        """One step an update of all routers."""
        yield from carry_out(_RouterTrainer(problem, settings), resume)

    def needed(self, settings: WEMoESettings) -> Need:
        """What the chosen objective needs."""
        return objectives.get(settings.objective).needs


class _RouterTrainer(Trainer):
    def __init__(self, problem: Problem, settings: WEMoESettings) -> None:
        watch = Watch(problem, settings, settings.steps)
        super().__init__(settings.steps, watch)
        self.keep_every = settings.keep_every  # Routers of a large model take 100 MB with their moments.
        self._problem, self._settings = problem, settings
        self._objective = objectives.chosen(settings.objective, settings)
        self._batches = Batches(
            problem, self._objective,
            split=settings.adapt_on, batch=settings.batch, seed=settings.seed,
            steps=settings.steps, fraction=settings.fraction, without=watch.apart,
        )  # fmt: skip
        self._encoder = RoutedEncoder(problem)
        self._merged = merge(problem.task_vectors, dict.fromkeys(problem.tasks, settings.init))
        self._fixed = self._encoder.fixed(self._merged)
        self._routers = self._encoder.routers(settings.seed, settings.init)
        self._adam = Adam(self._routers, settings.lr)
        self.images = self._batches.images_per_step

    def step(self) -> Measured:
        """One update of the routers."""
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
        require_finite(self.number + 1, measured.losses, gradients.values(), "The routers were")
        self._adam.step(gradients)
        self._batches.note(measured)
        return measured

    def outcome(self) -> Outcome:
        encoder, merged = self._encoder, self._merged
        weights = self._fixed | {name: tensor.detach().clone() for name, tensor in self._routers.items()}

        def compute(_weights: Weights, prepared: Tensor) -> Tensor:
            return encoder.features(weights, prepared)

        return Outcome(lambda _task: merged, single=False, features_for=lambda _task: compute)

    def state(self) -> State:
        return {**self._adam.state(), **self._batches.state()}

    def restore(self, state: State) -> None:
        self._adam.restore(state, self.number)
        self._batches.restore(state)
