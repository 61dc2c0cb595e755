"""The one background worker: lanes side by side, and in each lane one piece of work after the other."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar, cast

from core.control import Control
from core.errors import BadInput, Cancelled, MergescopeError, told
from core.progress import Remembered

T = TypeVar("T")
UNEXPECTED = "It stopped because of a bug in Mergescope; the terminal shows the details."


REST_BESIDE_A_RUN = 24.0
"""How many times as long as it has worked what gives way to a run then rests."""
_LONGEST = 0.5
"""Seconds that count of one stretch of work at most: one that only waits for others keeps nobody out for long."""
_LOOK_SECONDS = 0.5


class Allowance:
    """The time that is left to what gives way, one for all of it: two who rest alone would take twice as much."""

    def __init__(self) -> None:
        self._lock, self._free = threading.Lock(), 0.0

    def spent(self, seconds: float, rest: float = REST_BESIDE_A_RUN) -> None:
        """Somebody worked for so long: whoever asks from now on waits `rest` times as long."""
        with self._lock:
            self._free = max(self._free, time.monotonic()) + min(seconds, _LONGEST) * rest

    def wait(self) -> float:
        """Seconds until whoever asks now may work; those who come later do not make it longer."""
        return max(0.0, self._free - time.monotonic())


class Pace:
    """Called now and then by a thread whose work gives way, it rests there while `busy`, which may raise."""

    def __init__(self, allowance: Allowance, busy: Callable[[], bool]) -> None:
        self._allowance, self._busy, self._begun = allowance, busy, time.monotonic()

    def __call__(self) -> None:
        """Go on, at once or after a rest."""
        if self._busy():
            self._allowance.spent(time.monotonic() - self._begun)
            end = time.monotonic() + self._allowance.wait()
            while (left := end - time.monotonic()) > 0 and self._busy():
                time.sleep(min(left, _LOOK_SECONDS))
        self._begun = time.monotonic()


class State(StrEnum):
    """Where a piece of work is; the codes are those of a run's status."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class QueueFull(BadInput):
    """As many wait in a lane as may; nothing was queued."""


class Closing(BadInput):
    """The process is about to end; nothing was queued."""


class Lane(NamedTuple):
    """What waits for each other."""

    kind: str
    of: str = ""
    """Tells lanes of a kind apart, such as the device of runs."""


@dataclass(eq=False)
class Work(Generic[T]):
    """A piece of work, and what came of it."""

    lane: Lane
    key: Hashable
    do: Callable[[Work[T]], T]
    """Reports to `progress` and looks at `control`."""
    title: str = ""
    note: Callable[[str], Any] = lambda _state: None
    """Told the state of what leaves the queue before its turn."""
    control: Control = field(default_factory=Control)
    state: State = State.QUEUED
    error: str = ""
    """Why it is not done, in one line for a person."""

    def __post_init__(self) -> None:
        self.progress = Remembered(self.control.tick)
        self.value: T = cast("T", None)
        """What it made, once it is `ready`."""

    @property
    def pending(self) -> bool:
        """True until it has ended."""
        return self.state in (State.QUEUED, State.RUNNING)

    @property
    def ready(self) -> bool:
        """True once `value` is there."""
        return self.state is State.DONE


class Worker:
    """Does everything that takes longer than a click. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._lanes: dict[Lane, deque[Work[Any]]] = {}
        """The first of a lane is at work, the others wait."""
        self._closed = False
        self._taken_until = float("-inf")
        self.allowance = Allowance()
        """What gives way to runs may take."""

    @property
    def busy(self) -> bool:
        """Whether a run or a study goes on."""
        return bool(self.going("runs") or self.going("studies"))

    def submit(self, work: Work[T], limit: int | None = None, full: str = "") -> Work[T]:
        """Queue it; raises what `require_room` raises."""
        with self._turn:
            self.require_room(work.lane, limit, full)
            line = self._lanes.setdefault(work.lane, deque())
            line.append(work)
            if len(line) == 1:
                self._begin(work)
        return work

    def cancel(self, work: Work[Any]) -> None:
        """Stop it at its next tick; what still waits leaves the queue at once."""
        work.control.cancel()
        with self._turn:
            try:
                if work.state is State.QUEUED:
                    self._drop(work, State.CANCELLED)
            finally:
                self._turn.notify_all()

    def wait_for(self, part: Work[Any], whole: Work[Any]) -> None:
        """Wait until a part of some work has ended; whoever cancels the whole cancels the part."""
        self.wait(lambda: not part.pending or whole.control.cancelled)
        if part.pending and not whole.control.interrupted:
            self.cancel(part)
        self.wait(lambda: not part.pending)

    def require_open(self) -> None:
        """Raise `Closing` where the process is about to end."""
        if self._closed:
            raise Closing("Nothing can be started: the program is shutting down.")

    def require_room(self, lane: Lane, limit: int | None = None, full: str = "") -> None:
        """Raise `Closing`, or `QueueFull` where `limit` wait already; it says `full`, with the title of what is at
        work in place of {}.
        """
        with self._turn:
            self.require_open()
            line = self._lanes.get(lane)
            if line and limit is not None and len(line) > limit:
                raise QueueFull(full.format(line[0].title))

    def going(self, kind: str) -> list[Work[Any]]:
        """What is at work or waits in the lanes of a kind, each lane in its order."""
        with self._turn:
            return [work for lane, line in self._lanes.items() if lane.kind == kind for work in line]

    def find(self, kind: str, key: Hashable) -> Work[Any] | None:
        """The work of that key that is going on or waiting."""
        return next((work for work in self.going(kind) if work.key == key), None)

    def position(self, work: Work[Any]) -> int | None:
        """0 for what is at work, 1 for the next of its lane …; None for what has ended."""
        with self._turn:
            line = self._lanes.get(work.lane, deque())
            return line.index(work) if work in line else None

    def wait(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until some work's end or wish makes `condition` true; False where the time was over before."""
        with self._turn:
            return self._turn.wait_for(condition, seconds)

    def take(self, seconds: float) -> None:
        """Let whoever gives way do nothing for so long."""
        with self._turn:
            self._taken_until = time.monotonic() + seconds

    def give_way(self) -> None:
        """Return once nobody has taken the machine for itself; raises `Cancelled` when the process ends."""
        with self._turn:
            while not self._closed and (left := self._taken_until - time.monotonic()) > 0:
                self._turn.wait(left)
            if self._closed:
                raise Cancelled("The program is shutting down.")

    def close(self, wait: float = 10.0) -> None:
        """Interrupt everything, so that the next process can go on with it; waits at most `wait` seconds."""
        with self._turn:
            self._closed = True
            for line in filter(None, self._lanes.values()):
                while len(line) > 1:
                    with suppress(MergescopeError):
                        self._drop(line[1], State.INTERRUPTED)
                line[0].control.interrupt()
            self._turn.notify_all()
        self.wait(lambda: not any(self._lanes.values()), wait)

    def _drop(self, work: Work[Any], state: State) -> None:
        self._lanes[work.lane].remove(work)
        work.state, work.error = state, "It was cancelled before it started."
        # Whoever waits for it is woken after that, and finds the end written down.
        work.note(state.value)

    def _begin(self, work: Work[Any]) -> None:
        work.state = State.RUNNING
        # A thread for each: one that dies of the unexpected says so and does not stop its lane.
        name = " ".join((*work.lane, str(work.key)[:40]))
        threading.Thread(target=self._carry_out, args=(work,), name=name, daemon=True).start()

    def _carry_out(self, work: Work[Any]) -> None:
        state, error = State.FAILED, UNEXPECTED
        try:
            work.value = work.do(work)
            state, error = State.DONE, ""
        except Cancelled as stopped:
            state = State.INTERRUPTED if work.control.interrupted else State.CANCELLED
            error = str(stopped)
        except (MergescopeError, OSError) as failure:
            error = told(failure)
        finally:
            with self._turn:
                work.state, work.error = state, error
                line = self._lanes[work.lane]
                line.popleft()
                if line:
                    self._begin(line[0])
                self._turn.notify_all()
