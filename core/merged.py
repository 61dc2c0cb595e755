"""The merged model as a pure function of λ, and the exact gradient of a loss back to λ.

Merge once on detached weights; one ordinary forward and backward over all tasks' batches gives dL/dθ; then
dL/dλ[g, k] = Σ over the group's tensors of ⟨dL/dθ, τ_k⟩. No autograd graph runs through the merge, so neither memory
nor time grows with the number of tasks beyond one matrix-vector product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.grouping import Grouping
from core.objectives.base import Objective
from core.objectives.entropy import entropy
from core.problem import Problem
from core.task_vectors import TaskVectors


@dataclass(frozen=True)
class Batch:
    """One task's images of one step."""

    task: str
    images: Tensor
    """uint8 `[B, H, W, 3]`."""
    target: Tensor | None = None
    """What the objective compares with: labels `[B]` or the expert's logits `[B, C]`."""


@dataclass(frozen=True)
class Measured:
    """Loss, entropy and gradient of one set of batches at one λ."""

    losses: dict[str, float]
    """Task -> mean loss of its batch, in nats; what is minimised is their sum."""
    entropies: dict[str, float]
    gradient: Tensor
    """dL/dλ `[groups, tasks]`, where λ is what was merged (after a clamp)."""


class MergedModel:
    """θ(λ) = θ₀ + Σ_k λ[g, k] τ_k for one grouping; buffers for weights and gradient are used again."""

    def __init__(self, problem: Problem, vectors: TaskVectors, grouping: Grouping) -> None:
        self._problem, self._vectors, self._grouping = problem, vectors, grouping
        self._weights = torch.empty_like(vectors.origin)
        self._gradient = torch.zeros_like(vectors.origin)
        self._leaves = {n: w.requires_grad_(n in vectors.names) for n, w in vectors.named(self._weights).items()}
        for name, gradient in vectors.named(self._gradient).items():
            if name in vectors.names:
                self._leaves[name].grad = gradient

    def weights(self, coefficients: Tensor) -> dict[str, Tensor]:
        """Newly allocated merged weights for λ `[groups, tasks]`; nothing of this object changes."""
        return self._vectors.named(self._vectors.combine(coefficients, self._grouping.row_of))

    def measure(self, coefficients: Tensor, batches: Sequence[Batch], objective: Objective) -> Measured:
        """Losses of the batches at λ `[groups, tasks]` and their exact gradient with respect to it.

        Images are pushed through in micro-batches; since losses are means over samples this is exact. When memory runs
        out the micro-batch is halved, and stays so. Raises what `problem.tick` raises.
        """
        with torch.no_grad():
            self._vectors.combine(coefficients, self._grouping.row_of, out=self._weights)
        count = sum(len(batch.images) for batch in batches)
        losses, entropies = self._problem.within_memory(count, lambda size: self._accumulate(batches, objective, size))
        gradient = self._vectors.contract(self._gradient, self._grouping.row_of, len(self._grouping.groups))
        return Measured(losses, entropies, gradient)

    def _accumulate(
        self, batches: Sequence[Batch], objective: Objective, size: int
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Losses and entropies; leaves dL/dθ in `self._gradient`."""
        self._gradient.zero_()
        totals = {batch.task: torch.zeros(2, dtype=torch.float64) for batch in batches}
        for pieces in _micro_batches(batches, size):
            self._problem.tick()
            prepared = self._problem.encoder.prepare(torch.cat([piece.images for piece, _ in pieces]))
            features = self._problem.encoder.features(self._leaves, prepared)
            total = features.new_zeros(())
            for (piece, share), own in zip(pieces, features.split([len(p.images) for p, _ in pieces]), strict=True):
                logits = own @ self._problem.heads[piece.task].T
                target = piece.target.to(logits.device) if piece.target is not None else None
                loss = objective.per_sample(logits, target).sum() * share
                total = total + loss
                spread = entropy(logits.detach()).sum() * share
                totals[piece.task] += torch.stack([loss.detach(), spread]).cpu().double()
            total.backward()
        return {t: v[0].item() for t, v in totals.items()}, {t: v[1].item() for t, v in totals.items()}


def _micro_batches(batches: Sequence[Batch], size: int) -> list[list[tuple[Batch, float]]]:
    """Cut the batches, laid end to end, into groups of at most `size` images; each piece with 1 / batch length."""
    groups: list[list[tuple[Batch, float]]] = [[]]
    room = size
    for batch in batches:
        begin, count = 0, len(batch.images)
        while begin < count:
            if room == 0:
                groups.append([])
                room = size
            end = min(count, begin + room)
            target = None if batch.target is None else batch.target[begin:end]
            groups[-1].append((Batch(batch.task, batch.images[begin:end], target), 1 / count))
            room -= end - begin
            begin = end
    return groups


def merge(vectors: TaskVectors, coefficients: Mapping[str, float]) -> dict[str, Tensor]:
    """θ₀ + Σ_k λ_k τ_k with one λ a task, as named tensors."""
    row = vectors.origin.new_tensor([[coefficients[task] for task in vectors.tasks]])
    return vectors.named(vectors.combine(row, [0] * len(vectors.names)))
