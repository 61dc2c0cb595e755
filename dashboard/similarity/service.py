"""Computes similarities in the background, once per suite and choice of tasks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.similarity.description import describe

if TYPE_CHECKING:
    from dashboard.library import Library


@dataclass(frozen=True)
class Subject:
    """Whose task vectors are compared."""

    suite: str
    tasks: tuple[str, ...]


class Told:
    """A `core.progress.Progress` that remembers where the work stands, for whoever asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._label, self._done, self._total = "Waiting for its turn", 0, 0

    def start(self, label: str, total: int | None) -> None:
        """A new piece of work of `total` units."""
        with self._lock:
            self._label, self._done, self._total = label, 0, total or 0

    def advance(self, units: int = 1) -> None:
        """`units` more are done."""
        with self._lock:
            self._done += units

    def finish(self) -> None:
        """The piece of work is over."""

    def now(self) -> dict[str, Any]:
        """Label, units done and in total (0: unknown)."""
        with self._lock:
            return {"label": self._label, "done": self._done, "total": self._total}


class Similarities:
    """Answers for a page: pending with progress, ready with the description, or an error."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._progress: dict[Subject, Told] = {}

    def answer(self, subject: Subject, *, again: bool = False) -> dict[str, Any]:
        """What is known now; the first call starts the computation. Raises `UnknownName` for a suite that is gone."""
        file = self._library.suite(subject.suite)
        told = self._progress.setdefault(subject, Told())
        key = ("similarity", self._library.identity(file), subject)
        found = self._library.later(key, lambda: self._compute(subject, told), again=again)
        if found.pending:
            return {"pending": told.now()}
        self._progress.pop(subject, None)
        if found.error:
            return {"error": found.error}
        return {"suite": file.title, **found.value}

    def _compute(self, subject: Subject, told: Told) -> dict[str, Any]:
        from core.similarity import similarity

        file = self._library.suite(subject.suite)
        problem = self._library.load(file, subject.tasks, progress=told)
        told.start("Comparing the task vectors", None)
        with self._library.computing():
            found = similarity(problem.task_vectors)
        return describe(found, {task.name: task.title for task in file.tasks})
