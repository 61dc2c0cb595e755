"""Sends runs to workers, several at a time, and puts what comes back into the one store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from core.cluster import worker
from core.cluster.connection import Cluster, connected
from core.cluster.parcel import Parcel, Pictures
from core.cluster.worker import Carried, Missing, Split
from core.control import Control
from core.errors import BadInput, MergescopeError, RunFailed
from core.problem.problem import Problem
from core.progress import Progress
from core.runs import model, runner
from core.runs.places import Ended, Place
from core.store import Store

TRIES = 3
"""How often a run is sent whose workers die."""
AHEAD = 2
"""Runs that wait or go on, per device: who is done finds the next one there, and a cluster that can grow sees why."""
_LOOK_SECONDS = 0.2


@dataclass
class _Sent:
    """A run that is with a worker, or waits for one."""

    run_id: str
    tries: int = 1


class Driver:
    """One loaded suite on a cluster; its numbers are sent once."""

    def __init__(
        self, cluster: Cluster, problem: Problem, precision: str, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Raises `BadInput` where the workers are not what this machine needs; `tick` is called while none is free."""
        self._cluster, self._ray, self._problem = cluster, cluster.ray, problem
        self._errors = self._ray.exceptions
        self._parcel = self._put(Parcel.of(problem, cluster.device, precision))
        self._images: dict[Split, Any] = {}
        for task in problem.heads:
            self._send((task, "test"))
        self._versions = worker.versions()
        self._execution = self._examined(tick)
        self._task = cluster.task(worker.carry_out)

    def place(self, store: Store, control: Control, progress: Progress) -> Place:
        """Where runs on the suite are carried out."""
        return Place(lambda runs: self._carry_out(store, control, progress, runs), self._execution)

    def _send(self, split: Split) -> None:
        images = self._problem.found(*split)
        self._images[split] = None if images is None else self._put(Pictures.of(images))

    def _put(self, what: Any) -> Any:
        try:
            return self._ray.put(what)
        except self._errors.RayError as error:
            raise RunFailed(
                f"The suite does not fit the memory that machines of `{self._cluster.address}` share: {_line(error)} "
                "Give Ray more (`object_store_memory`), or name fewer tasks."
            ) from error

    def _examined(self, tick: Callable[[], None]) -> dict[str, Any]:
        """How the workers compute; one stands for all."""
        asked = self._cluster.task(worker.examine).remote(self._parcel, self._images)
        while not self._ray.wait([asked], timeout=_LOOK_SECONDS)[0]:
            tick()
        try:
            versions, execution = self._ray.get(asked)
        except self._errors.RayError as error:
            raise BadInput(f"The workers of `{self._cluster.address}` can't be used: {_line(error)}") from None
        if versions != self._versions:
            raise BadInput(worker.differing(self._versions, versions))
        return dict(execution)

    def _carry_out(self, store: Store, control: Control, progress: Progress, runs: Iterable[str]) -> Iterator[Ended]:
        waiting, flight, told = iter(runs), dict[Any, _Sent](), 0
        try:
            while True:
                room = max(1, AHEAD * self._cluster.room)
                while len(flight) < room and (run_id := next(waiting, None)) is not None:
                    store.set_status(run_id, "running")
                    flight[self._sent(store, run_id)] = _Sent(run_id)
                if not flight:
                    break
                if len(flight) != told:
                    told = len(flight)
                    progress.start(f"{told} runs are with {self._cluster.address}", None)
                ready, _ = self._ray.wait(list(flight), timeout=_LOOK_SECONDS)
                control.tick()
                for reference in ready:
                    sent, found = flight[reference], self._fetched(reference)
                    if again := self._again(found, sent):
                        flight[self._sent(store, sent.run_id)] = sent
                    failure = None if again else self._taken(store, control, found, sent.run_id)
                    del flight[reference]  # Only now: whatever stops this loop has to note how the run stands.
                    if not again:
                        yield sent.run_id, failure
        except ConnectionError as error:
            for sent in flight.values():
                store.set_status(sent.run_id, "interrupted")
            raise RunFailed(
                f"The connection to `{self._cluster.address}` is lost. The same command continues where it stopped."
            ) from error
        except BaseException as error:
            for reference, sent in flight.items():
                with suppress(self._errors.RayError, ConnectionError):
                    self._ray.cancel(reference, force=True)  # The worker ends; what it has begun is begun again.
                runner.note(store, sent.run_id, error, control)
            raise
        finally:
            progress.finish()

    def _sent(self, store: Store, run_id: str) -> Any:
        return self._task.remote(self._parcel, self._images, store.packed(run_id), self._versions)

    def _fetched(self, reference: Any) -> Carried | Missing | Exception:
        try:
            found: Carried | Missing = self._ray.get(reference)
        except self._errors.RayError as error:
            return cast("Exception", error)
        return found

    def _again(self, found: Carried | Missing | Exception, sent: _Sent) -> bool:
        """Whether a run has to be sent once more: its images were not all there, or its worker died."""
        if isinstance(found, Missing):
            if found.split not in self._images:
                self._send(found.split)
            return True
        if isinstance(found, self._deaths()):
            sent.tries += 1
            return sent.tries <= TRIES
        return False

    def _taken(self, store: Store, control: Control, found: Any, run_id: str) -> Exception | None:
        """Put what a worker made of a run into the store; what went wrong."""
        failure: Exception | None = None
        try:
            if not isinstance(found, Carried):
                raise RunFailed(self._told(found))
            store.take(found.run)
            if found.failure:
                raise (BadInput if found.refused else RunFailed)(found.failure)
            model.complete(store, store.run(run_id), self._problem)
        except MergescopeError as error:
            runner.note(store, run_id, error, control)
            failure = error
        return failure

    def _deaths(self) -> tuple[type[Exception], ...]:
        names = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError", "LocalRayletDiedError")
        return tuple(getattr(self._errors, name) for name in names)

    def _told(self, error: Exception) -> str:
        if isinstance(error, self._errors.OutOfMemoryError):
            return f"Its workers ran out of memory, {TRIES} times. Use machines with more memory, or fewer experts."
        if isinstance(error, self._deaths()):
            return f"Its workers died, {TRIES} times. Ray's logs say why; the same command tries it again."
        return _line(error)


@contextmanager
def sent(
    address: str,
    device: str,
    precision: str,
    load: Callable[[str, str], Problem],
    tick: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Problem, Driver]]:
    """A suite on the cluster at an address; `load` reads it for a device and a precision, once the cluster is there."""
    with connected(address, device, tick) as cluster:
        # The workers compute; they choose the precision too.
        problem = load("cpu", "float32" if precision == "auto" else precision)
        yield problem, Driver(cluster, problem, precision, tick)


def _line(error: Exception) -> str:
    """The last line of what Ray says, which is the failure itself."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:300]
