"""The trust check before Start: on which of the chosen tasks entropy can't stand in for the loss."""

from __future__ import annotations

from typing import Any

from core.insight.trust import trust
from core.progress import Progress
from dashboard.library import Library, told
from dashboard.planning.wish import Wish


def caution(wish: Wish, library: Library) -> dict[str, Any]:
    """`{}` where there is nothing to check, `{"pending"}`, `{"tasks": […]}` or `{"error"}`.

    Each task: its entropies in nats under its expert and at the start, whether it is trusted, and what to do.
    """
    settings = wish.spec.settings
    if getattr(settings, "objective", None) != "entropy":
        return {}
    init = float(getattr(settings, "init", 0.3))
    split = str(getattr(settings, "adapt_on", "test"))
    how = wish.spec.execution
    key = ("trust", *library.identity(wish.suite), wish.spec.tasks, how.device, how.precision, init, split)
    return told(library.later(key, lambda progress: _check(wish, library, init, split, progress)))


def _check(wish: Wish, library: Library, init: float, split: str, progress: Progress) -> dict[str, Any]:
    found = trust(wish.load(library, progress), init, split, limit=96, progress=progress)
    tasks = [
        {
            "task": item.task,
            "trusted": item.trusted,
            "expert": item.expert_entropy,
            "start": item.start_entropy,
            "advice": item.advice,
        }
        for item in found
    ]
    return {"tasks": tasks}
