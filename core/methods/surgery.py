"""Representation Surgery: a small module per task that undoes what merging did to its features."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import field_validator
from torch import Tensor
from torch.nn import functional as F

from core.encoders.linear import logits as linear
from core.learning import starts
from core.learning.optimiser import Adam, Trainer, carry_out, finite, require_finite
from core.objectives.entropy import entropy
from core.problem.merged import Measured
from core.problem.method import Features, Method, Need, Outcome, Problem, State, Step, Weights
from core.seeds import generator
from core.settings import MethodSettings, setting
from core.tasks import Stream

PAPER = "Representation Surgery (ICML 2024)"


class SurgerySettings(MethodSettings):
    """Settings of Representation Surgery."""

    start: str = setting(
        "task_arithmetic", "The data-free method that makes the merged model, with its defaults.",
        source=f"{PAPER}, section 5.2",
    )  # fmt: skip
    rank: int = setting(
        16, "Width of each task's module.", source=f"{PAPER}, section 5.1", label="Width of the modules", ge=1, le=4096
    )
    lr: float = setting(1e-3, "Adam's learning rate.", source=f"{PAPER}, section 5.1", gt=0, le=10)
    steps: int = setting(1000, "Optimiser steps.", source="FusionBench", ge=1, le=1_000_000)
    batch: int = setting(16, "Images per task and step.", source=f"{PAPER}, section 5.1", ge=1, le=4096)
    adapt_on: Literal["test", "held-out", "train"] = setting(
        "test", "The split to learn from; accuracy is always reported on test images.", source=PAPER
    )
    fraction: float = setting(1.0, "Share of the split's images to use.", source=f"{PAPER}: all", gt=0, le=1)

    @field_validator("start")
    @classmethod
    def _known_start(cls, value: str) -> str:
        if value == starts.NONE:
            raise ValueError(f"one of {', '.join(starts.names()[1:])}")
        return starts.check(value)


class Surgery(Method[SurgerySettings]):
    """z ↦ z − W_up ReLU(W_down z) on the merged encoder's features of task k, trained to ‖· − z_expert‖₁."""

    title = "Representation Surgery"
    paper = (
        "Representation Surgery for Multi-Task Model Merging (Yang et al., ICML 2024), equations 4 and 5, on "
        "normalised features, as in FusionBench. Both encoders' features are computed once, since neither encoder "
        "changes; like the authors' L1 loss, ours takes the mean over a batch's features."
    )
    summary = "Leaves the merged encoder unchanged and gives each task a small module that corrects its features."
    cost = "One forward pass of the merged model and of each expert over the images used, then seconds of training."
    trains = "Two small matrices per task"
    needs = Need.UNLABELLED
    single = False
    modules = True
    Settings = SurgerySettings

    def steps(self, problem: Problem, settings: SurgerySettings, resume: State | None = None) -> Iterator[Step]:
        yield from carry_out(_ModuleTrainer(problem, settings), resume)


class _ModuleTrainer(Trainer):
    def __init__(self, problem: Problem, settings: SurgerySettings) -> None:
        super().__init__(settings.steps)
        self._problem, self._settings = problem, settings
        self._weights = starts.made(problem, settings.start)
        width = problem.encoder.width
        like = problem.task_vectors.origin
        down = [_uniform(problem, settings, task, width) for task in problem.tasks]
        self._down = torch.stack(down).to(like).requires_grad_()
        self._up = torch.zeros(len(problem.tasks), width, settings.rank).to(like).requires_grad_()
        self._adam = Adam({"down": self._down, "up": self._up}, settings.lr)
        self._streams = {task: self._stream(task) for task in problem.tasks}
        self._features = {task: self._both(task) for task in problem.tasks}
        self.images = sum(min(settings.batch, stream.size) for stream in self._streams.values())

    def _stream(self, task: str) -> Stream:
        settings, count = self._settings, len(self._problem.split(task, self._settings.adapt_on))
        return Stream(task, count, settings.batch, settings.seed, settings.fraction)

    def _both(self, task: str) -> tuple[Tensor, Tensor, Tensor]:
        """Row of each image in the features, and features of merged model and expert, of the images that are used."""
        stream, steps = self._stream(task), self._settings.steps
        used = (
            (stream.pool if stream.repeats(steps) else torch.cat([stream.next() for _ in range(steps)])).sort().values
        )
        images = self._problem.images(task, self._settings.adapt_on)
        row = torch.full((len(images),), -1).scatter(0, used, torch.arange(len(used)))
        expert = self._problem.task_vectors.expert(task)
        return row, self._problem.features(self._weights, images[used]), self._problem.features(expert, images[used])

    def step(self) -> Measured:
        self._problem.tick()
        losses, entropies, total = {}, {}, self._down.new_zeros(())
        for at, (task, stream) in enumerate(self._streams.items()):
            rows, merged, expert = self._features[task]
            chosen = rows[stream.next()]
            found = corrected(merged[chosen].to(self._down), self._down[at], self._up[at])
            loss = F.l1_loss(found, expert[chosen].to(found))
            logits = linear(self._problem.encoder.scaled(found.detach()), self._problem.heads[task])
            losses[task], entropies[task] = loss.item(), entropy(logits).mean().item()
            total = total + loss
        gradients = dict(zip(("down", "up"), torch.autograd.grad(total, [self._down, self._up]), strict=True))
        require_finite(self.number + 1, losses, finite(*gradients.values()), "The modules were")
        self._adam.step(gradients)
        values = torch.tensor([list(losses.values()), list(entropies.values())], dtype=torch.float64)
        return Measured(tuple(losses), values)

    def state(self) -> State:
        positions = torch.tensor([stream.position for stream in self._streams.values()])
        return {"positions": positions, **self._adam.state()}

    def outcome(self) -> Outcome:
        down, up = self._down.detach().clone(), self._up.detach().clone()
        problem, weights = self._problem, self._weights

        def features_for(task: str) -> Features:
            def compute(given: Weights, prepared: Tensor) -> Tensor:
                found = problem.encoder.features(given, prepared)
                if task not in problem.tasks:
                    return found
                at = problem.tasks.index(task)
                return problem.encoder.scaled(corrected(found, down[at].to(found), up[at].to(found)))

            return compute

        return Outcome(lambda _task: weights, single=False, features_for=features_for)

    def restore(self, state: State) -> None:
        self._adam.restore(state, self.number)
        for stream, position in zip(self._streams.values(), state["positions"].tolist(), strict=True):
            stream.seek(position)


def corrected(features: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """z − W_up ReLU(W_down z) of each row; `down` is `[rank, d]`, `up` `[d, rank]`."""
    return features - (features @ down.T).relu() @ up.T


def _uniform(problem: Problem, settings: SurgerySettings, task: str, width: int) -> Tensor:
    """PyTorch's own start of a linear layer, drawn for each task by its name."""
    drawn = torch.rand(settings.rank, width, generator=generator(settings.seed, task, "surgery"), dtype=torch.float64)
    return (2 * drawn - 1) / math.sqrt(width)
