"""Trains all weights of the encoder: what joint fine-tuning on labels and distillation of the experts share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, TypeVar

from torch import Tensor

from core.learning.optimiser import Adam, Drawing, finite, require_finite
from core.learning.watch import Watch
from core.objectives import Objective
from core.problem.merged import Batch, EncoderGradient, Measured, Sums
from core.problem.problem import Problem
from core.settings import MethodSettings, setting
from core.step import Weights

PAPER = "Task Arithmetic (ICLR 2023), appendix B"


class JointSettings(MethodSettings):
    """The recipe of the experts, for all tasks together."""

    lr: float = setting(1e-5, "AdamW's peak learning rate.", source=PAPER, gt=0, le=10)
    steps: int = setting(2000, "Optimiser steps.", source=PAPER, ge=1, le=1_000_000)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}: 128 over eight tasks", ge=1, le=4096)
    warmup: float = setting(
        0.1, "Share of the steps in which the learning rate rises; after that it follows a cosine down to 0.",
        source=f"{PAPER}: 200 of 2,000", ge=0, lt=1,
    )  # fmt: skip
    weight_decay: float = setting(0.1, "AdamW's weight decay.", source=PAPER, ge=0, le=10)
    fraction: float = setting(1.0, "Share of the split's images to use.", source=PAPER, gt=0, le=1)
    keep_every: int = setting(
        100,
        "How many steps apart to save states from which a stopped run can resume.",
        source="Mergescope",
        ge=1,
        le=1_000_000,
    )


J = TypeVar("J", bound=JointSettings)


class JointTrainer(Drawing, Generic[J]):
    """AdamW on θ from `theta` `[D]`, which it takes over, against the sum of the tasks' mean losses."""

    def __init__(
        self, problem: Problem, settings: J, objective: Objective, theta: Tensor, watch: Watch | None = None
    ) -> None:
        super().__init__(problem, settings, objective, watch)
        self.keep_every = settings.keep_every  # Weights and moments are three encoders.
        self._settings, self._theta = settings, theta
        self._encoder = EncoderGradient(problem, problem.task_vectors)
        self._adam = Adam({"theta": theta}, settings.lr, settings.weight_decay)

    def learning_rate(self) -> float:
        """That of the next step: a linear rise, then half a cosine."""
        settings, rise = self._settings, round(self._settings.warmup * self._settings.steps)
        if self.number < rise:
            return settings.lr * (self.number + 1) / rise
        return settings.lr * 0.5 * (1 + math.cos(math.pi * (self.number - rise) / (settings.steps - rise)))

    def step(self) -> Measured:
        sums, gradient = self._measured(self._batches.next())
        measured = Measured.of(sums)
        require_finite(self.number + 1, measured.losses, finite(gradient), "Weights were")
        self._adam.step({"theta": gradient}, self.learning_rate())
        return measured

    def _measured(self, batches: list[Batch]) -> tuple[dict[str, Sums], Tensor]:
        """What the batches come to at θ, and the gradient `[D]` that the optimiser gets."""
        return self._run(batches), self._encoder.gradient

    def _run(self, batches: list[Batch]) -> dict[str, Sums]:
        self._encoder.weights.copy_(self._theta)  # The pass may use the memory of its weights for the gradient.
        return self._encoder.run(batches, self._objective)

    def weights(self) -> Callable[[], Weights]:
        """Copies the weights of this step, until the next one changes them."""
        number, version = self.number, self._theta._version

        def weights() -> Weights:
            if self._theta._version != version:
                raise RuntimeError(f"weights of step {number} are gone: step {self.number} has changed them")
            return self._problem.task_vectors.named(self._theta.clone())

        return weights
