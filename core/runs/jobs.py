"""Runs in the background: one at a time per device, the others wait in a queue. Knows nothing of any page."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from core import methods
from core.encoders.precision import PRECISIONS, choose_device
from core.errors import BadInput, UnknownName
from core.problem import loading
from core.problem.method import Method
from core.problem.problem import Problem
from core.progress import Progress, Standing
from core.runs import runner
from core.runs.work import Lane, Work, Worker
from core.settings import MethodSettings, parse
from core.store import Store
from core.suite.find import SuiteFile, find

_DOUBLE_CLICK = 2.0
"""Seconds within which the same request is the same wish."""
_KIND = "runs"


@dataclass(frozen=True)
class RunRequest:
    """What a person asks for; checked before anything is queued."""

    suite: str
    """Name, or path of a suite file."""
    method: str = "adamerging"
    tasks: tuple[str, ...] | None = None
    """None: all tasks of the suite."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings that differ from the suite's and the method's defaults."""
    device: str = "auto"
    precision: str = "auto"
    evaluate_every: int = 0
    name: str = ""


class Jobs:
    """Owns the runs of one process. All methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        *,
        limit: int = 16,
        load: Callable[..., Problem] = loading.load,
        worker: Worker | None = None,
    ) -> None:
        self._store, self._limit, self._load = store, limit, load
        self.worker = worker or Worker()
        """Carries the runs out; the studies of the process use it too."""
        self._lock = threading.Lock()
        self._recent: dict[str, tuple[float, str]] = {}

    def submit(self, request: RunRequest) -> str:
        """Queue a run and return its id; the identical request within 2 seconds gives the same id.

        Raises `BadInput` (unknown names, settings that do not fit), `QueueFull`, `Closing`, `StoreReadOnly`,
        `CannotWrite`.
        """
        suite, method, settings = _checked(request)
        device = str(choose_device(request.device))
        names = [task.name for task in suite.tasks if request.tasks is None or task.name in request.tasks]
        execution = {
            "device": device,
            "precision": request.precision,
            "unseen": [name for name in names if name not in suite.experts],
            "evaluate_every": request.evaluate_every,
        }
        with self._lock:
            self.worker.require_open()
            again = self._double_click(request)
            if again is not None:
                return again
            self._require_room(device)
            run_id = self._store.create(
                suite=suite.name,
                method=method.name,
                settings=settings.model_dump(mode="json"),
                seed=settings.seed,
                tasks=[name for name in names if name in suite.experts],
                steps=method.total_steps(settings),
                execution=execution,
                hashes={},
                adapted_on=runner.adapted_on(method, settings),
                name=request.name,
                origin=runner.origin_of(request.suite),
            )
            self._recent = {repr(request): (time.monotonic(), run_id)}
            self._queue(run_id, device, method)
        return run_id

    def restart(self, run_id: str) -> str:
        """Queue a stored run that is not done, to go on after its last step; returns its id."""
        self._go_on(run_id, self._require_room)
        return run_id

    def carry_out(self, run_id: str) -> Work[None]:
        """As `restart`, for whoever has one run after the other done: there is always room for it."""
        return self._go_on(run_id, lambda _device: None)

    def pause(self, run_id: str) -> None:
        """Let a run wait after its present micro-batch; one that is still queued waits when its turn comes."""
        self._active(run_id).control.pause()

    def resume(self, run_id: str) -> None:
        """Let a paused run go on."""
        self._active(run_id).control.resume()

    def cancel(self, run_id: str) -> None:
        """Stop a run for good; one that is still queued leaves the queue."""
        self.worker.cancel(self._active(run_id))

    def position(self, run_id: str) -> int | None:
        """0 for the run that is going on, 1 for the next of its device …; None for one that is not here."""
        work = self.worker.find(_KIND, run_id)
        return None if work is None else self.worker.position(work)

    def standing(self, run_id: str) -> Standing | None:
        """What a run is doing beside its steps (those are in the store): decoding, building heads, loading, and
        evaluating at the end; None while it makes steps, and where nothing is known."""
        work = self.worker.find(_KIND, run_id)
        now = work.progress.standing() if work is not None else None
        # The session counts steps under the method's title.
        return None if work is None or now is None or now.label == work.title else now

    def active(self) -> list[str]:
        """Ids of the runs that are going on or waiting, in their order."""
        return [str(work.key) for work in self.worker.going(_KIND)]

    def _double_click(self, request: RunRequest) -> str | None:
        when, run_id = self._recent.get(repr(request), (-math.inf, ""))
        fresh = time.monotonic() - when < _DOUBLE_CLICK
        return run_id if fresh and self._store.run(run_id).status != "cancelled" else None

    def _require_room(self, device: str) -> None:
        full = f"At most {self._limit} runs can wait for {device}. Cancel one, or come back when one is done."
        self.worker.require_room(Lane(_KIND, device), self._limit, full)

    def _go_on(self, run_id: str, require_room: Callable[[str], None]) -> Work[None]:
        record = self._store.run(run_id)
        with self._lock:
            work = self.worker.find(_KIND, run_id)
            if work is not None:
                return work
            runner.require_resumable(record)
            device = str(choose_device(record.device or "auto"))
            method = methods.get(record.method)
            require_room(device)
            self._store.set_status(run_id, "queued")
            return self._queue(run_id, device, method)

    def _queue(self, run_id: str, device: str, method: Method) -> Work[None]:
        note = partial(self._store.set_status, run_id)
        return self.worker.submit(Work(Lane(_KIND, device), run_id, self._execute, method.title, note))

    def _execute(self, work: Work[None]) -> None:
        store, run_id = self._store, str(work.key)
        with runner.Noted(store, run_id, work.control):
            work.control.tick()
            problem, method, settings = self._opened(run_id, work.progress)
        every = int(store.run(run_id).execution.get("evaluate_every", 0))
        control, progress = work.control, work.progress
        runner.execute(
            store, run_id, problem, method, settings, control=control, evaluate_every=every, progress=progress
        )

    def _opened(self, run_id: str, progress: Progress) -> tuple[Problem, Method, MethodSettings]:
        record = self._store.run(run_id)
        problem, method, settings = runner.reopen(record, progress, load=self._load)
        if not record.hashes:
            every = int(record.execution.get("evaluate_every", 0))
            facts = {"hashes": dict(problem.hashes), "execution": runner.execution(problem, every)}
            self._store.describe(run_id, **facts)
        return problem, method, settings

    def _active(self, run_id: str) -> Work[None]:
        work = self.worker.find(_KIND, run_id)
        if work is None:
            status = self._store.run(run_id).status
            raise BadInput(f"Run {run_id} is {status}; only a run that is going on or waiting can be changed.")
        return work


def _checked(request: RunRequest) -> tuple[SuiteFile, Method, MethodSettings]:
    suite, method = find(request.suite), methods.get(request.method)
    for task in request.tasks or ():
        suite.task(task)
    if not any(task in suite.experts for task in (request.tasks if request.tasks is not None else suite.experts)):
        raise BadInput(f"`tasks` should name at least one task with an expert. Found {list(request.tasks or ())}.")
    if request.precision not in PRECISIONS:
        raise UnknownName("precision", request.precision, PRECISIONS)
    if request.evaluate_every < 0:
        raise BadInput(f"`evaluate_every` should be 0 (never) or more. Found {request.evaluate_every}.")
    settings = parse(method.Settings, suite.defaults.get(method.name, {}) | request.settings, method.name)
    return suite, method, settings
