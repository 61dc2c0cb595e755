"""Running one method from the command line: stored, with a progress bar, resumable after Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.cli.output import say, shown
from core.cli.stores import command
from core.errors import MergescopeError

if TYPE_CHECKING:
    from core.problem.method import Method
    from core.problem.problem import Problem
    from core.progress import Progress
    from core.runs.spec import RunSpec
    from core.settings import MethodSettings
    from core.store import Store


class Interrupted(MergescopeError):
    """The person pressed Ctrl-C; what was recorded stays (exit status 130)."""


def finished_or_run(
    store: Store, problem: Problem, spec: RunSpec, *, kept: bool, fresh: bool, progress: Progress
) -> tuple[str, dict[str, Any], bool]:
    """Id and report of the run that is exactly this one, and whether it was finished before; unless `fresh`, one that
    was stopped continues."""
    known = None if fresh else spec.earlier(store)
    if known is not None and known.report is not None:
        return known.id, known.report, True
    run_id = known.id if known is not None else spec.create(store)
    return run_id, _execute(store, run_id, problem, spec, progress, kept), False


def resume(store: Store, run_id: str) -> dict[str, Any]:
    """Go on with a stored run after its last recorded step; its report."""
    from core.runs import runner

    with shown() as progress:
        return _execute(store, run_id, *runner.reopen(store.run(run_id), progress), progress, kept=True)


def _execute(
    store: Store, run_id: str, problem: Problem, spec: RunSpec, progress: Progress, kept: bool
) -> dict[str, Any]:
    from core.runs import runner

    try:
        return runner.execute(store, run_id, problem, spec, progress=progress)
    except KeyboardInterrupt:
        hint = f"Go on with `{command(store, 'resume', run_id)}`." if kept else "The run was not kept."
        raise Interrupted(f"Interrupted. {hint}") from None


def warn_of_distrust(problem: Problem, method: Method, settings: MethodSettings) -> list[str] | None:
    """Say on standard error which tasks a run with these settings is likely to harm; None where nothing could be
    checked."""
    from core.insight.trust import trust, warnings

    with shown() as progress:
        found = trust(problem, method, settings, progress)
    for text in warnings(found):
        say(f"Warning: {text}")
    return warnings(found) if found else None
