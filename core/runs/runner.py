"""Starts a run or goes on with one, and notes how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from core import methods
from core.control import Control
from core.errors import BadInput, Cancelled, told
from core.export.report import version
from core.problem import loading
from core.problem.memory import forget_peak, give_back
from core.problem.method import Method
from core.problem.problem import Problem
from core.problem.variants import as_stored
from core.progress import Progress, Silent
from core.runs.session import Session
from core.settings import MethodSettings, parse_stored
from core.step import Need, Step
from core.store import ACTIVE, CannotWrite, RunRecord, Store
from core.suite.find import find

log = logging.getLogger(__name__)
_REPEATABLE = ("device", "precision", "deltas")


def create(
    store: Store,
    problem: Problem,
    method: Method,
    settings: MethodSettings,
    *,
    name: str = "",
    origin: str = "",
    evaluate_every: int = 0,
) -> str:
    """A queued run of `method` on `problem`; `origin` is what `core.suite.find.find` takes to find the suite again."""
    return store.create(
        suite=problem.suite,
        method=method.name,
        settings=settings.model_dump(mode="json"),
        seed=settings.seed,
        tasks=problem.tasks,
        steps=method.total_steps(settings),
        execution=execution(problem, evaluate_every),
        hashes=problem.hashes,
        adapted_on=adapted_on(method, settings),
        name=name,
        origin=origin_of(origin or problem.suite),
    )


def execution(problem: Problem, evaluate_every: int) -> dict[str, Any]:
    """What has to be the same for the run to be repeated or resumed bit for bit."""
    facts = {"unseen": list(problem.unseen), "content": dict(problem.content), "evaluate_every": evaluate_every}
    return problem.execution | facts


def earlier(store: Store, problem: Problem, method: Method, settings: MethodSettings) -> RunRecord | None:
    """The newest run that is exactly this one: done, or else stopped and able to go on; None where there is none.

    Method, all settings, tasks, checkpoints, images, number formats, threads and versions agree and nobody changed its
    λ by hand, so that a new run would give the same numbers. The record is one of a list: its report has no histories.
    """
    usual: dict[str, Any] = {"images": None, "measures": [], "what_if": None}
    same = {**execution(problem, 0), **usual, "images_from": list(problem.images_from)}
    del same["micro_batch"], same["evaluate_every"]
    plain = settings.model_dump(mode="json")

    def equal(record: RunRecord) -> bool:
        how = {**usual, "images_from": [], **record.execution}
        return (
            (record.method, record.settings, record.tasks) == (method.name, plain, problem.tasks)
            and record.hashes == dict(problem.hashes)
            and all(how.get(name) == value for name, value in same.items())
            and (record.report is None or record.report.get("mergescope") == version())
        )

    found = [record for record in store.runs(suite=problem.suite) if record.status not in ACTIVE and equal(record)]
    return next((record for record in found if record.status == "done"), next(iter(found), None))


def origin_of(suite: str) -> str:
    """What finds the suite again from any working folder: a name as it is, a path in full."""
    return str(Path(suite).resolve()) if Path(suite).suffix in (".yaml", ".yml") else suite


def adapted_on(method: Method, settings: MethodSettings) -> str:
    """The split whose images the method learns from; "nothing" for data-free methods."""
    if method.needed(settings) is Need.NOTHING:
        return "nothing"
    return str(getattr(settings, "adapt_on", "test"))


def reopen(
    record: RunRecord, progress: Progress | None = None, load: Callable[..., Problem] = loading.load
) -> tuple[Problem, Method, MethodSettings]:
    """Load what a stored run works on, the way it was loaded at first, so that it can go on.

    Raises `BadInput` for a run that has nothing to go on with.
    """
    require_resumable(record)
    method = methods.get(record.method)
    settings = parse_stored(method.Settings, record.settings, record.method)
    how = record.execution
    problem = load(
        find(record.origin),
        how.get("loaded") or [*record.tasks, *how.get("unseen", ())],
        **{name: how[name] for name in (*_REPEATABLE, "micro_batch") if name in how},
        progress=progress,
    )
    return as_stored(problem, record.tasks, how), method, settings


def execute(
    store: Store,
    run_id: str,
    problem: Problem,
    method: Method,
    settings: MethodSettings,
    *,
    control: Control | None = None,
    evaluate_every: int = 0,
    evaluate_limit: int = 128,
    on_step: Callable[[Step], None] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Start a run, or go on after its checkpoint; returns the report.

    Whatever stops it is noted as the run's status and then raised: `Cancelled` -> cancelled, KeyboardInterrupt ->
    interrupted, anything else -> failed with its message. λ up to the last recorded step is kept in each case.
    """
    control = control or Control()
    record = store.run(run_id)
    require_resumable(record)
    with Noted(store, run_id, control):
        state = store.last_state(run_id)
        if state is not None or record.steps_done:
            _require_same(record, problem, method, settings)
            _note_version(store, record, problem)
        store.rewind(run_id)
        store.set_status(run_id, "running")
        give_back()
        forget_peak()
        with _as_before(record, problem), _ticking(store, run_id, problem, control):
            session = Session(store, run_id, problem, control, progress or Silent(), on_step)
            outcome = session.steps(method, settings, state, evaluate_every, evaluate_limit)
            return session.conclude(outcome, method, settings)


def require_resumable(record: RunRecord) -> None:
    """Raise `BadInput` for a run that is done, and for one that is a changed λ and no method's own steps."""
    if record.status == "done":
        raise BadInput(f"Run {record.id} is done; there is nothing to resume. Start a new run.")
    if record.what_if is not None:
        raise BadInput(
            f"Run {record.id} is run {record.what_if.of} with λ changed by hand; it has no steps to resume. Delete it, "
            "and change λ again."
        )


class Noted:
    """A block whose failure becomes the status of a run; the failure itself passes."""

    def __init__(self, store: Store, run_id: str, control: Control) -> None:
        self._store, self._id, self._control = store, run_id, control

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        # The store shows the status even where the disk refuses it; the first failure is the one to report.
        with suppress(CannotWrite):
            self._store.set_status(self._id, *_verdict(error, self._control))


def _verdict(error: BaseException, control: Control) -> tuple[str, str | None]:
    if isinstance(error, Cancelled):
        return ("interrupted" if control.interrupted else "cancelled"), None
    return ("failed", told(error)) if isinstance(error, Exception) else ("interrupted", None)


def _require_same(record: RunRecord, problem: Problem, method: Method, settings: MethodSettings) -> None:
    """Refuse to go on with anything that would change the result."""
    began = parse_stored(methods.get(record.method).Settings, record.settings, record.method)
    found: dict[str, Any] = {
        "method": method.name,
        "tasks": list(problem.tasks),
        "settings": settings.model_dump(mode="json"),
    }
    expected: dict[str, Any] = {
        "method": record.method,
        "tasks": list(record.tasks),
        "settings": began.model_dump(mode="json"),
    }
    for name in _REPEATABLE:
        found[name], expected[name] = problem.execution.get(name), record.execution.get(name)
    for role, sha256 in record.hashes.items():
        found[f"checkpoint of {role}"], expected[f"checkpoint of {role}"] = problem.hashes.get(role), sha256
    for name, value in expected.items():
        if found[name] != value:
            raise BadInput(
                f"Run {record.id} can only go on with `{name}` as it began: {value}. Found {found[name]}. "
                "Restore that, or start a new run."
            )


def _note_version(store: Store, record: RunRecord, problem: Problem) -> None:
    """Another PyTorch may round differently: the run goes on, and says from which step on which one was used."""
    used, here = record.execution.get("resumed_with", []), problem.execution["torch"]
    before = used[-1]["torch"] if used else record.execution.get("torch")
    if before in (None, here):
        return
    log.warning(
        "Run %s began with PyTorch %s and goes on after step %d with %s: λ may differ in its last digits from a run "
        "that never stopped.", record.id, before, record.steps_done, here,
    )  # fmt: skip
    more = {"resumed_with": [*used, {"after_step": record.steps_done, "torch": here}]}
    store.describe(record.id, execution=record.execution | more)


@contextmanager
def _as_before(record: RunRecord, problem: Problem) -> Iterator[None]:
    # The number of threads and the micro-batch decide the order of additions, and so the last bits of λ.
    threads = torch.get_num_threads()
    torch.set_num_threads(int(record.execution.get("threads", threads)))
    problem.micro_batch = int(record.execution.get("micro_batch", problem.micro_batch))
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
