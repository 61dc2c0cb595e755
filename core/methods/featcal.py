"""FeatCal: a merged model calibrated layer by layer until its features come close to the experts'."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Literal

import torch
from torch import Tensor

from core.learning import starts
from core.problem.grouping import block_of
from core.problem.method import Outcome, Problem
from core.settings import setting
from core.techniques.linear_maps import LinearMap, find, watch
from core.techniques.moments import Statistical, StatisticsSettings, chosen, precise


class FeatCalSettings(StatisticsSettings):
    """Settings of FeatCal."""

    begin_with: Literal["task_arithmetic", "average", "ties", "tsv_m", "iso_c"] = setting(
        "task_arithmetic",
        "The method that makes the merged model to calibrate, with its defaults.",
        source="Mergescope",
    )
    mix: float = setting(
        0.25, "How much of the target's input comes from the expert; the rest comes from the merged model.",
        source="FeatCal (2026)", ge=0, le=1,
    )  # fmt: skip
    ridge: float = setting(
        0.05, "How strongly to pull towards the merged model, relative to the mean second moment of the input.",
        source="FeatCal (2026)", gt=0, le=1000,
    )  # fmt: skip
    together: Literal["layer", "whole_block"] = setting(
        "whole_block", "Solve one layer at a time, or all layers of a block together, which is faster.",
        source="Mergescope; FeatCal: layer",
    )  # fmt: skip


class FeatCal(Statistical[FeatCalSettings]):
    """W ← W + argmin_D Σ_k ‖(W + D) x − W_k (¼ x_k + ¾ x)‖² + ridge‖D‖² for inputs x of the merged, x_k of expert k."""

    title = "FeatCal"
    paper = (
        "FeatCal (2026): a closed form from 256 unlabelled images of each task, layer by layer from input to output; "
        "each layer gets the inputs that the already calibrated layers before it produce. Here a block's layers are "
        "solved together unless `together=layer`. The ridge is relative to the mean diagonal of the second moments and "
        "pulls towards the model being calibrated, whose biases are kept."
    )
    summary = "Starts from a merged model and corrects each layer so that its outputs match the experts' more closely."
    cost = (
        "Two forward passes up to each block, over 256 images of each task: minutes on a GPU, longer on a CPU; four "
        "times as many passes with `together=layer`."
    )
    Settings = FeatCalSettings

    def work(self, problem: Problem, settings: FeatCalSettings) -> Generator[float, None, Outcome]:
        vectors = problem.task_vectors
        merged = vectors.flat(starts.made(problem, settings.begin_with))
        spans = dict(zip(vectors.names, vectors.spans, strict=True))
        stages = _stages(find(problem), settings)
        for done, stage in enumerate(stages):
            changes = yield from _solve(problem, settings, merged, stage, (done, len(stages)))
            for one, change in zip(stage, changes, strict=True):
                merged[spans[one.name]] += one.rows(change).reshape(-1).to(merged)
        return Outcome.of(vectors.named(merged))


def _stages(maps: Sequence[LinearMap], settings: FeatCalSettings) -> list[list[LinearMap]]:
    """The linear maps in the order of use, in groups that are solved together."""
    groups: dict[str, list[LinearMap]] = {}
    for one in maps:
        groups.setdefault(one.name if settings.together == "layer" else block_of(one.name), []).append(one)
    return list(groups.values())


def _solve(
    problem: Problem,
    settings: FeatCalSettings,
    merged: Tensor,
    stage: Sequence[LinearMap],
    place: tuple[int, int],
) -> Generator[float, None, list[Tensor]]:
    """The changes D `[out, in]` of one stage's maps, float64, as the generator's value."""
    vectors = problem.task_vectors
    weights = vectors.named(merged)
    left: dict[str, Tensor] = {}
    right: dict[str, Tensor] = {}
    for row, task in enumerate(vectors.tasks):
        expert, (images, _) = vectors.expert(task), chosen(problem, task, settings)
        for name, (gram, drift) in _compared(problem, weights, expert, images, stage).items():
            own = next(one.rows(expert[name]) for one in stage if one.name == name)
            now = next(one.rows(weights[name]) for one in stage if one.name == name)
            target = precise(own - now) @ gram + settings.mix * precise(own) @ drift
            left[name] = left[name] + gram if name in left else gram
            right[name] = right[name] + target if name in right else target
        yield (place[0] + (row + 1) / len(vectors.tasks)) / place[1]
    changes = []
    for one in stage:
        moments = left[one.name]
        moments.diagonal().add_(settings.ridge * moments.diagonal().mean() + torch.finfo(moments.dtype).tiny)
        changes.append(torch.linalg.solve(moments, right[one.name], left=False))
    return changes


def _compared(
    problem: Problem,
    merged: dict[str, Tensor],
    expert: dict[str, Tensor],
    images: Tensor,
    stage: Sequence[LinearMap],
) -> dict[str, tuple[Tensor, Tensor]]:
    """Σ x xᵀ and Σ (x_expert − x) xᵀ over all tokens, `[in, in]` float64, for the stage's inputs in both models."""
    wanted = {one.name for one in stage}

    def run(size: int) -> dict[str, tuple[Tensor, Tensor]]:
        sums: dict[str, tuple[Tensor, Tensor]] = {}
        for part in images.split(size):
            problem.tick()
            theirs: dict[str, Tensor] = {}
            ours: dict[str, Tensor] = {}
            watch(problem, expert, part, wanted, theirs.__setitem__)
            watch(problem, merged, part, wanted, ours.__setitem__)
            for name, x in ours.items():
                gram, drift = precise(x.T @ x), precise((theirs[name] - x).T @ x)
                before = sums.get(name, (0, 0))
                sums[name] = (before[0] + gram, before[1] + drift)
        return sums

    return problem.within_memory(len(images), run)
