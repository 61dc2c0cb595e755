"""The merged model of a run, wherever it is: stored, computed from the newest λ, or made again by a formula."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from core.checkpoints import load_weights
from core.errors import BadInput
from core.problem.problem import Problem
from core.runs.session import MERGED
from core.runs.spec import RunSpec
from core.step import Coefficients, Form, Need, Weights
from core.store import RunRecord, Store


@dataclass(frozen=True)
class Merged:
    """What a run has made so far."""

    weights_for: Callable[[str], Weights]
    step: int
    """The step whose λ this is."""


class Models:
    """Keeps the model that was asked for last; others are read again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: tuple[Any, Merged] | None = None

    def merged(self, record: RunRecord, problem: Problem) -> Merged:
        """The run's merged model; raises `BadInput` where it has none yet."""
        key = state_of(record)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._find(record, problem)
            return self._kept[1]

    def _find(self, record: RunRecord, problem: Problem) -> Merged:
        if record.status == "done" and MERGED in self._store.artefacts(record.id):
            vectors = problem.task_vectors
            weights = load_weights(self._store.artefact(record.id, MERGED), vectors.base, vectors.names)
            return Merged(lambda _task: weights, record.model_step)
        spec = RunSpec.stored(record)
        method, settings = spec.method, spec.settings
        rows = self._store.steps(record.id, since=record.model_step - 1, limit=1)
        newest = next((row for row in reversed(rows) if row.coefficients is not None), None)
        if newest is not None and newest.coefficients is not None:
            values = torch.from_numpy(newest.coefficients.copy())
            made = method.weights_at(problem, settings, Coefficients(record.groups, record.tasks, values))
            if made is not None:
                return Merged(lambda _task: made, newest.number)
        if record.status == "done" and method.needed(settings) is Need.NOTHING:
            for step in method.steps(problem, settings):
                if step.outcome is not None:
                    return Merged(step.outcome.weights_for, step.number)
        if record.status == "done" and method.form is Form.MODULES:
            raise BadInput(f"The result of {method.title} can't be tried here: {method.form.obstacle}.")
        raise BadInput("This run has no merged model yet. Wait for its first step, or choose another run.")


def state_of(record: RunRecord) -> tuple[str, str, int]:
    """Changes whenever the run's merged model does."""
    return record.id, record.status, record.steps_done
