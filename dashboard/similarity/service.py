"""Computes similarities in the background, once per suite and choice of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.progress import Progress
from dashboard.library import Library, pending
from dashboard.similarity.description import describe


@dataclass(frozen=True)
class SimilaritySubject:
    """Whose task vectors are compared."""

    suite: str
    tasks: tuple[str, ...]


class Similarities:
    """Answers for a page: pending with progress, ready with the description, or an error."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def answer(self, subject: SimilaritySubject, *, again: bool = False) -> dict[str, Any]:
        """What is known now; the first call starts the computation. Raises `UnknownName` for a suite that is gone."""
        file = self._library.suite(subject.suite)
        key = ("similarity", self._library.identity(file), subject)
        found = self._library.later(key, lambda told: self._compute(subject, told), again=again)
        if found.pending:
            return pending(found)
        if found.error:
            return {"error": found.error}
        return {"suite": file.title, **found.value}

    def _compute(self, subject: SimilaritySubject, told: Progress) -> dict[str, Any]:
        from core.insight.similarity import similarity

        file = self._library.suite(subject.suite)
        problem = self._library.load(file, subject.tasks, progress=told)
        told.start("Comparing the task vectors", None)
        found = similarity(problem.task_vectors)
        return describe(found, {task.name: task.title for task in file.tasks})
