"""Traditional multi-task learning: θ₀ fine-tuned on the labelled training images of all tasks together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from core import objectives
from core.learning.balancing import gradnorm, pcgrad
from core.learning.batches import Batches
from core.learning.optimiser import Adam, Trainer, carry_out, require_finite
from core.problem.merged import Batch, EncoderGradient, Measured, Sums
from core.problem.method import Method, Need, Role, State, Step, Weights
from core.problem.problem import Problem
from core.settings import MethodSettings, setting

PAPER = "Task Arithmetic (ICLR 2023), appendix B"


class MultiTaskSettings(MethodSettings):
    """Settings of joint fine-tuning."""

    balance: Literal["none", "pcgrad", "gradnorm"] = setting(
        "none", "How the tasks' gradients become one: their sum, PCGrad, or GradNorm.", source="AdaMerging's baseline"
    )
    lr: float = setting(1e-5, "AdamW's learning rate at its highest.", source=PAPER, gt=0, le=10)
    steps: int = setting(2000, "Optimiser steps.", source=PAPER, ge=1, le=1_000_000)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}: 128 over eight tasks", ge=1, le=4096)
    warmup: float = setting(
        0.1, "Share of the steps in which the learning rate rises; then it falls along a cosine to 0.",
        source=f"{PAPER}: 200 of 2,000", ge=0, lt=1,
    )  # fmt: skip
    weight_decay: float = setting(0.1, "AdamW's weight decay.", source=PAPER, ge=0, le=10)
    adapt_on: Literal["train", "held-out", "test"] = setting(
        "train", "The split whose labelled images are trained on.", source="what training means"
    )
    fraction: float = setting(1.0, "Share of that split's images that is used.", source=PAPER, gt=0, le=1)
    alpha: float = setting(
        1.5,
        "GradNorm's α: how strongly tasks that lag behind are favoured.",
        source="GradNorm (ICML 2018)",
        ge=0,
        le=10,
    )
    weight_lr: float = setting(0.025, "GradNorm's learning rate of the tasks' weights.", source="GradNorm", gt=0, le=1)
    keep_every: int = setting(
        100, "Steps between two states from which a stopped run can go on.", source="Mergescope", ge=1, le=1_000_000
    )


class MultiTask(Method[MultiTaskSettings]):
    """min_θ Σ_k cross-entropy of task k under its frozen head, from θ₀: what merging tries to do without training."""

    name = "multi_task"
    title = "Traditional MTL"
    role = Role.YARDSTICK
    paper = (
        "The upper reference of AdaMerging's tables: joint fine-tuning with the recipe of the experts (Ilharco et al., "
        "ICLR 2023). PCGrad (Yu et al., NeurIPS 2020), algorithm 1; GradNorm (Chen et al., ICML 2018), algorithm 1, "
        "with norms over the whole encoder and their mean taken out of the step, since heads are frozen and there is "
        "no last shared layer."
    )
    summary = "Trains one model on all tasks' labelled training images: slow, and the yardstick of merging."
    cost = (
        "A full fine-tuning: one forward and backward pass a step. Weights, moments and stored states are about ten "
        "copies of the encoder: the process takes 6.1 GiB for ViT-B/32 and eight tasks, AdaMerging 3.5; PCGrad keeps "
        "one gradient a task as well. Stored states take three copies on disk."
    )
    trains = "Every weight of the image encoder"
    needs = Need.TRAINING
    Settings = MultiTaskSettings

    def steps(self, problem: Problem, settings: MultiTaskSettings, resume: State | None = None) -> Iterator[Step]:
        """One step an update of all weights."""
        yield from carry_out(_JointTrainer(problem, settings), resume)


class _JointTrainer(Trainer):
    def __init__(self, problem: Problem, settings: MultiTaskSettings) -> None:
        super().__init__(settings.steps)
        self.keep_every = settings.keep_every  # Weights and moments are three encoders.
        self._problem, self._settings = problem, settings
        self._objective = objectives.get("cross_entropy")
        self._batches = Batches(
            problem, self._objective, split=settings.adapt_on, batch=settings.batch, seed=settings.seed,
            steps=settings.steps, fraction=settings.fraction,
        )  # fmt: skip
        self._encoder = EncoderGradient(problem, problem.task_vectors)
        self._theta = problem.task_vectors.origin.clone()
        self._adam = Adam({"theta": self._theta}, settings.lr, settings.weight_decay)
        self._task_weights = torch.ones(len(problem.tasks), dtype=torch.float64)
        self._first_losses = torch.zeros(len(problem.tasks), dtype=torch.float64)
        self.images = self._batches.images_per_step

    def learning_rate(self) -> float:
        """That of the next step: a linear rise, then half a cosine."""
        settings, rise = self._settings, round(self._settings.warmup * self._settings.steps)
        if self.number < rise:
            return settings.lr * (self.number + 1) / rise
        return settings.lr * 0.5 * (1 + math.cos(math.pi * (self.number - rise) / (settings.steps - rise)))

    def step(self) -> Measured:
        """One update of all weights."""
        batches = self._batches.next()
        if self._settings.balance == "none":
            sums = self._run(batches)
            gradient = self._encoder.gradient
        else:
            sums, gradient = self._balanced(batches)
        measured = Measured.of(sums)
        require_finite(self.number + 1, measured.losses, [gradient], "Weights were")
        self._adam.step({"theta": gradient}, self.learning_rate())
        return measured

    def _run(self, batches: list[Batch]) -> dict[str, Sums]:
        self._encoder.weights.copy_(self._theta)  # The pass may use the memory of its weights for the gradient.
        return self._encoder.run(batches, self._objective)

    def _balanced(self, batches: list[Batch]) -> tuple[dict[str, Sums], Tensor]:
        """Each task's gradient on its own, then put together."""
        sums: dict[str, Sums] = {}
        projected = self._settings.balance == "pcgrad"
        size = (len(batches), len(self._theta)) if projected else (len(self._theta),)
        kept, norms = torch.zeros(size).to(self._theta), torch.zeros(len(batches), dtype=torch.float64)
        for at, batch in enumerate(batches):
            sums |= self._run([batch])
            norms[at] = self._encoder.gradient.norm().item()
            if projected:
                kept[at] = self._encoder.gradient
            else:
                kept.add_(self._encoder.gradient, alpha=self._task_weights[at].item())
        if projected:
            key = (self._settings.seed, "pcgrad", self.number)
            return sums, pcgrad(kept, self._problem.tasks, key)
        losses = torch.tensor([sums[batch.task].values[0].item() for batch in batches], dtype=torch.float64)
        if self.number == 0:
            self._first_losses = losses.clamp(min=1e-12)
        if losses.isfinite().all() and norms.isfinite().all():
            ratios, settings = losses / self._first_losses, self._settings
            self._task_weights = gradnorm(self._task_weights, norms, ratios, settings.alpha, settings.weight_lr)
        return sums, kept

    def weights(self) -> Callable[[], Weights]:
        """Copies the weights of this step, until the next one changes them."""
        number = self.number

        def weights() -> Weights:
            if self.number != number:
                raise RuntimeError(f"weights of step {number} are gone: step {self.number} has changed them")
            return self._problem.task_vectors.named(self._theta.clone())

        return weights

    def state(self) -> State:
        balance = {"task_weights": self._task_weights.clone(), "first_losses": self._first_losses.clone()}
        return {**balance, **self._adam.state(), **self._batches.state()}

    def restore(self, state: State) -> None:
        self._task_weights, self._first_losses = state["task_weights"].clone(), state["first_losses"].clone()
        self._adam.restore(state, self.number)
        self._batches.restore(state)
