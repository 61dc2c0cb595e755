"""Singular components of task vectors that several processes hold: each has those of its own matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.problem.problem import Problem
from core.problem.sharing.share import Number, Share, act
from core.problem.sharing.team import cuts
from core.problem.sharing.vectors import SharedVectors
from core.techniques.components import Components, components


class SharedComponents:
    """`core.techniques.components.Components` over all processes, as process 0 uses them."""

    def __init__(self, vectors: SharedVectors, number: Number, ranks: list[tuple[slice, int]]) -> None:
        self.vectors, self._number, self.ranks = vectors, number, ranks
        self.count = ranks[-1][0].stop if ranks else 0

    def combine(self, rows: Tensor, mask: Tensor, out: Tensor | None = None) -> Tensor:
        """θ `[D]` for λ `[G, K]` and a mask `[K, count]`."""
        made = self._number.value
        return self.vectors.merged(combine, rows.to(self.vectors.origin), mask, out=out, made=made)

    def contract(self, gradient: Tensor, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """dL/dλ `[G, K]` and dL/dm `[K, count]` from the gradient of the latest pass."""
        by_row, by_mask = self.vectors.contracted(contract, rows, mask, gradient=gradient, made=self._number.value)
        return by_row, by_mask


@dataclass(frozen=True)
class _Part:
    own: Components
    counts: list[int]
    """Components of one task that each process has."""

    def here(self, share: Share, mask: Tensor) -> Tensor:
        """The columns of a mask that are this process's."""
        begin = sum(self.counts[: share.team.rank])
        return mask[:, begin : begin + self.counts[share.team.rank]].to(self.own.vectors.deltas.device)


def shared(
    problem: Problem, vectors: SharedVectors, row_of: Sequence[int], rank: int | None, split: bool
) -> SharedComponents:
    """As `core.techniques.components.components` makes them, each process of its own matrices."""
    number = vectors.share.number()
    how: dict[str, Any] = {"row_of": list(row_of), "rank": rank, "split": split, "made": number.value}
    vectors.tell(decompose, **how)
    found = decompose(vectors.share, number=vectors.number.value, problem=problem, **how)
    ranks, begin = list[tuple[slice, int]](), 0
    for count, whole in zip(found[::2], found[1::2], strict=True):
        ranks.append((slice(begin, begin := begin + count), whole))
    return SharedComponents(vectors, number, ranks)


@act
def decompose(
    share: Share,
    *,
    number: int,
    row_of: Sequence[int],
    rank: int | None,
    split: bool,
    made: int,
    problem: Problem | None = None,
) -> list[int]:
    """The components of the own matrices; of all matrices how many there are and their rank, in turn."""
    own = components(problem or share.told_problem, share.vectors(number), share.rows(row_of), rank, split)
    found = share.team.lists([value for columns, whole in own.ranks for value in (_length(columns), whole)])
    share.kept[made] = _Part(own, [sum(ranks[::2]) for ranks in found])
    return [value for ranks in found for value in ranks]


@act
def combine(share: Share, rows: Tensor, mask: Tensor, *, number: int, made: int, out: Tensor | None = None) -> None:
    """θ in everybody's memory."""
    part: _Part = share.kept[made]
    part.own.vectors = share.vectors(number)
    out = share.passing.weights if out is None else out
    part.own.combine(rows.to(out), part.here(share, mask), out=out[share.here])
    share.team.all_gather(out, share.columns)


@act
def contract(
    share: Share, rows: Tensor, mask: Tensor, *, number: int, made: int, gradient: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What the latest pass's gradient comes to for λ and for the mask; for process 0."""
    part: _Part = share.kept[made]
    part.own.vectors = share.vectors(number)
    gradient = share.passing.gradient if gradient is None else gradient
    by_row, by_mask = part.own.contract(gradient[share.here], rows.to(gradient), part.here(share, mask))
    tasks, sizes = len(by_mask), [by_mask.shape[0] * count for count in part.counts]
    found = by_mask.new_empty(sum(sizes))
    share.team.gather(by_mask.reshape(-1), cuts(sizes), None if share.team.rank else found)
    return share.team.total(by_row), torch.cat([one.view(tasks, -1) for one in found.split(sizes)], 1)


def _length(columns: slice) -> int:
    return int(columns.stop - columns.start)
