"""Task vectors whose matrices are sums of singular components, each of which a mask can leave out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.problem.grouping import block_of
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.techniques.spectral import FUSED, orthogonal, svd

Decompose = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
"""τ `[K, m, n]` of one matrix -> left `[K, m, r]`, values `[K, r]`, right `[K, r, n]`."""


@dataclass(frozen=True)
class _Matrix:
    at: int
    """Index of the parameter tensor."""
    span: slice
    """Columns of the task vectors that it takes."""
    columns: slice
    """Components that it takes, of all matrices' laid end to end."""
    left: Tensor
    values: Tensor
    right: Tensor


class Components:
    """θ₀ + Σ_k λ_k τ_k in which the matrices of attention and MLP are Σ_i m_i λ_k s_i u_i v_iᵀ with a mask m.

    Left and right vectors are kept in the precision of the task vectors: bfloat16 halves them. All components of one
    expert take 1.2 to 2 times the bytes of its matrices; `rank` (components a matrix and task) bounds that.
    """

    def __init__(
        self, problem: Problem, vectors: TaskVectors, row_of: Sequence[int], decompose: Decompose, split: bool
    ) -> None:
        self.vectors, self._row_of = vectors, row_of
        self._matrices: list[_Matrix] = []
        self.count = 0
        """Components of one task, over all matrices."""
        for at, (name, span, shape) in enumerate(zip(vectors.names, vectors.spans, vectors.shapes, strict=True)):
            if len(shape) != 2 or not block_of(name).startswith("block "):
                continue
            parts = 3 if split and name.endswith(FUSED) else 1
            size = (span.stop - span.start) // parts
            for part in range(parts):
                problem.tick()
                own = slice(span.start + part * size, span.start + (part + 1) * size)
                self._add(at, own, shape[0] // parts, decompose)

    def _add(self, at: int, span: slice, rows: int, decompose: Decompose) -> None:
        deltas = self.vectors.deltas[:, span].to(self.vectors.origin)
        left, values, right = decompose(deltas.view(len(deltas), rows, -1))
        self.vectors.passed(self.vectors.deltas[:, span])
        begin, self.count = self.count, self.count + values.shape[1]
        stored = self.vectors.deltas.dtype
        self._matrices.append(_Matrix(at, span, slice(begin, self.count), left.to(stored), values, right.to(stored)))

    @property
    def ranks(self) -> list[tuple[slice, int]]:
        """For each matrix: which components belong to it, strongest first, and how many it has in all."""
        return [(one.columns, min(one.left.shape[1], one.right.shape[2])) for one in self._matrices]

    @torch.no_grad()
    def combine(self, rows: Tensor, mask: Tensor, out: Tensor | None = None) -> Tensor:
        """θ `[D]` for λ `[G, K]` and a mask `[K, count]`."""
        out = self.vectors.combine(rows, self._row_of, out=out)
        for one in self._matrices:
            weights = self._weights(rows, one)[:, None] * one.values * mask[:, one.columns].to(one.values)
            merged = out[one.span].view(one.left.shape[1], one.right.shape[2])
            merged.copy_(self.vectors.origin[one.span].view_as(merged))
            for left, weight, right in zip(one.left, weights, one.right, strict=True):
                merged.addmm_(left.to(merged) * weight, right.to(merged))
        return out

    @torch.no_grad()
    def contract(self, gradient: Tensor, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """dL/dλ `[G, K]` and dL/dm `[K, count]` from dL/dθ `[D]`, whose matrices are zeroed."""
        by_mask = torch.zeros(len(self.vectors.tasks), self.count, dtype=gradient.dtype, device=gradient.device)
        by_row = torch.zeros(rows.shape, dtype=gradient.dtype, device=gradient.device)
        for one in self._matrices:
            slope = gradient[one.span].view(one.left.shape[1], one.right.shape[2])
            along = torch.stack(
                [
                    ((left.to(slope).T @ slope) * right.to(slope)).sum(1)
                    for left, right in zip(one.left, one.right, strict=True)
                ]
            )
            along *= one.values
            by_row[self._row_of[one.at]] += (along * mask[:, one.columns].to(along)).sum(1)
            by_mask[:, one.columns] = along * self._weights(rows, one)[:, None]
            slope.zero_()
        return by_row + self.vectors.contract(gradient, self._row_of, len(rows)), by_mask

    def _weights(self, rows: Tensor, one: _Matrix) -> Tensor:
        return rows[self._row_of[one.at]].to(one.values)


def components(
    problem: Problem, vectors: TaskVectors, row_of: Sequence[int], rank: int | None, split: bool
) -> Components:
    """Each task vector's own components, at most `rank` of them (0: all); those of TSV-Merge where that is None."""
    return Components(problem, vectors, row_of, orthogonal if rank is None else own(rank), split)


def own(rank: int) -> Decompose:
    """Each task vector's own singular value decomposition, or its `rank` strongest components; 0: all."""

    def decompose(deltas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kept = min(deltas.shape[1:]) if rank == 0 else min(rank, *deltas.shape[1:])
        u, s, vt = zip(*(svd(delta) for delta in deltas), strict=True)
        return (
            torch.stack([one[:, :kept] for one in u]),
            torch.stack([one[:kept] for one in s]),
            torch.stack([one[:kept] for one in vt]),
        )

    return decompose
