"""Frank-Wolfe selection: which expert lies furthest down the loss's slope, over the whole model or tensor by tensor.

FW-Merging (arXiv 2503.12649). Every iterate is θ₀ + Σ_k λ[t, k] τ_k for parameter tensors t, so that λ is all there is
to keep, and the experts are read one after the other: memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from core import objectives
from core.errors import BadInput
from core.learning.batches import Batches
from core.learning.watch import WatchedSettings
from core.problem.merged import EncoderGradient, Sums
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.settings import setting
from core.step import Need, State

Per = Literal["model", "layer"]
Score = Literal["inner_product", "cosine"]
PAPER = "FW-Merging"


class FrankWolfeSettings(WatchedSettings):
    """What both variants have in common."""

    per: Per = setting(
        "model",
        "Choose one expert for the whole model, or one per parameter tensor (layer).",
        source=f"{PAPER}; FusionBench",
    )
    score: Score = setting(
        "inner_product",
        "How to compare an expert with the gradient: by their inner product, or by one cosine per parameter tensor.",
        source=f"{PAPER}: argmin_s ⟨∇l(θ), s⟩; cosine: its released code, FusionBench",
        before="cosine",
    )
    samples: int = setting(
        100, "Images of each task used to make a choice.", source=f"{PAPER}; FusionBench", ge=1, le=4096
    )
    select_by: Literal["entropy", "cross_entropy", "expert_kl"] = setting(
        "entropy", "The loss whose gradient decides; `cross_entropy` needs labels.",
        source="Mergescope; FW-Merging: cross_entropy on training images",
    )  # fmt: skip


class Selection:
    """Slopes of the tasks' losses and how the experts lie along them."""

    def __init__(
        self, problem: Problem, settings: FrankWolfeSettings, rounds: int, without: Mapping[str, Tensor] | None = None
    ) -> None:
        self._objective = objectives.get(settings.select_by)
        if settings.adapt_on == "test" and self._objective.needs is Need.LABELLED:
            raise BadInput(
                "`select_by=cross_entropy` should not read the labels that accuracy is measured on. Found "
                "`adapt_on=test`; set `adapt_on=held-out` or `adapt_on=train`."
            )
        self._vectors = problem.task_vectors
        self._batches = Batches(
            problem,
            self._objective,
            split=settings.adapt_on,
            batch=settings.samples,
            seed=settings.seed,
            steps=rounds,
            without=without,
        )
        self._pass = EncoderGradient(problem, self._vectors)
        self._norms = expert_norms(self._vectors) if settings.score == "cosine" else None
        self.images_per_round = self._batches.images_per_step

    def pooled(self, weights: Tensor) -> tuple[dict[str, Sums], Tensor]:
        """Losses of one batch of every task at θ `[D]`, and scores `[T, K]` along the slope of their sum."""
        self._pass.weights.copy_(weights)
        sums = self._pass.run(self._batches.next(), self._objective)
        return sums, scores(self._vectors, self._pass.gradient, self._norms)

    def each(self, weights: Tensor) -> dict[str, Tensor]:
        """Task -> scores `[T, K]` along the slope of its own loss at θ `[D]`."""
        found = {}
        for batch in self._batches.next():
            self._pass.weights.copy_(weights)
            self._pass.run([batch], self._objective)
            found[batch.task] = scores(self._vectors, self._pass.gradient, self._norms)
        return found

    def state(self) -> State:
        """Where the images stand."""
        return {f"selection {name}": value for name, value in self._batches.state().items()}

    def restore(self, state: State) -> None:
        """Go on where `state` was taken."""
        self._batches.restore({n.removeprefix("selection "): v for n, v in state.items() if n.startswith("selection ")})


def expert_norms(vectors: TaskVectors) -> Tensor:
    """‖θ_k,t‖ for each parameter tensor and expert, `[T, K]`; one expert and tensor in memory at a time."""
    norms = vectors.origin.new_zeros(len(vectors.names), len(vectors.tasks))
    for at, span in enumerate(vectors.spans):
        for row in range(len(vectors.tasks)):
            norms[at, row] = (vectors.origin[span] + vectors.deltas[row, span].to(vectors.origin)).norm()
        vectors.passed(vectors.deltas[:, span])
    return norms


def scores(vectors: TaskVectors, gradient: Tensor, norms: Tensor | None = None) -> Tensor:
    """⟨∇_t, τ_k,t⟩ for each parameter tensor and expert, `[T, K]`; with `norms` cos(∇_t, θ_k,t), 0 if either is zero.

    ⟨∇, θ_k⟩ is larger by ⟨∇, θ₀⟩ for every expert alike, which decides nothing and would cost digits.
    """
    along = vectors.contract(gradient, range(len(vectors.names)), len(vectors.names))
    if norms is None:
        return along
    for at, span in enumerate(vectors.spans):
        along[at] += gradient[span] @ vectors.origin[span]
        along[at] /= gradient[span].norm()
    return torch.nan_to_num(along / norms, nan=0.0, posinf=0.0, neginf=0.0)


def choose(found: Tensor, per: Per, taken: Tensor) -> Tensor:
    """The expert with the lowest score for each parameter tensor, int64 `[T]`; not one that is `taken` `[T, K]`."""
    if per == "model":
        total = found.sum(0).masked_fill(taken[0], float("inf"))
        return total.argmin().expand(len(found)).clone()
    return found.masked_fill(taken, float("inf")).argmin(1)
