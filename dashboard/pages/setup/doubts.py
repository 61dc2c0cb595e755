"""What is doubtful about the chosen tasks, told before Start: the findings of the suite, experts asked included."""

from __future__ import annotations

from core.insight.findings import findings
from core.progress import Progress
from dashboard.door import Failed, Pending, told
from dashboard.library import Library
from dashboard.pages.setup.shapes import Found
from dashboard.pages.setup.wish import Wish


def doubts(wish: Wish, library: Library) -> Found | Pending | Failed:
    """The findings, the experts asked."""
    how = wish.spec.execution
    key = ("findings", *library.identity(wish.suite), wish.tasks, how.device, how.precision)
    return told(library.later(key, lambda progress: _found(wish, library, progress)))


def _found(wish: Wish, library: Library, progress: Progress) -> Found:
    found = findings(wish.load(library, progress), progress=progress)
    return {"found": [finding.plain() for finding in found]}
