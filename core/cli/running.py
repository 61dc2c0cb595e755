"""Running one method from the command line: stored, with a progress bar, resumable after Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.cli.output import program, say
from core.cli.progress import shown
from core.errors import MergescopeError

if TYPE_CHECKING:
    from core.methods.base import Method, Outcome, Step
    from core.problem import Problem
    from core.settings import MethodSettings
    from core.store import Store
    from core.suites import SuiteFile


class Interrupted(MergescopeError):
    """The person pressed Ctrl-C; what was recorded stays (exit status 130)."""


def new_run(
    store: Store, problem: Problem, file: SuiteFile, method: Method, settings: MethodSettings
) -> tuple[str, dict[str, Any], Outcome]:
    """Create a run in `store` and execute it; its id, its report and the merged weights."""
    run_id = store.create(
        suite=file.name,
        method=method.name,
        settings=settings.model_dump(mode="json"),
        seed=settings.seed,
        tasks=problem.tasks,
        steps=method.total_steps(settings),
        execution=problem.execution,
        hashes=problem.hashes,
        adapted_on=str(getattr(settings, "adapt_on", "")),
        origin=str(file.path),
    )
    report, outcome = go_on(store, run_id, problem, method, settings)
    return run_id, report, outcome


def go_on(
    store: Store, run_id: str, problem: Problem, method: Method, settings: MethodSettings
) -> tuple[dict[str, Any], Outcome]:
    """Execute or resume a run; its report and the merged weights. Raises `Interrupted` after Ctrl-C."""
    from core import runner

    last: list[Outcome] = []

    def keep_outcome(step: Step) -> None:
        if step.outcome is not None:
            last.append(step.outcome)

    try:
        with shown() as progress:
            report = runner.execute(
                store, run_id, problem, method, settings, on_step=keep_outcome, progress=progress
            )
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. Go on with `{program()} runs resume {run_id}`.") from None
    return report, last[-1]


def warn_of_distrust(problem: Problem, settings: MethodSettings) -> None:
    """Say on standard error which tasks' entropy can't be trusted, for methods that minimise it."""
    if getattr(settings, "objective", None) != "entropy":
        return
    from core.trust import trust

    for task in trust(problem):
        if not task.trusted:
            say(f"Warning, task {task.task}: {task.advice}")
