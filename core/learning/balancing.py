"""Gradients of several tasks made into one: their sum, PCGrad's projections, or GradNorm's learned weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.seeds import generator


def pcgrad(gradients: Tensor, tasks: Sequence[str], key: tuple[object, ...]) -> Tensor:
    """Σ_i of each task's gradient less its components against the others' (PCGrad, algorithm 1): `[K, D]` -> `[D]`.

    The others come in a random order, which `key` and their names decide. All projections are linear in the
    gradients, so they are done on the K × K matrix of inner products; `[K, D]` is read twice and never copied.
    """
    products = (gradients @ gradients.T).double().cpu()
    total = torch.zeros(len(tasks), dtype=torch.float64)
    for own, task in enumerate(tasks):
        row = torch.zeros_like(total)
        row[own] = 1
        for other in _shuffled(tasks, (*key, task)):
            along = float(row @ products[:, other])
            if other != own and along < 0:
                row[other] -= along / products[other, other]
        total += row
    return total.to(gradients) @ gradients


def _shuffled(tasks: Sequence[str], key: tuple[object, ...]) -> list[int]:
    # Drawn over sorted names, so that the order in which tasks are listed changes nothing.
    order = torch.randperm(len(tasks), generator=generator(*key)).tolist()
    by_name = sorted(range(len(tasks)), key=lambda at: tasks[at])
    return [by_name[at] for at in order]


def gradnorm(weights: Tensor, norms: Tensor, ratios: Tensor, alpha: float, lr: float) -> Tensor:
    """GradNorm's next weights `[K]`, which sum to K (algorithm 1).

    `norms` are ‖∇L_k‖ over the shared weights, `ratios` L_k / L_k(0). One step of gradient descent on
    Σ_k |w_k ‖∇L_k‖ − mean · r_k^α| with the target held fixed.
    """
    own = weights * norms
    target = own.mean() * (ratios / ratios.mean().clamp(min=torch.finfo(ratios.dtype).tiny)) ** alpha
    moved = weights - lr * (own - target).sign() * norms / norms.mean().clamp(min=torch.finfo(norms.dtype).tiny)
    moved = moved.clamp(min=1e-3)
    return moved * len(moved) / moved.sum()
