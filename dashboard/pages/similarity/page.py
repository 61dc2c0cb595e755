"""The page "Similarity": how the experts of a run, or of the suite that is chosen at first, relate.

Cosines, lengths and sign conflicts of their task vectors, and advice in words; computed once in the background.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from core.errors import BadInput
from core.progress import Progress
from dashboard.door import Desk, Failed, Pending, everybodys, told
from dashboard.pages.page import Page
from dashboard.pages.similarity.description import Relations, describe


class Similarities(Desk):
    """Answers for one context."""

    @everybodys
    def similarity(self, request: Request, run: Any = "", again: bool = False) -> Relations | Pending | Failed:
        """Pending with progress, ready with the description, or an error; the first call starts the computation."""
        library, (suite, tasks) = self._ctx.library, self._subject(run, request)
        file = library.suite(suite)

        def compute(progress: Progress) -> Relations:
            from core.insight.similarity import similarity

            problem = library.load(file, tasks, progress=progress)
            found = similarity(problem.task_vectors, progress=progress)
            return describe(found, self._ctx.titles(suite), problem.findings)

        key = ("similarity", library.identity(file), tasks)
        return told(library.later(key, compute, again=again))

    def _subject(self, run: object, request: Request) -> tuple[str, tuple[str, ...]]:
        """Suite and tasks of the run; without one the suite chosen at first, for those who may see everything."""
        if run:
            record = self._ctx.run(run, request)
            return record.suite, record.tasks
        if self._ctx.allowed(request) is not None:
            raise BadInput("Choose a run in the list on the left: its experts are compared here.")
        return self._ctx.suite, self._ctx.library.suite(self._ctx.suite).experts


PAGE = Page("Similarity", "similarity", (Similarities,))
