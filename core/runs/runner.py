"""Starts a run or goes on with one, and notes how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from core.control import Control
from core.errors import BadInput, Cancelled, ProcessLost, told
from core.problem import loading
from core.problem.memory import forget_peak, give_back
from core.problem.problem import Problem
from core.problem.sharing.team import Team
from core.progress import SILENT, Progress
from core.runs.session import Session
from core.runs.spec import RunSpec
from core.step import Step
from core.store import CannotWrite, RunRecord, Store
from core.suite.find import SuiteFile, find

log = logging.getLogger(__name__)


def reopen(
    record: RunRecord,
    progress: Progress = SILENT,
    load: Callable[..., Problem] = loading.load,
    suite: SuiteFile | None = None,
    *,
    done: bool = False,
    team: Team | None = None,
) -> tuple[Problem, RunSpec]:
    """What a stored run works on, loaded the way it was at first, and what the run is; `suite`: its suite where the
    caller has it, `team`: the processes that hold its task vectors together, where there are several.

    Raises `BadInput` for a run that has nothing to go on with, unless one that is `done` will do.
    """
    if not done:
        require_resumable(record)
    spec, how = RunSpec.stored(record), record.execution
    problem = load(
        suite or find(record.origin),
        list(how.loaded or (*record.tasks, *(how.unseen or ()))),
        **{name: value for name in ("device", "precision", "deltas", "micro_batch") if (value := getattr(how, name))},
        **({} if team is None else {"team": team}),
        progress=progress,
    )
    return spec.part(problem), spec


def execute(
    store: Store,
    run_id: str,
    problem: Problem,
    spec: RunSpec,
    *,
    control: Control | None = None,
    on_step: Callable[[Step], None] | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Start a run, or go on after its checkpoint; returns the report.

    Whatever stops it is noted as the run's status and then raised: `Cancelled` -> cancelled, KeyboardInterrupt ->
    interrupted, anything else -> failed with its message. λ up to the last recorded step is kept in each case.
    """
    control = control or Control()
    record = store.run(run_id)
    require_resumable(record)
    with noted(store, run_id, control):
        state = store.last_state(run_id)
        if state is not None or record.steps_done:
            RunSpec.stored(record, spec.method).require(run_id, problem, spec)
            _note_version(store, record, problem)
        store.rewind(run_id)
        store.set_status(run_id, "running")
        if record.execution.measures:
            import sklearn.metrics  # noqa: F401  (else the first run of a process would be said to take its memory)
        give_back()
        forget_peak()
        with _as_before(record, problem), _ticking(store, run_id, problem, control):
            session = Session(store, run_id, problem, spec, control, progress, on_step)
            return session.conclude(session.steps(state))


def require_resumable(record: RunRecord) -> None:
    """Raise `BadInput` for a run that is done, and for one that is a changed λ and no method's own steps."""
    if record.status == "done":
        raise BadInput(f"Run {record.id} is done, so there is nothing to resume. Start a new run.")
    if record.what_if is not None:
        raise BadInput(
            f"Run {record.id} is run {record.what_if.of} with λ changed by hand; it has no steps to resume. Delete it, "
            "and change λ again."
        )


@contextmanager
def noted(store: Store, run_id: str, control: Control) -> Iterator[None]:
    """A block whose failure becomes the status of a run; the failure itself passes."""
    try:
        yield
    except BaseException as error:
        note(store, run_id, error, control)
        raise


def note(store: Store, run_id: str, error: BaseException, control: Control) -> None:
    """Note how a run ended that `error` stopped."""
    # The store shows the status even where the disk refuses it; the first failure is the one to report.
    with suppress(CannotWrite):
        store.set_status(run_id, *_verdict(error, control))


def _verdict(error: BaseException, control: Control) -> tuple[str, str | None]:
    if isinstance(error, ProcessLost):
        return "interrupted", str(error)
    if isinstance(error, Cancelled):
        return ("interrupted" if control.interrupted else "cancelled"), None
    return ("failed", told(error)) if isinstance(error, Exception) else ("interrupted", None)


def _note_version(store: Store, record: RunRecord, problem: Problem) -> None:
    """Another PyTorch may round differently: the run goes on, and says from which step on which one was used."""
    used, here = record.execution.resumed_with, str(problem.execution["torch"])
    before = used[-1]["torch"] if used else record.execution.torch
    if before in ("", here):
        return
    log.warning(
        "Run %s began with PyTorch %s and continues after step %d with %s: λ may differ in its last digits from a run "
        "that never stopped.", record.id, before, record.steps_done, here,
    )  # fmt: skip
    more = (*used, {"after_step": record.steps_done, "torch": here})
    store.describe(record.id, execution=replace(record.execution, resumed_with=more).plain())


@contextmanager
def _as_before(record: RunRecord, problem: Problem) -> Iterator[None]:
    # The number of threads and the micro-batch decide the order of additions, and so the last bits of λ.
    threads = torch.get_num_threads()
    if problem.task_vectors.processes == (record.execution.processes or 1):
        torch.set_num_threads(record.execution.threads or threads)
    problem.micro_batch = record.execution.micro_batch or problem.micro_batch
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _ticking(store: Store, run_id: str, problem: Problem, control: Control) -> Iterator[None]:
    before, problem.tick = problem.tick, control.tick
    noted, control.noted = control.noted, partial(store.set_status, run_id)
    try:
        yield
    finally:
        problem.tick, control.noted = before, noted
