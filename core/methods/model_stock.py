"""Model Stock: how far to go from the base to the mean of the experts, by the angle between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.problem.problem import Problem
from core.settings import MethodSettings
from core.techniques.tensorwise import Merge, Tensorwise


class ModelStock(Tensorwise[MethodSettings]):
    """θ = θ₀ + t·mean(τ) with t = K cos φ / (1 + (K − 1) cos φ) for each tensor; φ: the mean angle of all pairs."""

    title = "Model Stock"
    paper = (
        "Model Stock (Jang et al., ECCV 2024), the ratio t for two and for more experts. It was designed for experts "
        "of one task; experts of different tasks are nearly orthogonal, so the result stays close to the base. A mean "
        "angle above 90° counts as 90° (t = 0), since the formula would otherwise step away from the experts."
    )
    summary = "Moves from the base towards the mean of the experts, in each layer only as far as the experts agree."
    cost = "Seconds."

    def merging(self, problem: Problem, settings: MethodSettings) -> Merge:
        return lambda _name, delta: ratio(delta) * delta.mean(0)


def ratio(delta: Tensor) -> float:
    """t for the task vectors `[K, ...]` of one tensor."""
    count = len(delta)
    if count == 1:
        return 1.0
    flat = delta.flatten(1)
    norms = flat.norm(dim=1)
    cosine = flat @ flat.T / (norms[:, None] * norms).clamp(min=torch.finfo(flat.dtype).tiny)
    rows, columns = torch.triu_indices(count, count, 1).to(flat.device)
    angle = cosine[rows, columns].cpu().double().clamp(-1, 1).acos().mean().item()
    shared = max(math.cos(angle), 0.0)
    return count * shared / (1 + (count - 1) * shared)
