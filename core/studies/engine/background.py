"""Studies in the background of a server: one after another, their runs in the same queue as everybody's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from core.cluster.connection import require
from core.cluster.driver import sent
from core.errors import BadInput, Cancelled, RunFailed
from core.problem.problem import Problem
from core.progress import SILENT, Remembered, Standing
from core.runs.jobs import Jobs
from core.runs.places import Place, in_turn
from core.runs.work import Closing, Lane, Work
from core.store import ACTIVE, Store
from core.studies import Study
from core.studies.engine.cells import Cell
from core.studies.engine.execution import execute, register, tasks_of
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile

_LANE = Lane("studies")


class Background:
    """Owns the studies of one process. All methods may be called from any thread."""

    def __init__(self, store: Store, jobs: Jobs, load: Callable[..., Problem]) -> None:
        self._store, self._jobs, self._load, self._worker = store, jobs, load, jobs.worker
        self._lock = threading.Lock()

    def start(self, study: Study, suite: SuiteFile, options: StudyOptions, cells: Sequence[Cell], on: str = "") -> str:
        """Queue a study, or go on with the same one; returns its id. One that is here already is left as it is.

        `on`: the address of a Ray cluster that carries out its runs; raises `BadInput` where there can be none.
        """
        if on:
            require(on)
        load = partial(self._load, suite, tasks_of(study, suite, cells))
        with self._lock:
            self._worker.require_open()
            study_id = register(self._store, study, suite, options, cells)
            if self._worker.find(_LANE.kind, study_id) is None:
                self._store.studies.describe(study_id, status="queued", error=None)
                note, do = partial(self._note, study_id), partial(self._carry_out, load, options, on)
                self._worker.submit(Work(_LANE, study_id, do, study.title, note))
        return study_id

    def cancel(self, study_id: str) -> None:
        """Stop a study; what its runs have done is kept. Raises `BadInput` for one that is not running."""
        work = self._worker.find(_LANE.kind, study_id)
        if work is None:
            raise BadInput("That study is not running; there is nothing to cancel.")
        self._worker.cancel(work)

    def standing(self, study_id: str) -> Standing | None:
        """Where a study stands; None for one that waits or is not here."""
        work = self._worker.find(_LANE.kind, study_id)
        return work.progress.standing() if work is not None else None

    def _note(self, study_id: str, status: str) -> None:
        self._store.studies.describe(study_id, status=status)

    def _carry_out(self, load: Callable[..., Problem], options: StudyOptions, on: str, work: Work[None]) -> None:
        # Loading can be stopped; how far it is says nothing of the study.
        ticking = Remembered(work.control.tick)

        def loaded(device: str, precision: str) -> Problem:
            return load(device=device, precision=precision, progress=ticking)

        opened = self._opened(loaded, options, on, work)
        execute(self._store, str(work.key), opened, control=work.control, watch=work.progress.at)

    @contextmanager
    def _opened(
        self, load: Callable[[str, str], Problem], options: StudyOptions, on: str, work: Work[None]
    ) -> Iterator[tuple[Problem, Place]]:
        """The suite of a study, and where its runs are carried out."""
        if not on:
            yield load(options.device, options.precision), in_turn(partial(self._run, work))
            return
        with sent(on, options.device, options.precision, load, work.control.tick) as (problem, driver):
            yield problem, driver.place(self._store, work.control, SILENT)

    def _run(self, work: Work[None], run_id: str) -> None:
        """Let the jobs carry out a run, and wait for it."""
        try:
            self._worker.wait_for(self._jobs.restart(run_id, limited=False), work)
        except Closing as error:
            raise Cancelled(str(error)) from None
        record, control = self._store.run(run_id), work.control
        control.tick()
        if record.status in ACTIVE or record.status == "interrupted":
            control.interrupt()
            control.tick()
        if record.status != "done":
            raise RunFailed(record.error or f"The run was {record.status}.")
