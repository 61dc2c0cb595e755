"""Computes similarities in the background, once per suite and choice of tasks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.progress import Standing
from dashboard.similarity.description import describe

if TYPE_CHECKING:
    from dashboard.library import Library


@dataclass(frozen=True)
class SimilaritySubject:
    """Whose task vectors are compared."""

    suite: str
    tasks: tuple[str, ...]


WAITING = Standing("Waiting until other measurements are done", 0, None, None)


class Similarities:
    """Answers for a page: pending with progress, ready with the description, or an error."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def answer(self, subject: SimilaritySubject, *, again: bool = False) -> dict[str, Any]:
        """What is known now; the first call starts the computation. Raises `UnknownName` for a suite that is gone."""
        file = self._library.suite(subject.suite)
        key = ("similarity", self._library.identity(file), subject)
        found = self._library.later(key, lambda: self._compute(subject), again=again)
        if found.pending:
            return {"pending": asdict(self._library.standing(key) or WAITING)}
        if found.error:
            return {"error": found.error}
        return {"suite": file.title, **found.value}

    def _compute(self, subject: SimilaritySubject) -> dict[str, Any]:
        from core.similarity import similarity

        file, told = self._library.suite(subject.suite), self._library.progress
        problem = self._library.load(file, subject.tasks, progress=told)
        told.start("Comparing the task vectors", None)
        with self._library.computing():
            found = similarity(problem.task_vectors)
        return describe(found, {task.name: task.title for task in file.tasks})
