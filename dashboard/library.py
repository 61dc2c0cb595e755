"""Suites and loaded problems that pages share, and what pages have computed in the background."""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import BadInput, Cancelled, MergescopeError, UnknownName
from core.progress import SILENT, Progress, Remembered, Standing
from core.runs.threads import leave_openmp
from core.runs.work import Lane, Pace, State, Work, Worker

if TYPE_CHECKING:
    from core.problem.problem import Problem
    from core.suite.find import SuiteFile

T = TypeVar("T")

KEPT_PROBLEMS = 2
KEPT_ANSWERS = 200
HEAD_START = 5.0
"""Seconds after a run was loaded in which pages compute nothing, so that its first steps appear at once."""
_LANE, _GUESTS = Lane("pages"), Lane("pages", "guests")
_WAITING_GUESTS = 50
"""Answers for guests that wait at most."""
GONE = 30.0
"""Seconds after which a guest who has not asked again waits no more; pages ask every three, and wait for their turn."""


class _Answer(Work[T]):
    """The answer to somebody's question."""

    asked = 0.0
    """When somebody asked last."""
    owner = False
    """Whether the owner did, who has it computed at full speed."""


class Library:
    """Read by both apps. `device` and `precision` are the ones a page computes with."""

    def __init__(
        self,
        *,
        device: str = "auto",
        precision: str = "auto",
        extra: Sequence[str] = (),
        worker: Worker | None = None,
    ) -> None:
        """`extra` names suite files outside the suites folders, such as the one on the command line."""
        self._device, self._precision = device, precision
        self._extra = tuple(extra)
        self._suites: dict[str, tuple[tuple[Path, float], SuiteFile]] = {}
        self._problems: OrderedDict[Any, Problem] = OrderedDict()
        self._loading: dict[Any, threading.Lock] = {}
        self._wanted = Counter[Any]()
        """How many wait for what is being loaded."""
        self._loaders: dict[int, Any] = {}
        """What each thread loads: it gives way to nobody once others wait for it."""
        self._lock = threading.RLock()
        self.worker = worker or Worker()
        """Does what pages have done in the background; runs and studies of a server use it too."""
        self._answers: OrderedDict[Any, _Answer[Any]] = OrderedDict()
        self._guests = False
        self._facts: dict[Any, tuple[Any, Any]] = {}
        self.broken: dict[str, str] = {}
        """Suites whose file is not valid, with the reason in one line."""

    def for_guests(self) -> Library:
        """The same for those who only look: what is computed for them gives way to the owner and to runs, and ends
        when nobody has asked for it for `GONE` seconds."""
        own = copy.copy(self)
        own._guests = True
        return own

    def suites(self) -> Mapping[str, SuiteFile]:
        """The suites that can be chosen, by name; a file is read again once it has changed."""
        from core.suite.find import available, find

        found: dict[str, SuiteFile] = {}
        with self._lock:
            paths = available() | {Path(name).stem: Path(name) for name in self._extra}
            self.broken = {}
            for name, path in paths.items():
                try:
                    stamp = (path, path.stat().st_mtime)
                    if name not in self._suites or self._suites[name][0] != stamp:
                        self._suites[name] = (stamp, find(str(path)))
                    suite = self._suites[name][1]
                    found[suite.name] = suite
                except (MergescopeError, OSError) as error:
                    self.broken[name] = str(error).splitlines()[0]
        return found

    def warm(self, suite: str) -> None:
        """Load a suite in the background, so that the first run starts at once; failing is told when it is used."""
        self.later(("warm", suite), lambda told: self.problem(suite, progress=told) and None)

    def suite(self, name: str) -> SuiteFile:
        """The suite of that name; raises `BadInput`, which tells guests of no other suite."""
        known = self.suites()
        if name not in known:
            if self._guests:
                raise BadInput("The suite is no longer here.")
            raise UnknownName("suite", str(name)[:80], sorted(known))
        return known[name]

    def problem(self, suite: str, tasks: Sequence[str] | None = None, progress: Progress = SILENT) -> Problem:
        """The loaded suite, or those of its tasks that are named, for a page's own use (a new run goes first)."""
        device, precision = self._device, self._precision
        return self.load(self.suite(suite), tasks, device=device, precision=precision, progress=progress)

    def load(
        self,
        suite: SuiteFile,
        tasks: Sequence[str] | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        progress: Progress = SILENT,
        **how: Any,
    ) -> Problem:
        """As `core.problem.loading.load`, from memory where the same was loaded before.

        Each caller gets an object of its own, so that pausing a run does not hold up a page.
        """
        from core.encoders.precision import choose_device
        from core.problem.loading import load

        if tasks is not None and set(tasks) == {task.name for task in suite.tasks}:
            tasks = None
        names = None if tasks is None else tuple(dict.fromkeys(tasks))
        chosen = str(choose_device(device))
        key = (suite.name, _stamp(suite), names, chosen, precision, tuple(sorted(how.items())))
        with self._lock:
            lock = self._loading.setdefault(key, threading.Lock())
            self._wanted[key] += 1
        with lock:
            with self._lock:
                self._wanted[key] -= 1
            problem = self._problems.get(key)
            if problem is None:
                self._loaders[threading.get_ident()] = key
                try:
                    problem = load(suite, names, device=chosen, precision=precision, progress=progress, **how)
                finally:
                    del self._loaders[threading.get_ident()]
            with self._lock:
                self._problems[key] = problem
                self._problems.move_to_end(key)
                while len(self._problems) > KEPT_PROBLEMS:
                    self._problems.popitem(last=False)
            own = copy.copy(problem)
            # Calling the encoder puts the given weights into its module for a moment: threads must not share one.
            own.encoder = copy.deepcopy(problem.encoder)
        also = progress.tick if isinstance(progress, Remembered) else _nothing

        def tick() -> None:
            self.worker.give_way()
            also()

        own.tick = tick
        return own

    def load_for_run(self, suite: SuiteFile, tasks: Sequence[str] | None = None, **how: Any) -> Problem:
        """As `load`, for a run that begins now; it goes first, see `HEAD_START`."""
        own = self.load(suite, tasks, **how)
        own.tick = _nothing
        self.worker.take(HEAD_START)
        return own

    def identity(self, suite: SuiteFile) -> tuple[Any, ...]:
        """Name and files of a suite as a key that changes with them."""
        return (suite.name, hash(_stamp(suite)))

    def remember(self, key: Any, suite: SuiteFile, compute: Callable[[], Any]) -> Any:
        """What `compute` says about a suite, kept until one of the suite's files changes."""
        stamp = _stamp(suite)
        known = self._facts.get(key)
        if known is None or known[0] != stamp:
            known = self._facts[key] = (stamp, compute())
        return known[1]

    def later(self, key: Any, compute: Callable[[Progress], T], *, again: bool = False) -> Work[T]:
        """The answer to `key`, computed once in the background, one after the other; `again` asks anew after a failure.

        `key` has to hold everything the answer depends on. `compute` is given the progress to report to.
        """
        with self._lock:
            work = self._answers.get(key)
            failed = work is not None and not work.pending and not work.ready
            waits = work is not None and work.lane == _GUESTS and work.state is State.QUEUED
            if work is None or (failed and (again or work.state is State.CANCELLED)) or (waits and not self._guests):
                if work is not None:
                    self.worker.cancel(work)
                work = self._answers[key] = self._begin(key, compute)
                while len(self._answers) > KEPT_ANSWERS:
                    self.worker.cancel(self._answers.popitem(last=False)[1])
            work.asked, work.owner = time.monotonic(), work.owner or not self._guests
        return work

    def _begin(self, key: Any, compute: Callable[[Progress], T]) -> _Answer[T]:
        def do(work: Work[T]) -> T:
            work.progress.tick = Pace(self.worker.allowance, lambda: self._gives_way(found))
            if self._guests or self.worker.busy:
                leave_openmp()
            return compute(work.progress)

        found = _Answer(_GUESTS if self._guests else _LANE, key, do)
        found.asked, found.owner = time.monotonic(), not self._guests
        self.worker.submit(found, _WAITING_GUESTS if self._guests else None, "Too many people are waiting for results.")
        return found

    def _gives_way(self, work: _Answer[Any]) -> bool:
        """Whether a guest's answer has others beside it that go first; raises `Cancelled` where the guest has gone."""
        work.control.tick()
        if work.owner or self._wanted[self._loaders.get(threading.get_ident())]:
            return False
        if time.monotonic() - work.asked > GONE:
            raise Cancelled("Nobody is waiting for it any more.")
        return self.worker.busy or any(other.lane == _LANE for other in self.worker.going(_LANE.kind))

    def answered(self, key: Any) -> Any:
        """The answer of `later` to `key`; None where there is none (yet), and nothing is begun."""
        with self._lock:
            work = self._answers.get(key)
        return work.value if work is not None and work.ready else None

    def doing(self) -> Standing | None:
        """Where the work of `later` stands. Only for the owner: labels name what others are looking at."""
        return next((work.progress.standing() for work in self.worker.going(_LANE.kind)), None)


def _nothing() -> None:
    """A page's problem is never paused."""


def _stamp(suite: SuiteFile) -> tuple[tuple[str, float], ...]:
    """Changes when the suite file or one of the files it names does."""
    return tuple((str(path), path.stat().st_mtime if path.exists() else 0.0) for path in suite.files())
