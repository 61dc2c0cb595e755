"""Experts and heads that are worse than they should be, or belong to something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from core.errors import BadInput
from core.problem.method import METHODS
from core.problem.problem import Problem
from core.seeds import generator
from core.settings import parse


def weakened(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Moved towards the base by a share `by` of the way."""
    return _each(problem, tasks, lambda _task, delta: (1 - one["by"]) * delta)


def lengthened(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Task vectors `by` times as long, as those of experts that were trained for too long."""
    return _each(problem, tasks, lambda _task, delta: one["by"] * delta)


def noisy(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Normal noise is added to each tensor, `by` times as long as the expert's own change of it."""
    return _each(problem, tasks, lambda task, delta: delta + one["by"] * _like(problem, delta, _key(one, task)))


def irrelevant(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """A change in a random direction, in each tensor as long as the expert's own."""
    return _each(problem, tasks, lambda task, delta: _like(problem, delta, _key(one, task)))


def swapped(problem: Problem, tasks: Sequence[str], _one: Mapping[str, Any]) -> Problem:
    """The experts of `tasks` in a circle: each stands for the next task."""
    given = {task: _delta(problem, task) for task in tasks}
    following = dict(zip(tasks, (*tasks[1:], tasks[0]), strict=True))
    return _each(problem, tasks, lambda task, _delta: given[following[task]])


def other_base(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """The same function computed by other weights: hidden units in another order, as from another base.

    Raises `BadInput` for encoders whose blocks have no `mlp` under the names of open_clip or timm.
    """
    vectors = problem.task_vectors
    layers = {
        name.removesuffix(".weight"): name.replace(inward, outward)
        for name in vectors.names
        for inward, outward in (("mlp.c_fc", "mlp.c_proj"), ("mlp.fc1", "mlp.fc2"))
        if name.endswith(f"{inward}.weight")
    }
    if not layers:
        raise BadInput(
            "`other_base` needs an encoder with tensors `…mlp.c_fc.weight` or `…mlp.fc1.weight`. Found none; "
            "leave it out."
        )

    def other(task: str, delta: Tensor) -> Tensor:
        weights = {name: tensor.clone() for name, tensor in vectors.named(vectors.origin + delta).items()}
        for inward, outward in layers.items():
            block = inward[: inward.rindex(".") + 1]
            order = torch.randperm(len(weights[f"{inward}.weight"]), generator=generator(*_key(one, task), block))
            order = order.to(vectors.origin.device)
            weights[outward] = weights[outward][:, order]
            for name in (f"{inward}.weight", f"{inward}.bias"):
                weights[name] = weights[name][order]
        return vectors.flat(weights) - vectors.origin

    return _each(problem, tasks, other)


def trained_on(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Trained on for `steps` at thirty times the usual rate on a tenth of the labelled training images."""
    method = METHODS.get("multi_task")
    values = {"steps": one["steps"], "keep_every": one["steps"], "lr": 3e-4, "fraction": 0.1}
    settings = parse(method.Settings, values, method.name)

    def longer(task: str, delta: Tensor) -> Tensor:
        vectors = problem.task_vectors.part([task])
        vectors = replace(vectors, origin=vectors.origin + delta)
        alone = replace(problem, task_vectors=vectors, heads={task: problem.heads[task]}, hashes={})
        return vectors.flat(method.outcome(alone, settings).weights_for(task)) - problem.task_vectors.origin

    return _each(problem, tasks, longer)


def permuted_head(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """A `share` of the class names, at least two, in a circle: each stands for the next class."""

    def moved(task: str, head: Tensor) -> Tensor:
        order = torch.randperm(len(head), generator=generator(*_key(one, task)))
        at = order[: max(2, round(one.get("share", 1.0) * len(head)))].to(head.device)
        made = head.clone()
        made[at] = head[at.roll(1)]
        return made

    return _each_head(problem, tasks, moved)


def foreign_head(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Class names of the other tasks, drawn at random; directions without a meaning where there are too few."""

    def moved(task: str, head: Tensor) -> Tensor:
        draws = generator(*_key(one, task))
        noise = torch.randn(head.shape, generator=draws).to(head)
        noise *= head.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
        others = torch.cat([*(problem.heads[name] for name in problem.tasks if name != task), noise])
        count = max(len(others) - len(noise), len(noise))
        return others[torch.randperm(count, generator=draws)[: len(head)].to(head.device)]

    return _each_head(problem, tasks, moved)


def _each(problem: Problem, tasks: Sequence[str], change: Callable[[str, Tensor], Tensor]) -> Problem:
    """`change` takes a task and its task vector `[D]` in the base's precision."""
    vectors = problem.task_vectors
    deltas = vectors.room(len(vectors.tasks))
    for row, source in zip(deltas, vectors.deltas, strict=True):
        row.copy_(source)
    for task in tasks:
        deltas[vectors.tasks.index(task)].copy_(change(task, _delta(problem, task)))
    return replace(problem, task_vectors=replace(vectors, deltas=deltas))


def _delta(problem: Problem, task: str) -> Tensor:
    vectors = problem.task_vectors
    return vectors.deltas[vectors.tasks.index(task)].to(vectors.origin).clone()


def _like(problem: Problem, delta: Tensor, key: tuple[object, ...]) -> Tensor:
    noise = torch.randn(len(delta), generator=generator(*key)).to(delta)
    for span in problem.task_vectors.spans:
        noise[span] *= delta[span].norm() / noise[span].norm()
    return noise


def _key(one: Mapping[str, Any], task: str) -> tuple[object, ...]:
    return (one.get("seed", 0), task, one["kind"])


def _each_head(problem: Problem, tasks: Sequence[str], change: Callable[[str, Tensor], Tensor]) -> Problem:
    heads = {task: change(task, head) if task in tasks else head for task, head in problem.heads.items()}
    return replace(problem, heads=heads)
