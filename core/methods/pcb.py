"""PCB-Merging: entries compete within a task vector and between tasks; the winners are averaged by their strength."""

from __future__ import annotations

import torch
from torch import Tensor

from core.problem.method import Formula, Outcome, Problem
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings, scaled

OUTLIERS = 1e-4
"""Share of the smallest and of the largest magnitudes that is clamped, as in the authors' code."""


class PcbSettings(DepthSettings):
    """Settings of PCB-Merging."""

    keep: float = setting(
        0.05, "r: share of each task vector's entries to use, strongest first.",
        source="the authors' code for image encoders", gt=0, le=1,
    )  # fmt: skip
    scale: float = other_default(
        DepthSettings, "scale", 1.2, "λ: weight of the merged task vector.",
        source="the authors' code for image encoders",
    )  # fmt: skip


class Pcb(Formula[PcbSettings]):
    """τ = Σ_k β_k∘τ_k / Σ_k β_k with β_k from self-competition and cross-competition, the lowest 1 − r set to 0."""

    title = "PCB-Merging"
    paper = (
        "Parameter Competition Balancing (Du et al., NeurIPS 2024), as in the authors' code: β_k = "
        "exp(K·norm(|τ_k|)²)·tanh(τ_k∘Σ_j τ_j) brought to 0…1 above its (1 − r)-quantile, without the search for a λ "
        "per task. A task vector whose β has no spread is ignored."
    )
    summary = "Keeps the entries that matter most to their own task and agree with the other tasks, and averages them."
    cost = "Seconds to a minute; memory for four more copies of the model."
    Settings = PcbSettings

    def made(self, problem: Problem, settings: PcbSettings) -> Outcome:
        vectors = problem.task_vectors
        total = vectors.total()
        weighted, weights = torch.zeros_like(total), torch.zeros_like(total)
        for row in vectors.deltas:
            problem.tick()
            tau = row.to(total)
            size = _clamped(tau.abs(), OUTLIERS, OUTLIERS)
            strength = _unit(size).square_().mul_(len(vectors.tasks)).exp_().mul_((tau * total).tanh_())
            strength = _unit(_clamped(strength, 1 - settings.keep, 0))
            weights += strength
            weighted += strength * size * tau.sign()
            vectors.passed(row)
        merged = weighted / weights.clamp(min=1e-12)
        return scaled(problem, merged, settings)


def _clamped(row: Tensor, low: float, high: float) -> Tensor:
    """`[n]` with the share `low` of the smallest and `high` of the largest entries set to the limits between."""
    count = len(row)
    smallest = row.kthvalue(min(int(count * low) + 1, count)).values
    largest = row.kthvalue(max(int(count * (1 - high)), 1)).values
    return row.clamp(smallest, largest)


def _unit(row: Tensor) -> Tensor:
    """`[n]` brought to 0…1; zeros where all entries are equal."""
    low, high = row.min(), row.max()
    return (row - low) / (high - low) if high > low else torch.zeros_like(row)
