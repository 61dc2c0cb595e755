"""Running one method from the command line: stored, with a progress bar, resumable after Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.cli.output import say
from core.cli.progress import shown
from core.cli.stores import command
from core.errors import MergescopeError

if TYPE_CHECKING:
    from core.methods.base import Method
    from core.problem import Problem
    from core.settings import MethodSettings
    from core.store import Store
    from core.suites import SuiteFile


class Interrupted(MergescopeError):
    """The person pressed Ctrl-C; what was recorded stays (exit status 130)."""


def new_run(
    store: Store, problem: Problem, file: SuiteFile, method: Method, settings: MethodSettings, *, kept: bool = True
) -> tuple[str, dict[str, Any]]:
    """Create a run in `store` and execute it; its id and its report. `kept`: the store outlives this command."""
    from core import runner
    from core.suites import available

    bundled_or_own = available().get(file.name) == file.path
    origin = file.name if bundled_or_own else str(file.path.resolve())
    run_id = runner.create(store, problem, method, settings, origin=origin)
    return run_id, execute(store, run_id, problem, method, settings, kept=kept)


def resume(store: Store, run_id: str) -> dict[str, Any]:
    """Go on with a stored run after its last recorded step; its report."""
    from core import runner

    with shown() as progress:
        problem, method, settings = runner.reopen(store.run(run_id), progress)
    return execute(store, run_id, problem, method, settings, kept=True)


def execute(
    store: Store, run_id: str, problem: Problem, method: Method, settings: MethodSettings, *, kept: bool
) -> dict[str, Any]:
    """Execute a run with a progress bar; raises `Interrupted` after Ctrl-C."""
    from core import runner

    try:
        with shown() as progress:
            return runner.execute(store, run_id, problem, method, settings, progress=progress)
    except KeyboardInterrupt:
        hint = f"Go on with `{command(store, 'resume', run_id)}`." if kept else "The run was not kept."
        raise Interrupted(f"Interrupted. {hint}") from None


def warn_of_distrust(problem: Problem, settings: MethodSettings) -> None:
    """Say on standard error on which tasks minimising entropy can't be trusted, where that is what is asked for."""
    from core.learning.coefficients import LearningSettings

    if not isinstance(settings, LearningSettings) or settings.objective != "entropy":
        return
    from core.trust import trust

    with shown() as progress:
        found = trust(problem, init=settings.init, split=settings.adapt_on, progress=progress)
    for task in found:
        if not task.trusted:
            say(f"Warning: {task.advice}")
