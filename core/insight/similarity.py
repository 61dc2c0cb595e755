"""How task vectors relate: cosine similarities, norms and sign conflicts, overall and per group of tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.problem.grouping import GroupKind, group
from core.problem.task_vectors import CHUNK, TaskVectors
from core.progress import SILENT, Progress

ALL = "all"


@dataclass(frozen=True)
class Relation:
    """Relations of K task vectors over one set of parameter tensors."""

    cosine: Tensor
    """`[K, K]`, float64; NaN where a task vector is zero here."""
    norms: Tensor
    """`[K]`: ‖τ_k‖."""
    conflict: Tensor
    """`[K, K]`: share of entries, among those where both are not zero, whose signs differ."""


@dataclass(frozen=True)
class Similarity:
    """Relations of the task vectors `tasks`, overall (group `all`) and per group."""

    tasks: tuple[str, ...]
    groups: dict[str, Relation]

    @property
    def overall(self) -> Relation:
        """Over all parameter tensors."""
        return self.groups[ALL]


def similarity(vectors: TaskVectors, kind: GroupKind = "block", progress: Progress = SILENT) -> Similarity:
    """Cosine similarity (paper, figure 4), norm and sign conflict of every pair, overall and per `kind` of group."""
    progress.start("Comparing the task vectors, tensor", len(vectors.names))
    grouping, count = group(vectors.names, kind), len(vectors.tasks)
    gram, differ, both = (torch.zeros(len(grouping.groups), count, count, dtype=torch.float64) for _ in range(3))
    for at, span in enumerate(vectors.spans):
        row = grouping.row_of[at]
        for begin in range(span.start, span.stop, CHUNK):
            part = vectors.deltas[:, begin : min(begin + CHUNK, span.stop)].to(vectors.origin)
            part = (part.cpu() if part.device.type == "mps" else part).double()  # MPS has no float64.
            gram[row] += (part @ part.T).cpu()
            signs = part.sign()
            agreeing, nonzero = signs @ signs.T, signs.abs() @ signs.abs().T
            differ[row] += ((nonzero - agreeing) / 2).cpu()
            both[row] += nonzero.cpu()
        vectors.passed(vectors.deltas[:, span])
        progress.advance()
    progress.finish()
    groups = {ALL: _relation(gram.sum(0), differ.sum(0), both.sum(0))}
    if kind != "task":
        groups |= {name: _relation(gram[i], differ[i], both[i]) for i, name in enumerate(grouping.groups)}
    return Similarity(vectors.tasks, groups)


def _relation(gram: Tensor, differ: Tensor, both: Tensor) -> Relation:
    norms = gram.diagonal().sqrt()
    return Relation(gram / norms[:, None] / norms[None], norms, differ / both)
