"""Methods that are done in one go: a step for each tenth of the work, and a place to pause at after each tensor."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from core.problem.method import METHODS, Method, Outcome, S, State, Step
from core.problem.problem import Problem
from core.problem.sharing.share import Share, act
from core.problem.sharing.vectors import SharedVectors
from core.settings import parse
from core.techniques.depth import scaled
from core.techniques.spectral import FUSED

PARTS = 10
"""Steps that such a method reports: one for each tenth of its work."""

QKV = Literal["fused", "split"]
Merge = Callable[[str, Tensor], Tensor]
"""Name and τ `[K, *shape]` of one parameter tensor -> the merged task vector `[*shape]`."""


class Staged(Method[S]):
    """A method that tells how far its work is."""

    @abstractmethod
    def work(self, problem: Problem, settings: S) -> Generator[float, None, Outcome]:
        """Yields the share that is done, 0…1, now and then; returns what was made."""

    def samples(self, problem: Problem, settings: S) -> int:
        """Images that are looked at, over all tasks."""
        return 0

    def steps(self, problem: Problem, settings: S, resume: State | None = None) -> Iterator[Step]:
        """Steps 0 to `PARTS`, each when its tenth of the work is done."""
        number, made = 0, list[Outcome]()

        def shares() -> Iterator[float]:
            yield 0.0
            made.append((yield from self.work(problem, settings)))
            yield 1.0

        for share in shares():
            while number < PARTS and number <= share * PARTS + 1e-9:
                yield Step(number)
                number += 1
        yield Step(PARTS, samples=self.samples(problem, settings) + made[0].images, outcome=made[0])

    def total_steps(self, settings: S) -> int:
        return PARTS


class Tensorwise(Staged[S]):
    """A method that merges one parameter tensor at a time, in bounded memory."""

    shares = True

    @abstractmethod
    def merging(self, problem: Problem, settings: S) -> Merge:
        """How a tensor is merged."""

    def work(self, problem: Problem, settings: S) -> Generator[float, None, Outcome]:
        """θ₀ + `scale`·(merged task vector), scaled by depth with `lines`, where the settings have these."""
        vectors = problem.task_vectors
        merged = torch.empty_like(vectors.origin)
        if isinstance(vectors, SharedVectors):
            vectors.tell(merge_own, method=self.name, settings=settings.model_dump(mode="json"))
            share, own = vectors.share, replace(problem, task_vectors=vectors.here)
            yield from self.tensor_by_tensor(own, settings, merged[share.here])
            share.team.all_gather(merged, share.columns)
        else:
            yield from self.tensor_by_tensor(problem, settings, merged)
        return scaled(problem, merged, settings)

    def tensor_by_tensor(self, problem: Problem, settings: S, merged: Tensor) -> Iterator[float]:
        """Fills the merged task vector `[D]`; yields the share that is done."""
        vectors, merge = problem.task_vectors, self.merging(problem, settings)
        for name, span in zip(vectors.names, vectors.spans, strict=True):
            problem.tick()
            merged[span] = merge(name, vectors.delta(name).to(vectors.origin)).reshape(-1)
            vectors.passed(vectors.deltas[:, span])
            yield span.stop / len(merged)


@act
def merge_own(share: Share, *, number: int, method: str, settings: Mapping[str, Any]) -> None:
    """`Tensorwise.tensor_by_tensor` of the parameter tensors of one process."""
    chosen = METHODS.get(method)
    assert isinstance(chosen, Tensorwise)
    merged = torch.empty_like(share.whole.origin)
    problem = replace(share.told_problem, task_vectors=share.vectors(number))
    for _ in chosen.tensor_by_tensor(problem, parse(chosen.Settings, dict(settings), method), merged[share.here]):
        pass
    share.team.all_gather(merged, share.columns)


def matrices(merge: Callable[[Tensor], Tensor], qkv: QKV) -> Merge:
    """Apply `merge`, `[K, m, n]` -> `[m, n]`, to every 2-D tensor; everything else takes the mean of τ.

    With `split`, query, key and value are three matrices, as in Hugging Face's checkpoints; open_clip fuses them.
    """

    def apply(name: str, delta: Tensor) -> Tensor:
        if delta.dim() != 3:
            return delta.mean(0)
        if qkv == "split" and name.endswith(FUSED):
            return torch.cat([merge(part) for part in delta.chunk(3, dim=1)])
        return merge(delta)

    return apply
