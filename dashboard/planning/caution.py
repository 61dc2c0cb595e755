"""Told before Start: which of the chosen tasks the run is likely to harm, and what is doubtful about them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from core.insight.findings import findings
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
    key = _key(wish, library)
    return {} if key is None else told(library.later(key, lambda progress: _check(wish, library, progress)))


def _key(wish: Wish, library: Library) -> tuple[Any, ...] | None:
    """What the check depends on: runs that differ only beyond the shortened one get the same answer at once."""
    short, how = shortened(wish.spec.method, wish.spec.settings), wish.spec.execution
    if short is None:
        return None
    which = (*library.identity(wish.suite), wish.spec.tasks, how.device, how.precision)
    return ("trust", *which, wish.spec.method.name, short.model_dump_json())


def checked(wish: Wish, library: Library) -> RunSpec:
    """What the run is, with what the check has warned of where it is done; begins none."""
    found = library.answered(_key(wish, library))
    if not found:
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


def doubts(wish: Wish, library: Library) -> dict[str, Any]:
    """`{"pending"}`, `{"found": […]}` with each finding as `Finding.plain` gives it, experts asked, or `{"error"}`."""
    how = wish.spec.execution
    key = ("findings", *library.identity(wish.suite), wish.tasks, how.device, how.precision)
    return told(library.later(key, lambda progress: _found(wish, library, progress)))


def _found(wish: Wish, library: Library, progress: Progress) -> dict[str, Any]:
    found = findings(wish.load(library, progress), progress=progress)
    return {"found": [finding.plain() for finding in found]}
