"""Learns λ by gradient descent on unlabelled (or labelled) images: what AdaMerging and its relatives share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Generic, TypeVar

import torch
from torch import Tensor

from core import objectives
from core.learning import starts
from core.learning.captured import Captured
from core.learning.made import Made
from core.learning.optimiser import Adam, Drawing, carry_out, finite, require_finite
from core.learning.watch import Watch, WatchedSettings
from core.problem.grouping import GroupKind
from core.problem.merged import Batch, Measured, MergedModel
from core.problem.method import Method, Need, Step
from core.problem.mixture import Mixture
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.settings import setting
from core.step import Coefficients, State, Weights

PAPER = "AdaMerging (ICLR 2024)"


@objectives.tunable
class LearningSettings(WatchedSettings):
    """Settings of every method that learns λ."""

    group: GroupKind = setting(
        "tensor", "Which tensors of a task share λ. `task`: all; `block`: those of a block; `tensor`: none (the "
        "paper's layer-wise).",
        source=f"{PAPER}, layer-wise",
    )  # fmt: skip
    objective: objectives.Name = setting("entropy", "What to minimise.", source=f"{PAPER}, equation 5")
    init: float = setting(0.3, "λ at the start.", source=f"{PAPER}, section 4.1", ge=-10, le=10)
    clamp: bool = setting(
        True,
        "Clamp λ to 0…1 when merging; the learned λ itself may leave that range.",
        source="the authors' code; FusionBench: off",
    )
    lr: float = setting(1e-3, "Adam's learning rate.", source=f"{PAPER}, section 4.1", gt=0, le=10)
    steps: int = setting(500, "Optimiser steps.", source=f"{PAPER}; FusionBench: 1,000", ge=1, le=1_000_000)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}; its code takes 2 × 16", ge=1, le=4096)
    fraction: float = setting(1.0, "Share of the split's images to use.", source=f"{PAPER}, table 5", gt=0, le=1)
    once: bool = setting(
        False,
        "Use each image only once, as in a stream. With `adapt_on=held-out`, the held-out images come first and the "
        "ones that accuracy is measured on come later.",
        source=f"{PAPER}: images come again",
    )  # fmt: skip
    start: starts.Name = setting(
        starts.NONE,
        "Start from the model of this data-free method, with its defaults; `none`: from θ₀ + `init` · Σ τ.",
        source=f"{PAPER}: none",
    )  # fmt: skip


L = TypeVar("L", bound=LearningSettings)


def around_start(problem: Problem, vectors: TaskVectors, settings: LearningSettings) -> TaskVectors:
    """The task vectors over the origin from which λ = init gives the model that the settings ask to start at."""
    if settings.start == starts.NONE:
        return vectors
    used = min(max(settings.init, 0.0), 1.0) if settings.clamp else settings.init
    rows = vectors.origin.new_full((1, len(vectors.tasks)), used)
    merged = vectors.combine(rows, [0] * len(vectors.names))
    return starts.moved(problem, vectors, starts.update(problem, settings.start), merged)


class Learner(Drawing, Generic[L]):
    """λ of a mixture, its optimiser and its batches: Adam on Σ_k of the tasks' mean losses (AdaMerging, equation 7).

    Subclasses learn more than λ, or find its gradient another way. A step reads nothing from the device: that a loss or
    gradient is NaN or infinite raises `NonFinite` when the step is read, and neither it nor its state is stored.
    """

    def __init__(self, problem: Problem, mixture: Mixture, settings: L) -> None:
        objective = objectives.chosen(settings.objective, settings)
        super().__init__(problem, settings, objective, Watch(problem, settings, settings.steps))
        # Its task vectors may be prepared ones (AdaMerging++); the problem's own are the experts.
        self._mixture, self._settings = mixture, settings
        self._vectors, self._grouping = mixture.vectors, mixture.grouping
        shape = (len(self._grouping.groups), len(self._vectors.tasks))
        self._raw = torch.full(shape, settings.init, dtype=self._vectors.origin.dtype, device=problem.small)
        self._adam = Adam({"raw": self._raw, **self._more_parameters()}, settings.lr, recorded=problem.capture)
        self._captured: Captured | None = None
        if problem.capture and self._batches.fixed:
            self._captured = Captured(self._plain, self._changing, partial(setattr, problem, "captured"))
        # The mean loss of the latest steps ends a run whose last step is kept: each has to be read at once.
        self.ahead = 1 if settings.patience and settings.keep_step == "last" else problem.ahead

    def _more_parameters(self) -> Mapping[str, Tensor]:
        """What is learned beside λ."""
        return {}

    @cached_property
    def _merged(self) -> MergedModel:
        """Made when first needed: it takes twice the encoder's memory."""
        return MergedModel(self._problem, self._mixture)

    def coefficients(self, raw: Tensor | None = None) -> Tensor:
        """λ as merged."""
        raw = self._raw if raw is None else raw
        return raw.clamp(0, 1) if self._settings.clamp else raw.clone()

    def step(self) -> Measured:
        """Measure one batch of every task and update λ."""
        self._problem.tick()
        return (self._captured or self._plain)(self._batches.draw())

    def _changing(self) -> list[Tensor]:
        return [*self._adam.tensors(), *self._batches.tensors()]

    def _plain(self, drawn: Mapping[str, Tensor]) -> Measured:
        measured, gradients = self._measure(self._batches.of(drawn))
        self._adam.step(gradients)
        self._batches.note(measured)
        return replace(measured, finite=finite(measured.gradient, *gradients.values()))

    def require_sound(self, made: Made) -> None:
        assert made.measured is not None
        require_finite(made.number, made.measured.losses, made.measured.finite, "λ was", "Lower `lr`, turn `clamp` on")

    def _measure(self, batches: list[Batch]) -> tuple[Measured, dict[str, Tensor]]:
        """The batches' losses as they are now, and the gradients that the optimiser gets."""
        return self._measure_at(self._raw, batches)

    def _measure_at(self, raw: Tensor, batches: list[Batch]) -> tuple[Measured, dict[str, Tensor]]:
        used = self.coefficients(raw)
        measured = self._merged.measure(used, batches, self._objective)
        return measured, {"raw": self._through_clamp(measured.gradient, used, raw)}

    def _through_clamp(self, gradient: Tensor, used: Tensor, raw: Tensor) -> Tensor:
        """The clamp passes no gradient outside 0…1, as autograd's clamp does."""
        gradient = gradient.to(raw)
        return torch.where(used == raw, gradient, torch.zeros_like(gradient)) if self._settings.clamp else gradient

    def weights(self) -> Callable[[], Weights]:
        used = self.coefficients().to(self._vectors.origin)
        return lambda: self._mixture.weights(used)

    def mixed(self) -> Coefficients:
        return Coefficients(self._grouping.groups, self._vectors.tasks, self.coefficients().float())

    def release(self) -> None:
        self.__dict__.pop("_merged", None)  # Its buffers would stand beside the merged model's weights.
        self._captured = None


class LearningMethod(Method[L]):
    """A method that learns λ over task vectors, which it may prepare first."""

    trains = "λ: one number per task and group of tensors"
    needs = Need.UNLABELLED
    shares = True

    def steps(self, problem: Problem, settings: L, resume: State | None = None) -> Iterator[Step]:
        yield from carry_out(self._learner(problem, settings), resume)

    def mixture(self, settings: L) -> Callable[[Problem], Mixture] | None:
        """The prepared task vectors, around the start that the settings ask for."""
        return lambda problem: self._mixture(problem, settings)

    def _prepared(self, problem: Problem, settings: L) -> TaskVectors:
        """The experts' task vectors, or what is made of them before λ is learned."""
        return problem.task_vectors

    def _learner(self, problem: Problem, settings: L) -> Learner[L]:
        """What learns."""
        return Learner(problem, self._mixture(problem, settings), settings)

    def _mixture(self, problem: Problem, settings: L) -> Mixture:
        return Mixture.of(around_start(problem, self._prepared(problem, settings), settings), settings.group)
