"""The merged model of the run that the page shows, kept while it is asked about."""

from __future__ import annotations

import threading
from typing import Any

from core.checkpoints import load_weights
from core.problem.problem import Problem
from core.runs.model import MERGED, Made, file_of, made
from core.step import Outcome
from core.store import RunRecord, Store


class Models:
    """Keeps the model that was asked for last; others are read again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: tuple[Any, Made] | None = None

    def merged(self, record: RunRecord, problem: Problem) -> Made:
        """The run's merged model; raises `BadInput` where it has none yet."""
        key = state_of(record)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._find(record, problem)
            return self._kept[1]

    def _find(self, record: RunRecord, problem: Problem) -> Made:
        if record.status != "done" or MERGED not in self._store.artefacts(record.id):
            return made(self._store, record, problem)
        file, vectors = file_of(self._store, record, lambda: problem), problem.task_vectors
        weights = load_weights(file, vectors.base, vectors.names, arch=problem.encoder.arch)
        return Made(Outcome.of(weights), record.model_step)


def state_of(record: RunRecord) -> tuple[str, str, int]:
    """Changes whenever the run's merged model does."""
    return record.id, record.status, record.steps_done
