"""FW-Merging, soft: choose an expert for each task, learn how much of each to take, and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from core import objectives
from core.learning.frank_wolfe import PAPER, FrankWolfeSettings, Selection, choose
from core.learning.optimiser import Adam, Drawing, carry_out, finite, require_finite
from core.learning.watch import Watch
from core.problem.merged import Measured, MergedModel
from core.problem.method import Coefficients, Method, Need, Problem, State, Step, Weights
from core.problem.mixture import Mixture
from core.settings import setting


class FwSoftSettings(FrankWolfeSettings):
    """Settings of soft FW-Merging."""

    steps: int = setting(
        500, "Optimiser steps, divided among the rounds.", source="AdaMerging; FW-Merging: 500 per round", ge=1,
        le=1_000_000,
    )  # fmt: skip
    rounds: int = setting(
        10,
        "Number of rounds; each picks an expert for every task again.",
        source=f"{PAPER}; FusionBench",
        ge=1,
        le=1000,
    )
    objective: objectives.Name = setting("entropy", "What to minimise.", source=f"{PAPER}; FusionBench")
    init: float = setting(0.3, "Coefficients at the start of the first round.", source="FusionBench", ge=-10, le=10)
    later_init: float = setting(1e-8, "Coefficients at the start of later rounds.", source="FusionBench", ge=-10, le=10)
    lr: float = setting(1e-3, "Adam's learning rate.", source=f"{PAPER}; FusionBench", gt=0, le=10)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}; FusionBench", ge=1, le=4096)


class FwSoft(Method[FwSoftSettings]):
    """θ ← θ + Σ_j μ[t, j] (θ_sel(j) − θ): each round chooses an expert sel(j) for each task j and learns μ."""

    title = "FW-Merging (soft)"
    paper = (
        "FW-Merging (arXiv 2503.12649), the soft variant: coefficients for each parameter tensor, not clamped, as in "
        "FusionBench. An expert is chosen by the inner product over all weights, as in the paper; the released code "
        "and FusionBench add up one cosine for each parameter tensor: `score=cosine`. Tasks choose in the order of "
        "their names. The rounds share 500 steps, so that it sees as many images as AdaMerging does; the authors take "
        "500 steps in each of ten rounds."
    )
    summary = "Picks the most useful expert for each task, learns how much of it to add, and repeats."
    cost = "Like AdaMerging, plus a pass over 100 images of every task in each round; no copy of the experts."
    trains = "One number per chosen expert and parameter tensor"
    needs = Need.UNLABELLED
    Settings = FwSoftSettings

    def steps(self, problem: Problem, settings: FwSoftSettings, resume: State | None = None) -> Iterator[Step]:
        yield from carry_out(_Rounds(problem, settings), resume)

    def mixture(self, settings: FwSoftSettings) -> Callable[[Problem], Mixture]:
        """The task vectors: what was chosen in all rounds is in λ."""
        return _mixture


def _mixture(problem: Problem) -> Mixture:
    return Mixture.of(problem.task_vectors, "tensor")


class _Rounds(Drawing):
    """λ[t, k] at the round's start, the choice sel[t, j] and the coefficients μ[t, j] being learned."""

    def __init__(self, problem: Problem, settings: FwSoftSettings) -> None:
        watch = Watch(problem, settings, settings.steps)
        super().__init__(problem, settings, objectives.get(settings.objective), watch)
        self._mixture, self._settings = _mixture(problem), settings
        self._vectors = self._mixture.vectors
        self._selection = Selection(problem, settings, settings.rounds, watch.apart)
        self._model = MergedModel(problem, self._mixture)
        count = len(self._vectors.names)
        self._rows = torch.zeros(count, len(self._vectors.tasks), dtype=self._vectors.origin.dtype)
        self._chosen = torch.zeros(count, len(self._batches.tasks), dtype=torch.int64)
        self._learned = torch.zeros(self._chosen.shape, dtype=self._rows.dtype)
        self._adam = Adam({"raw": self._learned}, settings.lr)
        self._began = 0

    def _effective(self) -> Tensor:
        """λ `[T, K]` of θ + Σ_j μ_j (θ_sel(j) − θ)."""
        kept = (1 - self._learned.sum(1, keepdim=True)) * self._rows
        return kept.scatter_add(1, self._chosen, self._learned)

    def step(self) -> Measured:
        """Begin a round where one is due, then one update."""
        settings, self.images = self._settings, self._batches.images_per_step
        rounds = min(settings.rounds, settings.steps)
        if self.number * rounds // settings.steps != (self.number - 1) * rounds // settings.steps:
            self._begin_round()
            self.images += self._selection.images_per_round
        used = self._effective()
        measured = self._model.measure(used, self._batches.next(), self._objective)
        slope = measured.gradient.to(used)
        # θ moves by μ_j (θ_sel(j) − θ_start): the chain rule from dL/dλ.
        gradient = slope.gather(1, self._chosen) - (self._rows * slope).sum(1, keepdim=True)
        require_finite(self.number + 1, measured.losses, finite(gradient), "λ was")
        self._adam.step({"raw": gradient})
        self._batches.note(measured)
        return measured

    def _begin_round(self) -> None:
        first = self.number == 0
        self._rows = self._effective() if not first else self._rows
        found = self._selection.each(self._vectors.combine(self._rows, range(len(self._vectors.names))))
        taken = torch.zeros(self._rows.shape, dtype=torch.bool)
        for task in sorted(found):
            if taken.all():  # More tasks than experts: all of them can be had again.
                taken.zero_()
            own = choose(found[task].cpu(), self._settings.per, taken)
            taken[torch.arange(len(own)), own] = True
            self._chosen[:, self._batches.tasks.index(task)] = own
        self._learned = torch.full_like(self._learned, self._settings.init if first else self._settings.later_init)
        self._adam = Adam({"raw": self._learned}, self._settings.lr)
        self._began = self.number

    def weights(self) -> Callable[[], Weights]:
        used = self._effective().to(self._vectors.origin)
        return lambda: self._mixture.weights(used)

    def mixed(self) -> Coefficients:
        return Coefficients(self._vectors.names, self._vectors.tasks, self._effective().float())

    def state(self) -> State:
        own = {"rows": self._rows.clone(), "chosen": self._chosen.clone(), "began": torch.tensor(self._began)}
        return own | {**super().state(), **self._selection.state()}

    def restore(self, state: State) -> None:
        self._began = int(state["began"])
        self._rows, self._chosen = state["rows"].clone(), state["chosen"].clone()
        self._adam.restore(state, self.number - self._began)
        self._batches.restore(state)
        self._selection.restore(state)
