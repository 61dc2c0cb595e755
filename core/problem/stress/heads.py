"""Heads whose class names are in the wrong order, or are those of something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from core.problem.problem import Problem
from core.seeds import generator


def permuted(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """A `share` of the class names, at least two, in a circle: each stands for the next class."""

    def moved(task: str, head: Tensor) -> Tensor:
        order = torch.randperm(len(head), generator=generator(one.get("seed", 0), task, one["kind"]))
        at = order[: max(2, round(one.get("share", 1.0) * len(head)))].to(head.device)
        made = head.clone()
        made[at] = head[at.roll(1)]
        return made

    return _each(problem, tasks, moved)


def foreign(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Class names of the other tasks, drawn at random; directions without a meaning where there are too few."""

    def moved(task: str, head: Tensor) -> Tensor:
        draws = generator(one.get("seed", 0), task, one["kind"])
        noise = torch.randn(head.shape, generator=draws).to(head)
        noise *= head.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
        others = torch.cat([*(problem.heads[name] for name in problem.tasks if name != task), noise])
        count = max(len(others) - len(noise), len(noise))
        return others[torch.randperm(count, generator=draws)[: len(head)].to(head.device)]

    return _each(problem, tasks, moved)


def _each(problem: Problem, tasks: Sequence[str], change: Callable[[str, Tensor], Tensor]) -> Problem:
    heads = {task: change(task, head) if task in tasks else head for task, head in problem.heads.items()}
    return replace(problem, heads=heads)
