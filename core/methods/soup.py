"""Model soup: the mean of several experts of one task, of all or of those that help."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import torch
from torch import Tensor

from core.errors import BadInput
from core.learning import starts
from core.problem.evaluate import evaluate
from core.problem.method import Need, Outcome, Problem
from core.problem.probe import Probe, closeness
from core.settings import MethodSettings, setting
from core.statistics import Half, average_share
from core.techniques.tensorwise import Staged

Value = TypeVar("Value", float, tuple[float, float])


class SoupSettings(MethodSettings):
    """Settings of model soups."""

    recipe: Literal["greedy", "uniform"] = setting(
        "greedy", "Which experts of a task to average: all of them, or the best one and then each next best that does "
        "not make the mean worse.",
        source="Model soups, recipe 1",
    )  # fmt: skip
    chosen_by: Literal["labels", "agreement"] = setting(
        "labels", "What the greedy recipe compares means by: accuracy, or without labels how far their answers agree "
        "with those of all experts of the task.",
        source="Model soups: accuracy on held-out images; agreement: Mergescope, as with `scale=auto`",
    )  # fmt: skip
    samples: int = setting(
        2000, "How many images of each task to measure accuracy on, spread evenly over the split.",
        source="Mergescope; Model soups: all held-out images", ge=1, le=1_000_000,
    )  # fmt: skip
    adapt_on: Literal["held-out", "train"] = setting(
        "held-out", "The split whose images decide; accuracy is always reported on test images.", source="Model soups"
    )
    merge_with: Literal["average", "task_arithmetic", "ties", "tsv_m", "iso_c"] = setting(
        "average", "How the soups of different tasks are merged, with that method's defaults. With one task there is "
        "nothing to merge.",
        source="Mergescope", label="Merge the soups of different tasks with",
    )  # fmt: skip


class Soup(Staged[SoupSettings]):
    """θ = θ₀ + Σ_{k∈S} τ_k / |S| with the chosen experts S of one task; the soups of several tasks are then merged."""

    title = "Model soup"
    paper = (
        "Model soups (Wortsman et al., ICML 2022), the uniform soup and recipe 1, the greedy soup: experts in the "
        "order of their held-out accuracy, each kept if the mean with it is at least as accurate. Experts belong to "
        "one task if images, classes and head of their entries in the suite are the same. Equally accurate experts are "
        "tried in the order of their names. The authors merge fine-tunes of one task only."
    )
    summary = "Averages several fine-tunes of the same task, leaving out those that make the mean worse."
    cost = "Two passes over the held-out images for each expert that shares its task with another one."
    needs = Need.LABELLED
    Settings = SoupSettings

    @property
    def random(self) -> bool:
        """The images are the same whatever the seed is."""
        return False

    def needed(self, settings: SoupSettings) -> Need:
        """Labels only where they decide, images only where there is something to decide."""
        if settings.recipe == "uniform":
            return Need.NOTHING
        return Need.LABELLED if settings.chosen_by == "labels" else Need.UNLABELLED

    def work(self, problem: Problem, settings: SoupSettings) -> Generator[float, None, Outcome]:
        vectors, groups = problem.task_vectors, same_task(problem)
        shares, done, images = vectors.origin.new_zeros(len(groups), len(vectors.tasks)), 0, 0
        for group, row in zip(groups, shares, strict=True):
            kept: Sequence[str] = group
            if settings.recipe == "greedy" and len(group) > 1:
                kept, seen = _chosen(problem, settings, group)
                images += seen
            row[[vectors.tasks.index(task) for task in kept]] = 1 / len(kept)
            done += len(group)
            yield done / len(vectors.tasks)
        chosen = {task: float(share) for task, share in zip(vectors.tasks, shares.sum(0), strict=True)}
        return replace(_merged(problem, settings, groups, shares), chosen=chosen, images=images)


def same_task(problem: Problem) -> list[list[str]]:
    """The experts of each task by name: those whose accuracies depend on the same images, classes and head."""
    groups = dict[str, list[str]]()
    for task in sorted(problem.tasks):
        groups.setdefault(problem.content.get(task, task), []).append(task)
    return list(groups.values())


def greedy(experts: Sequence[str], value: Callable[[Sequence[str]], Value]) -> list[str]:
    """The experts of the greedy soup; `value` tells how good the mean of some is."""
    alone = {expert: value([expert]) for expert in experts}
    first, *others = sorted(experts, key=alone.__getitem__, reverse=True)
    kept: list[str] = [first]
    best = alone[first]
    for expert in others:
        if (found := value([*kept, expert])) >= best:
            kept.append(expert)
            best = found
    return kept


def _chosen(problem: Problem, settings: SoupSettings, group: Sequence[str]) -> tuple[list[str], int]:
    """The experts of one task that are kept, and how many images were looked at."""
    split = settings.adapt_on

    def mean(experts: Sequence[str]) -> Outcome:
        vectors = problem.task_vectors
        rows = vectors.origin.new_tensor([[float(task in experts) / len(experts) for task in vectors.tasks]])
        return Outcome.of(vectors.named(vectors.combine(rows, [0] * len(vectors.names))))

    if settings.chosen_by == "agreement":
        whole = Probe.of(problem, split)
        probe = replace(whole, images={task: whole.images[task] for task in group if task in whole.images})
        return greedy(group, lambda experts: closeness(probe.evaluate(mean(experts), Half.CHOOSING))), probe.size
    if problem.split(group[0], split).labels is None:
        raise BadInput(
            f"`chosen_by=labels` needs labels. Found none for task `{group[0]}`, split `{split}`; set "
            "`chosen_by=agreement` or `recipe=uniform`."
        )

    def accuracy(experts: Sequence[str]) -> float:
        weights = mean(experts).weights_for(group[0])
        return average_share([evaluate(problem, weights, group[0], split, settings.samples)], "accuracy")

    return greedy(group, accuracy), min(settings.samples, len(problem.split(group[0], split)))


def _merged(problem: Problem, settings: SoupSettings, groups: Sequence[Sequence[str]], shares: Tensor) -> Outcome:
    """The soups with these shares of the experts `[groups, K]`, as one model."""
    vectors, one = problem.task_vectors, [0] * len(problem.task_vectors.names)
    if len(groups) == 1 or settings.merge_with == "average":
        return Outcome.of(vectors.named(vectors.combine(shares.mean(0, keepdim=True), one)))
    soups = replace(vectors, tasks=tuple(group[0] for group in groups), deltas=vectors.room(len(groups)))
    plain = replace(vectors, origin=torch.zeros_like(vectors.origin))
    for at, row in enumerate(shares):
        tau = plain.combine(row[None], one)
        soups.fill(at, (tau[span] for span in vectors.spans))
    return Outcome.of(starts.made(replace(problem, task_vectors=soups), settings.merge_with))
