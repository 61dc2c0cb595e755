"""Learns λ by gradient descent on unlabelled (or labelled) images: the loop shared by AdaMerging and its relatives."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import field_validator
from torch import Tensor

from core import objectives
from core.errors import BadInput, NonFinite
from core.grouping import GroupKind, group
from core.merged import Batch, Measured, MergedModel
from core.methods.base import Coefficients, Need, Outcome, State, Step, Weights
from core.objectives import Objective, Target
from core.problem import Problem
from core.settings import MethodSettings, setting
from core.task_vectors import TaskVectors
from core.tasks import Stream

PAPER = "AdaMerging (ICLR 2024)"


class LearningSettings(MethodSettings):
    """Settings of every method that learns λ."""

    group: GroupKind = setting(
        "tensor", "Parameter tensors that share λ: `task` (all), `block`, or `tensor` (the paper's layer-wise).",
        source=f"{PAPER}, layer-wise",
    )  # fmt: skip
    objective: str = setting("entropy", "What is minimised.", source=f"{PAPER}, equation 5")
    init: float = setting(0.3, "λ to begin with.", source=f"{PAPER}, section 4.1", ge=-10, le=10)
    clamp: bool = setting(
        True,
        "Use λ clamped to 0…1 in the merge (raw λ may leave it).",
        source="the authors' code; FusionBench: off",
    )
    lr: float = setting(1e-3, "Adam's learning rate.", source=f"{PAPER}, section 4.1", gt=0, le=10)
    steps: int = setting(500, "Optimiser steps.", source=f"{PAPER}; FusionBench: 1,000", ge=1, le=1_000_000)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}; its code takes 2 × 16", ge=1, le=4096)
    adapt_on: Literal["test", "held-out", "train"] = setting(
        "test",
        "The split whose images λ is learned on; accuracy is always reported on test.",
        source=f"{PAPER}, section 4.1",
    )
    fraction: float = setting(1.0, "Share of that split's images that is used.", source=f"{PAPER}, table 5", gt=0, le=1)
    patience: int = setting(
        0, "Stop when the mean loss of this many steps is not 0.1 % below that of as many steps before; 0: never.",
        source="Mergescope; off in the paper", ge=0, le=1_000_000,
    )  # fmt: skip

    @field_validator("objective")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in objectives.names():
            raise ValueError(f"one of {', '.join(objectives.names())}")
        return value


def learn(problem: Problem, vectors: TaskVectors, settings: LearningSettings, resume: State | None) -> Iterator[Step]:
    """Yield the steps of learning λ over `vectors`: Adam on Σ_k of the tasks' mean losses (AdaMerging, equation 7).

    Raises `NonFinite` before an update that a NaN or infinite loss or gradient would spoil.
    """
    learner = _Learner(problem, vectors, settings)
    if resume is None:
        yield learner.record(None, 0.0)
    else:
        learner.restore(resume)
        if learner.finished():
            yield learner.record(None, 0.0)  # Stopped after the last step: only its outcome is missing.
    while not learner.finished():
        begin = time.perf_counter()
        measured = learner.step()
        yield learner.record(measured, time.perf_counter() - begin)


class _Learner:
    def __init__(self, problem: Problem, vectors: TaskVectors, settings: LearningSettings) -> None:
        # `vectors` may be prepared ones (AdaMerging++); the problem's own are the experts.
        self._problem, self._vectors, self._settings = problem, vectors, settings
        self._objective: Objective = objectives.get(settings.objective)
        self._grouping = group(vectors.names, settings.group)
        self._model = MergedModel(problem, vectors, self._grouping)
        self._streams = {task: self._stream(task) for task in vectors.tasks}
        shape = (len(self._grouping.groups), len(vectors.tasks))
        self._raw = torch.full(shape, settings.init, dtype=vectors.origin.dtype)
        self._adam = torch.optim.Adam([self._raw], lr=settings.lr, betas=(0.9, 0.999))
        self._recent: list[float] = []
        self.number = 0

    def _stream(self, task: str) -> Stream:
        settings, images = self._settings, self._problem.split(task, self._settings.adapt_on)
        if self._objective.needs is not Need.UNLABELLED and images.labels is None:
            raise BadInput(
                f"Objective `{self._objective.name}` needs labels. Found none for task `{task}`, split "
                f"`{settings.adapt_on}`; choose a label-free objective (entropy, expert_kl) or leave the task out."
            )
        return Stream(task, len(images), settings.batch, settings.seed, settings.fraction)

    def coefficients(self) -> Tensor:
        """λ as merged."""
        return self._raw.clamp(0, 1) if self._settings.clamp else self._raw.clone()

    def step(self) -> Measured:
        """Measure one batch of every task and update λ."""
        used = self.coefficients()
        measured = self._model.measure(used, [self._batch(t, s) for t, s in self._streams.items()], self._objective)
        gradient = measured.gradient.to(self._raw)
        bad = [task for task, loss in measured.losses.items() if not math.isfinite(loss)]
        if bad or not gradient.isfinite().all():
            raise NonFinite(
                f"Step {self.number + 1}: the loss of {', '.join(bad) or 'some task'} or its gradient is NaN or "
                "infinite. λ was kept as after the step before. Lower `lr`, turn `clamp` on, or look at `similarity`."
            )
        # The clamp passes no gradient outside 0…1, as autograd's clamp does.
        self._raw.grad = gradient * (used == self._raw) if self._settings.clamp else gradient
        self._adam.step()
        self.number += 1
        if window := 2 * self._settings.patience:
            self._recent = [*self._recent, sum(measured.losses.values())][-window:]
        return measured

    def _batch(self, task: str, stream: Stream) -> Batch:
        chosen = stream.next()
        images = self._problem.split(task, self._settings.adapt_on)
        pixels = images.pixels[chosen]
        if self._objective.target is Target.LABELS and images.labels is not None:
            return Batch(task, pixels, images.labels[chosen])
        if self._objective.target is Target.EXPERT:
            return Batch(task, pixels, self._problem.logits(self._problem.task_vectors.expert(task), task, pixels))
        return Batch(task, pixels)

    def finished(self) -> bool:
        """Whether all steps are done, or the last `patience` steps were no better than those before."""
        patience = self._settings.patience
        if self.number == self._settings.steps:
            return True
        if not patience or len(self._recent) < 2 * patience:
            return False
        before, after = sum(self._recent[:patience]), sum(self._recent[patience:])
        return after > before - 1e-3 * abs(before)

    def record(self, measured: Measured | None, seconds: float) -> Step:
        """The step just made, as the runner stores it."""
        used = self.coefficients()
        state = self._snapshot()

        def weights() -> Weights:
            return self._model.weights(used.to(self._vectors.origin))

        return Step(
            number=self.number,
            losses=measured.losses if measured else {},
            entropies=measured.entropies if measured else {},
            seconds=seconds,
            samples=sum(min(self._settings.batch, s.size) for s in self._streams.values()) if measured else 0,
            coefficients=Coefficients(self._grouping.groups, self._vectors.tasks, used.float()),
            state=lambda: state,
            weights=weights,
            outcome=Outcome.of(weights()) if self.finished() else None,
        )

    def _snapshot(self) -> State:
        adam = self._adam.state[self._raw]
        return {
            "raw": self._raw.clone(),
            "exp_avg": adam["exp_avg"].clone() if adam else torch.zeros_like(self._raw),
            "exp_avg_sq": adam["exp_avg_sq"].clone() if adam else torch.zeros_like(self._raw),
            "number": torch.tensor(self.number),
            # A stream's permutations are functions of seed, task and epoch: its position is all there is to save.
            "positions": torch.tensor([stream.position for stream in self._streams.values()]),
            "recent": torch.tensor(self._recent, dtype=torch.float64),
        }

    def restore(self, state: State) -> None:
        """Continue after the step that `state` was taken at."""
        self._raw.copy_(state["raw"])
        self.number = int(state["number"])
        self._recent = state["recent"].tolist()
        for stream, position in zip(self._streams.values(), state["positions"].tolist(), strict=True):
            stream.seek(position)
        self._adam.state[self._raw] = {
            "step": torch.tensor(float(self.number)),
            "exp_avg": state["exp_avg"].clone(),
            "exp_avg_sq": state["exp_avg_sq"].clone(),
        }
