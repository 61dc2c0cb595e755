"""Told before Start: which of the chosen tasks the run is likely to harm, and what is doubtful about them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from core.insight.findings import findings
from core.insight.trust import Look, TaskTrust, overall, shortened, trust, warnings
from core.progress import Progress
from core.runs.spec import RunSpec
from dashboard import wording
from dashboard.door import Failed, Pending, told
from dashboard.library import Library
from dashboard.pages.setup.shapes import Caution, Checked, Found, Likeness
from dashboard.pages.setup.wish import Wish


def caution(wish: Wish, library: Library) -> Caution | Pending | Failed | None:
    """What the check says; None where there is nothing to check."""
    key = _key(wish, library)
    if key is None:
        return None
    found = told(library.later(key, lambda progress: _check(wish, library, progress)))
    return _worded(found, wish.spec) if isinstance(found, list) else found


def _worded(found: list[TaskTrust], spec: RunSpec) -> Caution:
    def said(text: str) -> str:
        return wording.worded(text, spec.method)

    tasks: list[Checked] = [
        {
            "task": item.task,
            "trusted": item.trusted,
            "advice": said(item.advice),
            "start": _plain(item.start),
            "end": _plain(item.end),
        }
        for item in found
    ]
    distil = getattr(spec.settings, "objective", "expert_kl") != "expert_kl"
    return {"tasks": tasks, "overall": said(overall(found)), "distil": distil}


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
    if found is None:
        return wish.spec
    return replace(wish.spec, execution=replace(wish.spec.execution, check=tuple(warnings(found))))


def _check(wish: Wish, library: Library, progress: Progress) -> list[TaskTrust]:
    return trust(wish.load(library, progress), wish.spec.method, wish.spec.settings, progress)


def _plain(look: Look) -> Likeness:
    return {"kl": look.kl if math.isfinite(look.kl) else None, "agreement": look.agreement}


def doubts(wish: Wish, library: Library) -> Found | Pending | Failed:
    """What is doubtful about the chosen tasks, the experts asked included."""
    how = wish.spec.execution
    key = ("findings", *library.identity(wish.suite), wish.tasks, how.device, how.precision)
    return told(library.later(key, lambda progress: _found(wish, library, progress)))


def _found(wish: Wish, library: Library, progress: Progress) -> Found:
    found = findings(wish.load(library, progress), progress=progress)
    return {"found": [finding.plain() for finding in found]}
