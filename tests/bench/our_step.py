"""Our step, alone (time and peak memory) and in turns with the plain forward and backward pass it can't beat."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core import methods
from core.encoders.building import build
from core.learning.coefficients import LearningSettings
from core.objectives.entropy import entropy
from core.problem.loading import load
from core.problem.mixture import Mixture
from core.problem.problem import Problem
from core.suite.find import find


def loaded(options: argparse.Namespace) -> Problem:
    """The suite, loaded as `merge` does."""
    return load(find(str(options.suite)), device=options.device, precision=options.precision)


def measure(problem: Problem, options: argparse.Namespace) -> dict[str, Any]:
    """Take steps of layer-wise AdaMerging."""
    steps = methods.get("adamerging").steps(problem, LearningSettings(steps=options.steps + 2, batch=options.batch))
    seconds = [step.seconds for step in steps][2:]
    mixture = Mixture.of(problem.task_vectors, "tensor")
    vectors, grouping = mixture.vectors, mixture.grouping
    rows = torch.full((len(grouping.groups), len(vectors.tasks)), 0.3)
    out = torch.empty_like(vectors.origin)
    out.sum().item()  # Waits for the device.
    begin = time.perf_counter()
    vectors.combine(rows, grouping.row_of, out=out)
    vectors.contract(out, grouping.row_of, len(grouping.groups)).sum().item()
    extra = time.perf_counter() - begin
    median = statistics.median(seconds)
    return {
        **problem.execution,
        "step_seconds": round(median, 5),
        "merge_and_contraction_share": round(extra / median, 4),
    }


def measure_floor(problem: Problem, options: argparse.Namespace) -> dict[str, Any]:
    """Our whole step in turns with the plain pass, so that both see the same machine: the median of the ratios."""
    settings = LearningSettings(steps=options.steps + 2, batch=options.batch)
    ours = methods.get("adamerging").steps(problem, settings)
    next(ours)  # Step 0 costs nothing.
    plain = plain_pass(problem, options.batch)
    ratios, floors = [], []
    for _ in range(options.steps + 1):
        floor = min(_seconds(plain, whole) for whole in (True, False))
        ratios.append(next(ours).seconds / floor)
        floors.append(floor)
    return {
        "step_over_floor": round(statistics.median(ratios[1:]), 4),
        "floor_seconds": round(statistics.median(floors[1:]), 5),
    }


def _seconds(plain: Callable[[bool], None], whole: bool) -> float:
    begin = time.perf_counter()
    plain(whole)
    return time.perf_counter() - begin


def plain_pass(problem: Problem, batch: int, wait: bool = True) -> Callable[[bool], None]:
    """Forward and backward of all tasks' images through an ordinary module with the base's weights.

    In one piece or in our micro-batches: whichever is faster here is the floor. `wait`: until the device is done.
    """
    vectors = problem.task_vectors
    model = build(problem.encoder.arch, device="meta").visual
    model.load_state_dict({n: w.clone() for n, w in vectors.base.items()}, assign=True)
    model.requires_grad_(True)
    images = [problem.near(task, "test")[:batch] for task in vectors.tasks]
    autocast = torch.autocast(problem.device.type, torch.bfloat16, enabled=problem.precision == "bfloat16")

    def loss(features: Tensor, first: int) -> Tensor:
        features = torch.nn.functional.normalize(features.float(), dim=-1)
        total = features.new_zeros(())
        for at in range(first // batch, -(-(first + len(features)) // batch)):
            own = features[max(at * batch - first, 0) : (at + 1) * batch - first]
            total = total + entropy(own @ problem.heads[vectors.tasks[at]].T).sum() / batch
        return total

    def run(whole: bool) -> None:
        model.zero_grad(set_to_none=False)
        everything = torch.cat(images)
        at = 0
        for part in everything.split(len(everything) if whole else problem.micro_batch):
            with autocast:
                features = model(problem.encoder.prepare(part))
            loss(features, at).backward()
            at += len(part)
        if wait:
            next(model.parameters()).sum().item()

    return run
