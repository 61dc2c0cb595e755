"""Images on which a model is watched without labels: how far its answers agree with those of each task's expert."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from core import remembered
from core.objectives.entropy import entropy
from core.problem.evaluate import cached
from core.problem.problem import Problem
from core.progress import SILENT, Progress
from core.seeds import generator
from core.statistics import Evaluation, Half, average_share, mean
from core.step import Outcome

MOST = 160
"""Images of a task, at most."""
PART = 4
"""At most one image in so many of a split is watched."""
ENOUGH = 64
"""Where a task has fewer images, all of them are watched, and the steps may draw them too."""


@dataclass(frozen=True)
class Probe:
    """A fixed sample of each task's images; the same for all runs on the same suite and split."""

    problem: Problem
    split: str
    images: Mapping[str, Tensor]
    """Task -> indices int64 `[n]` of its images, those of the two halves in turn."""
    shared: tuple[str, ...]
    """Tasks that have too few images to keep some apart: what is learned from may be watched too."""

    @staticmethod
    def of(problem: Problem, split: str) -> Probe:
        """That of every task with an expert and images in `split`."""
        images, shared = {}, []
        for task in problem.tasks:
            if (found := problem.found(task, split)) is None:  # Some experts bring no images of their own.
                continue
            count, few = len(found), len(found) < ENOUGH
            shared += [task] if few else []
            order = torch.randperm(count, generator=generator(task, "probe"))
            images[task] = order[: count if few else min(MOST, count // PART)]
        return Probe(problem, split, images, tuple(shared))

    def apart(self, task: str) -> Tensor:
        """Indices of the images that no step may draw, int64."""
        return self.images[task] if task in self.images and task not in self.shared else torch.arange(0)

    @property
    def counts(self) -> dict[str, int]:
        """Task -> how many of its images are watched, in both halves."""
        return {task: len(chosen) for task, chosen in self.images.items()}

    @property
    def size(self) -> int:
        """Images of one half, over all tasks."""
        return sum(len(self._half(task, Half.CHOOSING)) for task in self.images)

    def _half(self, task: str, half: Half) -> Tensor:
        return self.images[task][list(Half).index(half) :: 2]

    @cached_property
    def answers(self) -> dict[str, Tensor]:
        """Task -> its expert's logits `[n, classes]` of the watched images; computed once and remembered on disk."""
        return {task: self._answers(task) for task in self.images}

    def _answers(self, task: str) -> Tensor:
        problem, chosen = self.problem, self.images[task]

        def compute() -> Tensor:
            expert = problem.task_vectors.expert(task)
            return problem.logits(expert, task, problem.images(task, self.split)[chosen])

        file = cached(problem, "answers", task, self.split, chosen.tolist())
        shape = (len(chosen), len(problem.heads[task]))
        return remembered.tensor(file, "logits", shape, compute)

    def evaluate(self, outcome: Outcome, half: Half, progress: Progress = SILENT) -> list[Evaluation]:
        """Accuracy (where labels are known), entropy, agreement and KL of what a method made, task by task."""
        problem, found = self.problem, []
        for task in self.images:
            chosen, images = self._half(task, half), problem.split(task, self.split)
            if not len(chosen):
                continue
            weights, features = outcome.weights_for(task), outcome.features(task)
            held = problem.near(task, self.split)
            pixels = held[chosen.to(held.device)] if isinstance(held, Tensor) else held[chosen]
            logits = problem.logits(weights, task, pixels, features, progress)
            expert = self.answers[task][list(Half).index(half) :: 2]
            named = logits.argmax(1)
            correct = None if images.labels is None else int((named == images.labels[chosen]).sum())
            agreeing = int((named == expert.argmax(1)).sum())
            found.append(
                Evaluation(
                    task, correct, len(chosen), entropy(logits).mean().item(), agreeing=agreeing, kl=kl(expert, logits)
                )
            )
        return found

    def report(self, outcome: Outcome, progress: Progress) -> list[Evaluation]:
        """The same on the reporting half, with the progress told; empty where nothing can be watched."""
        progress.start("Comparing with the experts, image", self.size)
        found = self.evaluate(outcome, Half.REPORTING, progress)
        progress.finish()
        return found


def kl(expert: Tensor, merged: Tensor) -> float:
    """Mean KL(expert ‖ merged) of the class probabilities of logits `[n, classes]`, in nats."""
    p, q = (logits.double().log_softmax(1) for logits in (expert, merged))
    return F.kl_div(q, p, reduction="batchmean", log_target=True).item()


def divergence(found: Sequence[Evaluation]) -> float:
    """Mean over tasks of KL(expert ‖ model), in nats; infinite where it is unknown or not a number."""
    value = mean([one.kl for one in found if one.kl is not None])
    return math.inf if value is None or math.isnan(value) else value


def closeness(found: Sequence[Evaluation]) -> tuple[float, float]:
    """How close a model is to the experts, higher is closer: agreement, the mean over tasks, then −KL."""
    return average_share(found, "agreement"), -divergence(found)
