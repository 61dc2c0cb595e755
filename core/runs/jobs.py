"""Runs in the background: one at a time per device, the others wait in a queue. Knows nothing of any page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from core import methods
from core.encoders.precision import devices
from core.errors import BadInput
from core.problem import loading
from core.problem.method import Method
from core.problem.problem import Problem
from core.progress import Standing
from core.runs import runner
from core.runs.spec import RunSpec
from core.runs.work import Lane, Work, Worker
from core.store import Store
from core.suite.find import SuiteFile

_DOUBLE_CLICK = 2.0
"""Seconds within which the same request is the same wish."""
_KIND = "runs"


@dataclass(frozen=True)
class Elsewhere:
    """A place beside the devices of this machine, where one run of this process goes on at a time."""

    address: str
    carry_out: Callable[[Work[None]], None] = field(compare=False)
    """Notes how the run ends whose id is the work's key."""


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
        self._recent: tuple[object, float, str] = None, 0.0, ""

    def submit(self, spec: RunSpec, suite: SuiteFile | None = None, elsewhere: Elsewhere | None = None) -> str:
        """Queue a run and return its id; the same asked for again within 2 seconds gives the same id. `suite`: its
        suite, if the caller has read it.

        Raises `QueueFull`, `Closing`, `StoreReadOnly`, `CannotWrite`.
        """
        # The check before the start may end between two clicks.
        wish = replace(spec, execution=replace(spec.execution, check=None)), elsewhere
        with self._lock:
            self.worker.require_open()
            before, when, run_id = self._recent
            fresh = time.monotonic() - when < _DOUBLE_CLICK
            if fresh and wish == before and self._store.run(run_id).status != "cancelled":
                return run_id
            place = elsewhere.address if elsewhere else self._shortest(spec.execution.device)
            self._require_room(place, self._limit)
            if not elsewhere:
                spec = replace(spec, execution=replace(spec.execution, device=place))
            run_id = spec.create(self._store)
            self._recent = wish, time.monotonic(), run_id
            do = elsewhere.carry_out if elsewhere else partial(self._execute, suite)
            self._queue(run_id, place, spec.method, do)
        return run_id

    def restart(self, run_id: str, *, limited: bool = True) -> Work[None]:
        """Queue a stored run that is not done, to go on after its last step; not `limited` for whoever has one run
        after the other done: there is always room for it."""
        record = self._store.run(run_id)
        with self._lock:
            work = self.worker.find(_KIND, run_id)
            if work is not None:
                return work
            runner.require_resumable(record)
            device = self._shortest(record.device or "auto")
            method = methods.get(record.method)
            self._require_room(device, self._limit if limited else None)
            self._store.set_status(run_id, "queued")
            return self._queue(run_id, device, method, partial(self._execute, None))

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

    def _shortest(self, name: str) -> str:
        """Of the devices that `name` may mean the one with the fewest runs."""
        lanes = [work.lane for work in self.worker.going(_KIND)]
        return min(devices(name), key=lambda device: lanes.count(Lane(_KIND, device)))

    def _require_room(self, place: str, limit: int | None) -> None:
        full = f"At most {self._limit} runs can wait for {place}. Cancel one, or try again when one is done."
        self.worker.require_room(Lane(_KIND, place), limit, full)

    def _queue(self, run_id: str, place: str, method: Method, do: Callable[[Work[None]], None]) -> Work[None]:
        note = partial(self._store.set_status, run_id)
        return self.worker.submit(Work(Lane(_KIND, place), run_id, do, method.title, note))

    def _execute(self, suite: SuiteFile | None, work: Work[None]) -> None:
        store, run_id, control, progress = self._store, str(work.key), work.control, work.progress
        record = store.run(run_id)
        with runner.noted(store, run_id, control):
            control.tick()
            problem, spec = runner.reopen(record, progress, self._load, suite)
            if not record.hashes:
                spec = settled(store, run_id, spec, problem)
        runner.execute(store, run_id, problem, spec, control=control, progress=progress)

    def _active(self, run_id: str) -> Work[None]:
        work = self.worker.find(_KIND, run_id)
        if work is None:
            status = self._store.run(run_id).status
            raise BadInput(f"Run {run_id} is {status}; only a run that is running or waiting can be changed.")
        return work


def settled(store: Store, run_id: str, asked: RunSpec, problem: Problem, **how: Any) -> RunSpec:
    """What a run is now that its suite is loaded, noted in the store; `how`: facts of where it is carried out."""
    how |= {"evaluate_every": asked.execution.evaluate_every, "check": asked.execution.check}
    spec = RunSpec.of(problem, asked.method, asked.settings, **how)
    store.describe(run_id, hashes=dict(spec.hashes), execution=spec.execution.plain())
    return spec
