"""DARE: drop random entries of the task vectors and scale up the rest, then merge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from core.problem.method import Formula, Outcome, Problem
from core.problem.task_vectors import CHUNK
from core.seeds import generator
from core.settings import other_default, setting
from core.techniques.depth import DepthSettings, scaled
from core.techniques.trimming import Election, limits


class DareSettings(DepthSettings):
    """Settings of DARE."""

    drop: float = setting(
        0.9,
        "Share of each task vector's entries to drop at random.",
        source="DARE; FusionBench: 0.5",
        ge=0,
        lt=1,
    )
    rescale: bool = setting(True, "Scale up the entries that are left, to make up for those dropped.", source="DARE")
    merge_with: Literal["task_arithmetic", "ties"] = setting(
        "task_arithmetic", "How the thinned task vectors are merged.", source="DARE"
    )
    scale: float = other_default(
        DepthSettings, "scale", 0.3, "λ: weight of the merged task vector.", source="Task Arithmetic"
    )
    keep: float = setting(
        0.2, "With TIES: share of entries to keep, largest first.", source="TIES section 5", gt=0, le=1
    )


class Dare(Formula[DareSettings]):
    """θ = θ₀ + λ Σ_k m_k∘τ_k / (1 − p), where each entry of m_k is 0 with probability p."""

    title = "DARE"
    paper = (
        "Language Models are Super Mario (Yu et al., ICML 2024); then Task Arithmetic or TIES (sum "
        "variant). The mask is a function of seed and task name. On image encoders p = 0.9 costs more than on the "
        "paper's language models, whose task vectors are shorter."
    )
    summary = "Drops most entries of each task vector at random and scales up the rest, so that fewer collide."
    cost = "Seconds; with TIES, one more copy of the task vectors in memory."
    Settings = DareSettings

    @property
    def random(self) -> bool:
        """The seed decides which entries are dropped."""
        return True

    def made(self, problem: Problem, settings: DareSettings) -> Outcome:
        vectors = problem.task_vectors
        if settings.merge_with == "ties":
            thinned = vectors.room(len(vectors.tasks))
            for row, task in enumerate(vectors.tasks):
                for part, kept in _thinned(problem, settings, row, task):
                    thinned[row, part] = kept
                    vectors.passed(thinned[row, part])
            thin = replace(vectors, deltas=thinned)
            election = Election(thin, limits(thin, settings.keep))
            merged = torch.empty_like(vectors.origin)
            for part in vectors.columns():
                merged[part] = election.kept(part).sum(0, dtype=merged.dtype)
        else:
            merged = torch.zeros_like(vectors.origin)
            for row, task in enumerate(vectors.tasks):
                for part, kept in _thinned(problem, settings, row, task):
                    merged[part] += kept
        return scaled(problem, merged, settings)


def _thinned(problem: Problem, settings: DareSettings, row: int, task: str) -> Iterator[tuple[slice, Tensor]]:
    """One task vector in pieces, dropped and rescaled."""
    vectors, random = problem.task_vectors, generator(settings.seed, task, "dare")
    for begin in range(0, vectors.deltas.shape[1], CHUNK):
        problem.tick()
        part = slice(begin, begin + CHUNK)
        piece = vectors.deltas[row, part].to(vectors.origin)
        # On the CPU, so that the mask is the same on every device.
        kept = piece * (torch.rand(len(piece), generator=random) >= settings.drop).to(piece)
        yield part, kept / (1 - settings.drop) if settings.rescale else kept
        vectors.passed(vectors.deltas[row, part])
