"""Top-1 accuracy per task with a 95 % interval, what is reported beside it, and the references it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from core import paths, remembered
from core.objectives.entropy import entropy
from core.problem.problem import Problem
from core.problem.scores import scores
from core.progress import SILENT, Progress
from core.statistics import Evaluation as Evaluation
from core.statistics import Stated
from core.step import Features, Outcome, Weights

MEASURED = 2
"""Counts up when the same files come to other numbers, so that what was remembered before is measured again."""


@dataclass(frozen=True)
class Reference:
    """Base and expert of one task on the same images."""

    base: Evaluation
    expert: Evaluation | None
    """None for an unseen task."""
    stated: Stated | None = None
    """The expert's accuracy as known from elsewhere."""


def evaluate(
    problem: Problem,
    weights: Weights,
    task: str,
    split: str = "test",
    limit: int | None = None,
    features: Features | None = None,
    progress: Progress = SILENT,
    scored: bool = False,
) -> Evaluation:
    """Evaluate weights on one split of a task, or on `limit` images spread evenly over it.

    `features` takes the encoder's place, for results that need modules beside it (`Outcome.features_for`); `progress`
    advances by the images that are done; `scored` asks for more than accuracy.
    """
    images = problem.split(task, split)
    pixels, labels = problem.near(task, split), images.labels
    if limit is not None and limit < len(images):
        chosen = torch.linspace(0, len(images) - 1, limit).long()
        pixels, labels = images.pixels[chosen], None if labels is None else labels[chosen]
    logits = problem.logits(weights, task, pixels, features, progress)
    correct = None if labels is None else int((logits.argmax(1) == labels).sum())
    found = Evaluation(task, correct, len(logits), entropy(logits).mean().item())
    if labels is None or not len(labels) or not scored:
        return found
    return replace(found, scores=scores(logits, labels, problem.classes[task], problem.metrics))


def evaluate_outcome(problem: Problem, outcome: Outcome, task: str, progress: Progress = SILENT) -> Evaluation:
    """Evaluate what a method made for a task, modules included, on all its test images, with scores."""
    weights, features = outcome.weights_for(task), outcome.features(task)
    return evaluate(problem, weights, task, features=features, progress=progress, scored=True)


def evaluate_everywhere(
    problem: Problem, outcome: Outcome, progress: Progress, tasks: Sequence[str] | None = None
) -> list[Evaluation]:
    """Evaluate what a method made on all test images of `tasks`; None: of all, those without expert last."""
    tasks = tasks or (*problem.tasks, *problem.unseen)
    found = []
    progress.start("Evaluating", sum(len(problem.split(task, "test")) for task in tasks))
    for place, task in enumerate(tasks, 1):
        progress.rename(f"Evaluating task {place} of {len(tasks)}, image")
        found.append(evaluate_outcome(problem, outcome, task, progress=progress))
    progress.finish()
    return found


def references(
    problem: Problem, split: str = "test", limit: int | None = None, progress: Progress = SILENT
) -> dict[str, Reference]:
    """Base and expert accuracy of every task; remembered on disk by the content they depend on."""
    vectors = problem.task_vectors
    keys = [("base", task) for task in problem.heads] + [("expert", task) for task in problem.tasks]
    files = {key: cached(problem, *key, split, limit) for key in keys}
    known = {key: remembered.recall(file, lambda told: Evaluation(**told)) for key, file in files.items()}
    found = {key: replace(one, task=key[1]) for key, one in known.items() if one is not None}
    if missing := [key for key in keys if key not in found]:
        images = [len(problem.split(task, split)) for _, task in missing]
        progress.start("Evaluating base and experts, image", sum(min(limit or count, count) for count in images))
        for role, task in missing:
            weights = vectors.base if role == "base" else vectors.expert(task)
            measured = found[role, task] = evaluate(problem, weights, task, split, limit, progress=progress)
            remembered.keep(files[role, task], asdict(measured))
        progress.finish()
    return {
        task: Reference(found["base", task], found.get(("expert", task)), problem.stated.get(task))
        for task in problem.heads
    }


def cached(
    problem: Problem, role: str, task: str, split: str, images: int | list[int] | None, roles: Sequence[str] = ()
) -> Path | None:
    """Where a result is remembered; None where it can't be, since nothing tells when it changes.

    `images` says which of the split: all, so many of the first, or these. The same files may be a task of another name.
    `roles` are the checkpoints that its weights come from; by default the base, or the task's expert.
    """
    hashes = [problem.hashes.get(one) for one in roles or ("base" if role == "base" else task,)]
    parts = [
        MEASURED,
        role,
        hashes if roles else hashes[0],
        problem.content.get(task),
        split,
        images,
        problem.execution,
    ]
    parts += [dict(problem.content)] if roles else []
    parts += [problem.altered] if problem.altered else []
    return paths.cache() / "evaluations" / f"{remembered.key(parts)}.json" if all(hashes) else None
