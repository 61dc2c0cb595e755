"""Watches learning on images that no step draws: how close the model comes to the experts, and at which step closest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch

from core.learning.optimiser import Trainer
from core.problem.probe import Probe
from core.problem.problem import Problem
from core.settings import MethodSettings, setting
from core.statistics import Evaluation
from core.step import Half, State, Step

FIRST, GROWTH = 4, 1.6
"""The first step that is looked at after the start, and how much later each next one is."""


class WatchedSettings(MethodSettings):
    """Settings of every method that learns step by step without labels."""

    keep_step: Literal["best", "last"] = setting(
        "best",
        "The step whose model is kept: the one that comes closest to the experts on images that no step draws, or the "
        "last; with `last` all images may be drawn.",
        source="Mergescope; AdaMerging: the last", before="last",
    )  # fmt: skip
    patience: int = setting(
        0, "Stop when so many steps have not come closer to the experts; with `keep_step=last`: when the mean loss of "
        "so many steps is not 0.1 % below that of as many before; 0: never.",
        source="Mergescope; off in the paper", ge=0, le=1_000_000,
    )  # fmt: skip


class Watch:
    """Measures a trainer's model now and then, and remembers its state at the step with the lowest KL(expert ‖ model).

    The mean is over tasks, on the choosing half. Steps 0 and the last are looked at, and those between in a geometric
    series: λ moves fastest, relative to how far it has come, at the beginning.
    """

    def __init__(self, problem: Problem, split: str, settings: WatchedSettings, steps: int) -> None:
        self.probe = Probe.of(problem, split)
        self._keeps, self._patience = settings.keep_step == "best", settings.patience
        self._due = due(steps)
        self._best: tuple[int, float, State] | None = None
        self._over = False

    def see(self, trainer: Trainer, step: Step) -> Step:
        """The step, with what was measured after it and a state that holds the best step's."""
        last = trainer.finished()
        if step.number in self._due or last:
            halves = (Half.CHOOSING, Half.REPORTING) if step.number == 0 else (Half.CHOOSING,)
            made = trainer.outcome()
            step = replace(step, watched={half: self.probe.evaluate(made, half) for half in halves})
            self._note(trainer, step)
        if last or self._over:
            step = self._end(trainer, step)
        return replace(step, state=self._state(step))
