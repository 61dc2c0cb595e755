"""Watches learning on images that no step draws: was the model closer to the experts before?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from core.problem.probe import Probe, closeness, divergence
from core.problem.problem import Problem
from core.settings import MethodSettings, setting
from core.statistics import Evaluation, Half, clearly_better
from core.step import Outcome, State

FIRST, FEWEST, MOST = 4, 2, 9
"""Looks between the start and the end are due after more steps than the first, and are at least and at most so many."""
LOOKS_PER_STEP = 0.03
"""With so many looks at 80 images of each task, both ends looked at twice, steps of 16 images, which pass forwards and
back, take 20 times as long."""
SHORT = 16
"""A run of no more steps whose last is kept is looked at only at both ends: a look takes as long as a step or two."""


class WatchedSettings(MethodSettings):
    """Settings of every method that learns step by step and is watched."""

    adapt_on: Literal["test", "held-out", "train"] = setting(
        "test", "The split to learn from; accuracy is always reported on test images.",
        source="AdaMerging (ICLR 2024), section 4.1",
    )  # fmt: skip
    keep_step: Literal["best", "last"] = setting(
        "best",
        "Which step's model to keep. `best`: the last, unless an earlier one agrees clearly better with the experts "
        "and is no worse by KL, on images that no step uses. `last`: always the last; steps may then use all images.",
        source="Mergescope; AdaMerging: the last", before="last",
    )  # fmt: skip
    patience: int = setting(
        0, "Stop once this many steps have brought the model no closer to the experts. With `keep_step=last`: once "
        "their mean loss is less than 0.1 % below that of as many steps before them. 0: never.",
        source="Mergescope; off in the paper", ge=0, le=1_000_000,
    )  # fmt: skip


def due(steps: int) -> frozenset[int]:
    """Steps after which the model is looked at: 0, the last, and a geometric series between them.

    λ moves fastest, relative to how far it has come, at the beginning.
    """
    parts = 1 + min(MOST, max(FEWEST, math.floor(LOOKS_PER_STEP * steps) - 4))
    between = {round(FIRST * (steps / FIRST) ** (part / parts)) for part in range(1, parts)} if steps > FIRST else set()
    return frozenset({0, steps} | between)


class Watch:
    """Measures a model now and then, and remembers the state of the step that agrees best with the experts.

    That is by the mean over tasks on the choosing half of the watched images, of equals by KL(expert ‖ model). It is
    kept if the last step agrees clearly less and has no lower KL. KL alone would not do: it rises where the model only
    grows surer than its experts (study `trust`). Where nothing can be watched, the last step is kept.
    """

    def __init__(self, problem: Problem, settings: WatchedSettings, steps: int) -> None:
        self._problem, self._settings = problem, settings
        ends = settings.keep_step == "last" and steps <= SHORT
        self._due = frozenset((0, steps)) if ends else due(steps)
        self.best = dict[str, Tensor]()
        """The state at the step that agrees best; empty where nothing decides."""
        self._best_number, self._best_found = 0, list[Evaluation]()
        self._recent: list[float] = []
        self.kept: int | None = None
        """The step that is kept if the one looked at last is the end; None where nothing decides."""
        self.over = False
        """Whether patience has run out."""

    @cached_property
    def _probe(self) -> Probe:
        return Probe.of(self._problem, self._settings.adapt_on)

    @property
    def apart(self) -> Mapping[str, Tensor]:
        """Task -> indices int64 of the images that no step may draw."""
        if self._settings.keep_step == "last":
            return {}
        return {task: self._probe.apart(task) for task in self._probe.images}

    def note(self, losses: Mapping[str, float]) -> None:
        """Take in a step's losses."""
        patience = self._settings.patience
        if not patience or self._settings.keep_step == "best":
            return
        self._recent = [*self._recent, sum(losses.values())][-2 * patience :]
        before, after = sum(self._recent[:patience]), sum(self._recent[patience:])
        self.over = len(self._recent) == 2 * patience and after > before - 1e-3 * abs(before)

    def looks(self, number: int) -> bool:
        """Whether the model after step `number` is looked at."""
        return number in self._due and bool(self._probe.images)

    def look(
        self, number: int, outcome: Callable[[], Outcome], state: Callable[[], State]
    ) -> dict[Half, Sequence[Evaluation]]:
        """What the model after step `number` achieves, on both halves at the start."""
        if not self._probe.images:
            return {}
        made, halves = outcome(), (Half.CHOOSING, Half.REPORTING) if number == 0 else (Half.CHOOSING,)
        found = {half: self._probe.evaluate(made, half) for half in halves}
        if self._settings.keep_step == "best":
            now = found[Half.CHOOSING]
            if not self.best or closeness(now) > closeness(self._best_found):
                self._best_number, self._best_found, self.best = number, now, dict(state())
            self.kept = self._best_number if _nearer(self._best_found, now) else number
            self.over = 0 < self._settings.patience <= number - self._best_number
        return dict(found)

    def report(self, outcome: Outcome) -> dict[Half, Sequence[Evaluation]]:
        """What the model that is kept achieves on images that did not choose it."""
        return {Half.REPORTING: self._probe.evaluate(outcome, Half.REPORTING)} if self._probe.images else {}

    def state(self) -> State:
        """What going on depends on beside the trainer's own state."""
        found = {"recent": torch.tensor(self._recent, dtype=torch.float64), "over": torch.tensor(self.over)}
        if self.best:
            told = [(one.agreeing or 0, one.total, one.kl or 0.0) for one in self._best_found]
            found |= {"best": torch.tensor(self._best_number), "told": torch.tensor(told, dtype=torch.float64)}
            found |= {f"best {name}": value for name, value in self.best.items()}
        return found

    def restore(self, state: State) -> None:
        """Go on where `state` was taken."""
        self._recent = state["recent"].tolist() if "recent" in state else []
        self.over = bool(state.get("over", False))
        if "best" in state:
            self._best_number = int(state["best"])
            self._best_found = [
                Evaluation("", None, int(total), 0.0, agreeing=int(agreeing), kl=kl)
                for agreeing, total, kl in state["told"].tolist()
            ]
            self.best = {n.removeprefix("best "): value for n, value in state.items() if n.startswith("best ")}


def kept_of(looks: Mapping[int, Sequence[Evaluation]]) -> int:
    """The step that a watch keeps which saw these, step -> evaluations."""
    best = max(sorted(looks), key=lambda number: closeness(looks[number]))
    return best if _nearer(looks[best], looks[max(looks)]) else max(looks)


def _nearer(one: Sequence[Evaluation], last: Sequence[Evaluation]) -> bool:
    """Whether an earlier model is closer to the experts by both measures: agreement alone errs with the sample."""
    return clearly_better(one, last, "agreement") and divergence(one) <= divergence(last)
