"""The trust check before Start: which of the chosen tasks the run is likely to harm."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from core.insight.trust import Look, overall, shortened, trust
from core.progress import Progress
from core.runs.spec import RunSpec
from dashboard.library import Library, told
from dashboard.planning.wish import Wish


def caution(wish: Wish, library: Library) -> dict[str, Any]:
    """`{}` where there is nothing to check, `{"pending"}`, `{"tasks": […]}` or `{"error"}`.

    Each task: whether it is trusted, what to do, and KL and agreement at start and end of the shortened run. With the
    tasks stand `overall`, a warning of the whole merge or nothing, and `distil`, whether the objective could be KL to
    the experts and is not.
    """
    short = shortened(wish.spec.method, wish.spec.settings)
    if short is None:
        return {}
    how = wish.spec.execution
    # Runs that differ only beyond the shortened one get the same answer at once.
    key = ("trust", *library.identity(wish.suite), wish.spec.tasks, how.device, how.precision, wish.spec.method.name)
    return told(library.later((*key, short.model_dump_json()), lambda progress: _check(wish, library, progress)))


def checked(wish: Wish, library: Library) -> RunSpec:
    """What the run is, with what the check has warned of where it is done."""
    found = caution(wish, library)
    if not found.get("tasks"):
        return wish.spec
    told = [found["overall"], *(task["advice"] for task in found["tasks"])]
    return replace(wish.spec, execution=replace(wish.spec.execution, check=tuple(text for text in told if text)))


def _check(wish: Wish, library: Library, progress: Progress) -> dict[str, Any]:
    found = trust(wish.load(library, progress), wish.spec.method, wish.spec.settings, progress)
    tasks = [
        {
            "task": item.task,
            "trusted": item.trusted,
            "advice": item.advice,
            "start": _plain(item.start),
            "end": _plain(item.end),
        }
        for item in found
    ]
    distil = getattr(wish.spec.settings, "objective", "expert_kl") != "expert_kl"
    return {"tasks": tasks, "overall": overall(found), "distil": distil}


def _plain(look: Look) -> dict[str, float | None]:
    return {"kl": look.kl if math.isfinite(look.kl) else None, "agreement": look.agreement}
