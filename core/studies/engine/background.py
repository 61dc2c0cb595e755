"""Studies in the background of a server: one after another, their runs in the same queue as everybody's."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from core.control import Control
from core.errors import BadInput, Cancelled, MergescopeError, RunFailed
from core.jobs import Jobs
from core.problem import Problem
from core.store import ACTIVE, Store
from core.studies.base import Study
from core.studies.engine.cells import Cell
from core.studies.engine.execution import Standing, execute, register, require_cells
from core.studies.engine.options import StudyOptions
from core.suites import SuiteFile

_LOOK = 0.05
"""Seconds between two looks at a run that is going on."""
_FULL = 1.0
"""Seconds until a full queue is asked again."""


@dataclass
class _Work:
    study_id: str
    suite: SuiteFile
    tasks: list[str]
    options: StudyOptions
    control: Control = field(default_factory=Control)
    standing: Standing | None = None


class Background:
    """Owns the studies of one process. All methods may be called from any thread."""

    def __init__(self, store: Store, jobs: Jobs, load: Callable[..., Problem]) -> None:
        self._store, self._jobs, self._load = store, jobs, load
        self._lock = threading.RLock()
        self._waiting: deque[_Work] = deque()
        self._current: _Work | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, study: Study, suite: SuiteFile, origin: str, options: StudyOptions, cells: Sequence[Cell]) -> str:
        """Queue a study, or go on with the same one; returns its id. One that is here already is left as it is."""
        require_cells(study, cells)
        with self._lock:
            if self._closed:
                raise BadInput("No study can be started: the program is shutting down.")
            study_id = register(self._store, study, suite, origin, options, cells)
            if self._find(study_id) is None:
                named = {task for cell in cells for task in (*cell.tasks, *cell.unseen)}
                tasks = [task.name for task in suite.tasks if task.name in named]
                self._store.studies.describe(study_id, status="queued", error=None)
                self._waiting.append(_Work(study_id, suite, tasks, options))
                self._start_next()
        return study_id

    def cancel(self, study_id: str) -> None:
        """Stop a study; what its runs have done is kept. Raises `BadInput` for one that is not going on."""
        with self._lock:
            work = self._find(study_id)
            if work is None:
                raise BadInput("That study is not going on; there is nothing to cancel.")
            work.control.cancel()
            if work in self._waiting:
                self._waiting.remove(work)
                self._store.studies.describe(study_id, status="cancelled")

    def standing(self, study_id: str) -> Standing | None:
        """Where a study stands; None for one that waits or is not here."""
        work = self._find(study_id)
        return work.standing if work is not None else None

    def close(self, wait: float = 10.0) -> None:
        """Stop everything as interrupted; close the jobs right after, which stops the run that is going on."""
        with self._lock:
            self._closed = True
            while self._waiting:
                with suppress(MergescopeError):
                    self._store.studies.describe(self._waiting.popleft().study_id, status="interrupted")
            if self._current is not None:
                self._current.control.interrupt()
            thread = self._thread
        if thread is not None:
            thread.join(wait)

    def _find(self, study_id: str) -> _Work | None:
        with self._lock:
            every = [*([self._current] if self._current else []), *self._waiting]
            return next((work for work in every if work.study_id == study_id), None)

    def _start_next(self) -> None:
        with self._lock:
            if self._current is not None or not self._waiting or self._closed:
                return
            self._current = self._waiting.popleft()
            self._thread = threading.Thread(target=self._work, args=(self._current,), name="study", daemon=True)
            self._thread.start()

    def _work(self, work: _Work) -> None:
        try:
            with suppress(MergescopeError):
                self._carry_out(work)
        finally:
            with self._lock:
                self._current = None
                self._start_next()

    def _carry_out(self, work: _Work) -> None:
        def watch(standing: Standing) -> None:
            work.standing = standing

        try:
            problem = self._load(work.suite, work.tasks, device=work.options.device, precision=work.options.precision)
        except MergescopeError as error:
            self._store.studies.describe(work.study_id, status="failed", error=str(error))
            raise

        def run(run_id: str) -> None:
            self._run(run_id, work.control)

        execute(self._store, work.study_id, problem, run, control=work.control, watch=watch)

    def _run(self, run_id: str, control: Control) -> None:
        """Let the jobs carry out a run, and wait for it."""
        self._queue(run_id, control)
        while self._jobs.position(run_id) is not None:
            if control.cancelled and not control.interrupted:
                # One that has ended meanwhile can't be cancelled any more.
                with suppress(BadInput):
                    self._jobs.cancel(run_id)
            time.sleep(_LOOK)
        record = self._store.run(run_id)
        control.tick()
        if record.status in ACTIVE or record.status == "interrupted":
            control.interrupt()
            control.tick()
        if record.status != "done":
            raise RunFailed(record.error or f"The run was {record.status}.")

    def _queue(self, run_id: str, control: Control) -> None:
        while True:
            control.tick()
            try:
                self._jobs.restart(run_id)
                return
            except BadInput:
                # The queue is full, or closing; a cancelled study leaves by its tick.
                if self._closed:
                    raise Cancelled("The study was interrupted.") from None
                time.sleep(_FULL)
