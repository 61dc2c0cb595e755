"""Images other than those that the experts were trained on, too few of them, or not those of daily use.

What befalls pixels befalls every split. What befalls the choice of images befalls the split `held-out`, on which λ is
then learned; accuracy is measured on the test images as they are. A task without held-out images takes test images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from core.errors import BadInput
from core.problem.problem import Problem
from core.seeds import generator
from core.tasks import Images

CHOSEN = "held-out"
"""The split whose images are chosen among."""


def corrupted(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """By a `corruption` of `core.problem.stress.corruptions` at a `severity`."""
    from core.problem.stress.corruptions import corrupt  # SciPy and Pillow are slow to load.

    def spoilt(pixels: Tensor) -> Tensor:
        found = corrupt(pixels.numpy(), one["corruption"], one["severity"], one.get("seed", 0))
        return torch.from_numpy(found)

    return _repainted(problem, tasks, spoilt)


def inverted(problem: Problem, tasks: Sequence[str], _one: Mapping[str, Any]) -> Problem:
    """Dark for bright."""
    return _repainted(problem, tasks, lambda pixels: 255 - pixels)


def few(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Only `count` images to learn from."""
    return _chosen(problem, tasks, one, lambda order, _labels, _classes: order[: one["count"]])


def one_class(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Only images of a single class to learn from, the one that the first image drawn is of."""

    def chosen(order: Tensor, labels: Tensor, _classes: int) -> Tensor:
        return order[labels[order] == labels[order[0]]]

    return _chosen(problem, tasks, one, chosen)


def label_shift(problem: Problem, tasks: Sequence[str], one: Mapping[str, Any]) -> Problem:
    """Classes are as frequent as a geometric series falls: each has `by` times the images of the one before."""

    def chosen(order: Tensor, labels: Tensor, classes: int) -> Tensor:
        ranks = torch.randperm(classes, generator=generator(one.get("seed", 0), "ranks"))
        parts = []
        for place, label in enumerate(ranks.tolist()):
            own = order[labels[order] == label]
            parts.append(own[: round(len(own) * one["by"] ** place)])
        return torch.cat(parts)

    return _chosen(problem, tasks, one, chosen)


def _repainted(problem: Problem, tasks: Sequence[str], change: Callable[[Tensor], Tensor]) -> Problem:
    def load(task: str, split: str) -> Images | None:
        found = problem.found(task, split)
        if found is None or task not in tasks:
            return found
        return replace(found, pixels=change(found.pixels[torch.arange(len(found))]))

    return replace(problem, load_images=load)


def _chosen(
    problem: Problem, tasks: Sequence[str], one: Mapping[str, Any], choose: Callable[[Tensor, Tensor, int], Tensor]
) -> Problem:
    """`choose` takes all indices in a random order, the labels of all images, and the number of classes."""

    def load(task: str, split: str) -> Images | None:
        found = problem.found(task, split)
        if split != CHOSEN:
            return found
        found = problem.found(task, "test") if found is None else found
        if found is None or task not in tasks:
            return found
        order = torch.randperm(len(found), generator=generator(one.get("seed", 0), task, one["kind"]))
        if found.labels is None and one["kind"] != "few":
            raise BadInput(f"`{one['kind']}` needs labelled images. Found none for task `{task}`; leave it out.")
        labels = torch.zeros(len(found)) if found.labels is None else found.labels
        kept = choose(order, labels, len(problem.heads[task]))
        return Images(found.pixels[kept], None if found.labels is None else found.labels[kept])

    return replace(problem, load_images=load)
