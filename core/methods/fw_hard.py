"""FW-Merging, hard: step by step towards the expert that lowers the loss fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from core import methods
from core.learning import starts
from core.learning.frank_wolfe import PAPER, FrankWolfeSettings, Selection, choose
from core.learning.optimiser import Trainer, carry_out, require_finite
from core.learning.watch import Watch
from core.problem.merged import Measured
from core.problem.method import Coefficients, Method, Need, Problem, State, Step, Weights
from core.settings import setting


class FwHardSettings(FrankWolfeSettings):
    """Settings of hard FW-Merging."""

    steps: int = setting(
        10, "Number of steps; each chooses an expert.", source=f"{PAPER}; FusionBench", ge=1, le=10_000
    )
    begin_with: Literal["task_arithmetic", "ties", "pretrained"] = setting(
        "task_arithmetic", "Start from the model of this method, with its defaults.", source=f"{PAPER}; FusionBench"
    )
    step_size: float = setting(
        0.1, "Multiplies the step length 2 / (t + 2) in step t.", source=f"{PAPER}; FusionBench", gt=0, le=10
    )
    scale: float = setting(
        0.3, "Another factor on the step length.", source="FusionBench", label="Factor on the step length", gt=0, le=1
    )


class FwHard(Method[FwHardSettings]):
    """θ ← θ + γ_t·0.3·(θ_sel − θ), γ_t = 2/(t + 2)·step size, where sel minimises ⟨∇, θ_k⟩."""

    title = "FW-Merging (hard)"
    paper = (
        "FW-Merging (arXiv 2503.12649), the hard variant; the first model can be chosen as in FusionBench. The authors "
        "use labels of training images; here the entropy of unlabelled images decides, unless `select_by` says "
        "otherwise. The expert is chosen by the paper's linear minimisation, with the inner product over all weights. "
        "The released code and FusionBench add up one cosine for each parameter tensor, so that a bias counts as much "
        "as a matrix: `score=cosine`. Tensors of norm zero, which give NaN there, count as unrelated."
    )
    summary = (
        "Starts from a merged model and, at each step, moves a little towards the expert that lowers the loss fastest."
    )
    cost = "One forward and backward pass over 100 images of every task per step; memory for one more model."
    trains = "Which expert to move towards"
    needs = Need.UNLABELLED
    Settings = FwHardSettings

    def steps(self, problem: Problem, settings: FwHardSettings, resume: State | None = None) -> Iterator[Step]:
        yield from carry_out(_Walk(problem, settings), resume)


class _Walk(Trainer):
    """θ = θ₀ + rest_t·(θ_begin − θ₀) + Σ_k λ[t, k] τ_k with Σ_k λ + rest = 1 from the first step on."""

    def __init__(self, problem: Problem, settings: FwHardSettings) -> None:
        watch = Watch(problem, settings, settings.steps)
        super().__init__(settings.steps, watch)
        self._vectors, self._settings = problem.task_vectors, settings
        self._selection = Selection(problem, settings, settings.steps, watch.apart)
        self._begin = starts.update(problem, settings.begin_with)
        count = len(self._vectors.names)
        self._rows = torch.zeros(count, len(self._vectors.tasks), dtype=self._vectors.origin.dtype)
        self._rest = torch.ones(count, dtype=self._rows.dtype)
        self.images = self._selection.images_per_round

    def _theta(self, rows: Tensor, rest: Tensor) -> Tensor:
        """θ `[D]`."""
        out = self._vectors.combine(rows, range(len(self._vectors.names)))
        for span, share in zip(self._vectors.spans, rest.tolist(), strict=True):
            out[span].add_(self._begin[span], alpha=share)
        return out

    def step(self) -> Measured:
        """Choose and move; the losses before the move."""
        sums, found = self._selection.pooled(self._theta(self._rows, self._rest))
        measured = Measured.of(sums)
        require_finite(self.number + 1, measured.losses, measured.finite, "Weights were", "Choose another start")
        chosen = choose(found.cpu(), self._settings.per, torch.zeros(found.shape, dtype=torch.bool))
        length = 2 / (self.number + 2) * self._settings.step_size * self._settings.scale
        self._rows *= 1 - length
        self._rest *= 1 - length
        self._rows[torch.arange(len(chosen)), chosen] += length
        return measured

    def weights(self) -> Callable[[], Weights]:
        rows, rest = self._rows.clone(), self._rest.clone()
        return lambda: self._vectors.named(self._theta(rows, rest))

    def mixed(self) -> Coefficients:
        """λ with the beginning's own, where that is a sum of task vectors."""
        own = 0.0
        if self._settings.begin_with == "task_arithmetic":
            own = methods.get("task_arithmetic").Settings.model_fields["scale"].default
        shown = self._rows + own * self._rest[:, None]
        return Coefficients(self._vectors.names, self._vectors.tasks, shown.float())

    def state(self) -> State:
        return {"rows": self._rows.clone(), "rest": self._rest.clone(), **self._selection.state()}

    def restore(self, state: State) -> None:
        self._rows.copy_(state["rows"])
        self._rest.copy_(state["rest"])
        self._selection.restore(state)
