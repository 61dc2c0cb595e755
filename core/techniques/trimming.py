"""TIES' preparation of task vectors: trim the small entries, elect a sign, keep what agrees.

TIES-Merging (Yadav et al., NeurIPS 2023), section 4, steps 1 and 2; over the whole flattened vector, as the authors do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from core.problem.packed import numbers
from core.problem.sharing.share import Share, act
from core.problem.sharing.vectors import SharedVectors
from core.problem.task_vectors import TaskVectors
from core.settings import setting


def share() -> float:
    """The setting that both methods built on this have."""
    return setting(  # type: ignore[no-any-return]  # a field of pydantic
        0.2, "Share of each task vector's entries to keep, largest first.", source="TIES section 5", gt=0, le=1
    )


class Election:
    """What TIES keeps of each task vector; computed piece by piece, so that no copy of them is needed.

    All but their `keep` share of largest entries, and entries of the outvoted sign, become 0. Entries as large as the
    smallest one kept are kept too. Where an entry's trimmed values sum to zero, the majority of all elected signs
    decides.
    """

    def __init__(
        self, vectors: TaskVectors, thresholds: Tensor, everywhere: Callable[[Tensor], Tensor] = lambda votes: votes
    ) -> None:
        """`thresholds` `[K, 1]` are those of `limits`; `everywhere` adds the votes on columns that others hold."""
        self._vectors, self._thresholds = vectors, thresholds
        exact = torch.promote_types(vectors.deltas.dtype, torch.float32)
        self._signs = torch.cat([self._trimmed(part).sum(0, dtype=exact).sign() for part in vectors.columns()])
        self._signs[self._signs == 0] = everywhere(self._signs.sum()).sign()

    def kept(self, part: slice) -> Tensor:
        """These columns of the prepared task vectors, `[K, n]`."""
        trimmed = self._trimmed(part)
        return torch.where(trimmed.sign() == self._signs[part].to(trimmed), trimmed, 0)

    def _trimmed(self, part: slice) -> Tensor:
        columns = numbers(self._vectors.deltas[:, part])
        return torch.where(columns.abs() >= self._thresholds, columns, 0)


def limits(vectors: TaskVectors, keep: float) -> Tensor:
    """The smallest magnitude kept of each task vector, `[K, 1]`: the k-th smallest with k = d − int(keep · d)."""
    found = []
    for at in range(len(vectors.tasks)):
        row = vectors.row(at)
        rank = max(1, row.shape[0] - int(row.shape[0] * keep))
        found.append(numbers(row).abs().kthvalue(rank).values)
        vectors.passed(row)
    return torch.stack(found)[:, None]


def trim_and_elect(vectors: TaskVectors, keep: float) -> TaskVectors:
    """Task vectors prepared by TIES, as a matrix of their own."""
    thresholds = limits(vectors, keep)
    if isinstance(vectors, SharedVectors):
        return vectors.derived(trim, thresholds)
    return _prepared(vectors, Election(vectors, thresholds))


@act
def trim(share: Share, thresholds: Tensor, *, number: int, made: int) -> None:
    """`trim_and_elect` of the columns of one process."""
    vectors = share.vectors(number)

    def everywhere(votes: Tensor) -> Tensor:
        return share.team.total(votes, everybody=True)

    share.kept[made] = _prepared(vectors, Election(vectors, thresholds.to(vectors.deltas.device), everywhere))


def _prepared(vectors: TaskVectors, election: Election) -> TaskVectors:
    prepared = vectors.room(len(vectors.tasks))
    for part in vectors.columns():
        prepared[:, part] = election.kept(part)
        vectors.passed(prepared[:, part])
    return replace(vectors, deltas=prepared)
