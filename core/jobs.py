"""Runs in the background: one at a time per device, the others wait in a queue. Knows nothing of any page."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from core import loading, methods, runner
from core.control import Control
from core.encoders.precision import PRECISIONS, choose_device
from core.errors import BadInput, MergescopeError, UnknownName
from core.methods.base import Method
from core.problem import Problem
from core.progress import Remembered, Standing
from core.settings import MethodSettings, parse
from core.store import RunRecord, Store
from core.suites import SuiteFile, find

_DOUBLE_CLICK = 2.0
"""Seconds within which the same request is the same wish."""


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


@dataclass(frozen=True)
class _Job:
    run_id: str
    device: str
    title: str
    """The method's, and so the label under which its steps are counted."""
    control: Control
    loading: Remembered
    beside: Remembered = field(default_factory=Remembered)
    """What the run does once it is loaded."""


class Jobs:
    """Owns the runs of one process. All methods may be called from any thread."""

    def __init__(self, store: Store, *, limit: int = 16, load: Callable[..., Problem] = loading.load) -> None:
        self._store, self._limit, self._load = store, limit, load
        self._lock = threading.RLock()
        self._waiting: dict[str, deque[_Job]] = {}
        self._running: dict[str, tuple[_Job, threading.Thread]] = {}
        self._recent: dict[str, tuple[float, str]] = {}
        self._closed = False

    def submit(self, request: RunRequest) -> str:
        """Queue a run and return its id; the identical request within 2 seconds gives the same id.

        Raises `BadInput` (unknown names, settings that do not fit, full queue), `StoreReadOnly`, `CannotWrite`.
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
            self._require_open()
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
            self._enqueue(_job(run_id, device, method))
        return run_id

    def restart(self, run_id: str) -> str:
        """Queue a stored run that is not done, to go on after its last step; returns its id."""
        record = self._store.run(run_id)
        with self._lock:
            if self._find(run_id) is not None:
                return run_id
            runner.require_resumable(record)
            device = str(choose_device(record.device or "auto"))
            method = methods.get(record.method)
            self._require_open()
            self._require_room(device)
            self._store.set_status(run_id, "queued")
            self._enqueue(_job(run_id, device, method))
        return run_id

    def pause(self, run_id: str) -> None:
        """Let a run wait after its present micro-batch; one that is still queued waits when its turn comes."""
        self._active(run_id).control.pause()

    def resume(self, run_id: str) -> None:
        """Let a paused run go on."""
        self._active(run_id).control.resume()

    def cancel(self, run_id: str) -> None:
        """Stop a run for good; one that is still queued leaves the queue."""
        with self._lock:
            job = self._active(run_id)
            job.control.cancel()
            waiting = self._waiting.get(job.device, deque())
            if job in waiting:
                waiting.remove(job)
                self._store.set_status(run_id, "cancelled")

    def position(self, run_id: str) -> int | None:
        """0 for the run that is going on, 1 for the next of its device …; None for one that is not here."""
        with self._lock:
            for device, (job, _) in self._running.items():
                for place, found in enumerate([job, *self._waiting.get(device, ())]):
                    if found.run_id == run_id:
                        return place
        return None

    def standing(self, run_id: str) -> Standing | None:
        """What a run is doing beside its steps (those are in the store): decoding, building heads, loading, and
        evaluating at the end; None while it makes steps, and where nothing is known."""
        with self._lock:
            job = next((job for job, _ in self._running.values() if job.run_id == run_id), None)
        if job is None:
            return None
        now = job.loading.standing() or job.beside.standing()
        return None if now is None or now.label == job.title else now

    def active(self) -> list[str]:
        """Ids of the runs that are going on or waiting, in their order."""
        with self._lock:
            found = [[job, *self._waiting.get(device, ())] for device, (job, _) in self._running.items()]
        return [job.run_id for jobs in found for job in jobs]

    def shutdown(self, wait: float = 10.0) -> None:
        """Stop everything as interrupted, so that the next process can resume it; waits at most `wait` seconds."""
        with self._lock:
            self._closed = True
            for waiting in self._waiting.values():
                while waiting:
                    with suppress(MergescopeError):
                        self._store.set_status(waiting.popleft().run_id, "interrupted")
            threads = [thread for _, thread in self._running.values()]
            for job, _ in self._running.values():
                job.control.interrupt()
        deadline = time.monotonic() + wait
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _double_click(self, request: RunRequest) -> str | None:
        when, run_id = self._recent.get(repr(request), (-math.inf, ""))
        fresh = time.monotonic() - when < _DOUBLE_CLICK
        return run_id if fresh and self._store.run(run_id).status != "cancelled" else None

    def _require_open(self) -> None:
        if self._closed:
            raise BadInput("No run can be started: the program is shutting down.")

    def _require_room(self, device: str) -> None:
        if len(self._waiting.get(device, ())) >= self._limit:
            raise BadInput(
                f"At most {self._limit} runs can wait for {device}. Cancel one, or come back when one is done."
            )

    def _enqueue(self, job: _Job) -> None:
        self._waiting.setdefault(job.device, deque()).append(job)
        self._start_next(job.device)

    def _start_next(self, device: str) -> None:
        with self._lock:
            waiting = self._waiting.get(device)
            if not waiting or device in self._running or self._closed:
                return
            job = waiting.popleft()
            # A thread per run: one that dies of the unexpected says so and does not stop the queue.
            thread = threading.Thread(target=self._work, args=(job,), name=f"run-{job.run_id}", daemon=True)
            self._running[device] = (job, thread)
            thread.start()

    def _work(self, job: _Job) -> None:
        try:
            with suppress(MergescopeError):
                self._execute(job)
        finally:
            with self._lock:
                del self._running[job.device]
                self._start_next(job.device)

    def _execute(self, job: _Job) -> None:
        store, run_id = self._store, job.run_id
        with runner.Noted(store, run_id, job.control):
            job.control.tick()
            problem, method, settings = self._opened(run_id, job.loading)
        every = int(store.run(run_id).execution.get("evaluate_every", 0))
        # Pausing is the problem's own tick's work here: it notes the status.
        runner.execute(
            store, run_id, problem, method, settings, control=job.control, evaluate_every=every, progress=job.beside
        )

    def _opened(self, run_id: str, progress: Remembered) -> tuple[Problem, Method, MethodSettings]:
        record = self._store.run(run_id)
        problem, method, settings = runner.reopen(record, progress, load=self._load)
        if not record.hashes:
            every = int(record.execution.get("evaluate_every", 0))
            facts = {"hashes": dict(problem.hashes), "execution": runner.execution(problem, every)}
            self._store.describe(run_id, **facts)
        return problem, method, settings

    def _find(self, run_id: str) -> _Job | None:
        with self._lock:
            jobs = [job for job, _ in self._running.values()]
            jobs += [job for waiting in self._waiting.values() for job in waiting]
        return next((job for job in jobs if job.run_id == run_id), None)

    def _active(self, run_id: str) -> _Job:
        job = self._find(run_id)
        if job is None:
            record: RunRecord = self._store.run(run_id)
            raise BadInput(f"Run {run_id} is {record.status}; only a run that is going on or waiting can be changed.")
        return job


def _job(run_id: str, device: str, method: Method) -> _Job:
    control = Control()
    return _Job(run_id, device, method.title, control, Remembered(control.tick))


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
