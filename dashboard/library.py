"""Suites and loaded problems that pages share, and one background thread for what takes longer than a click."""

from __future__ import annotations

import copy
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import MergescopeError, UnknownName
from core.progress import Remembered

if TYPE_CHECKING:
    from core.problem import Problem
    from core.progress import Progress, Standing
    from core.suites import SuiteFile

KEPT_PROBLEMS = 2
KEPT_ANSWERS = 200
HEAD_START = 5.0
"""Seconds after a run was loaded in which pages compute nothing, so that its first steps appear at once."""


@dataclass(frozen=True)
class Answer:
    """What is known of a background computation: pending, ready with a value, or failed with a message."""

    ready: bool = False
    value: Any = None
    error: str = ""

    @property
    def pending(self) -> bool:
        """True while it is still being computed."""
        return not self.ready and not self.error


class Library:
    """Read by both apps. `device` and `precision` are the ones a page computes with."""

    def __init__(self, *, device: str = "auto", precision: str = "auto", extra: Sequence[str] = ()) -> None:
        """`extra` names suite files outside the suites folders, such as the one on the command line."""
        self._device, self._precision = device, precision
        self._extra = tuple(extra)
        self._suites: dict[str, tuple[tuple[Path, float], SuiteFile]] = {}
        self._problems: OrderedDict[Any, Problem] = OrderedDict()
        self._loading: dict[Any, threading.Lock] = {}
        self._lock = threading.RLock()
        self._compute = threading.RLock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="library")
        self._answers: OrderedDict[Any, Future[Any]] = OrderedDict()
        self._facts: dict[Any, tuple[Any, Any]] = {}
        self.progress = Remembered()
        """Where the work that `later` does in the background stands; it does one thing after the other. Only for the
        owner: labels name what others are looking at."""
        self._at: Any = None
        self._waits_until = float("-inf")
        self.broken: dict[str, str] = {}
        """Suites whose file is not valid, with the reason in one line."""

    def suites(self) -> Mapping[str, SuiteFile]:
        """The suites that can be chosen, by name; a file is read again once it has changed."""
        from core.suites import available, find

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

    def chosen(self, wanted: str) -> str:
        """The name of the suite on the command line; raises `UnknownName` or `BadSuite` where there is none."""
        from core.suites import find

        return find(wanted).name

    def warm(self, suite: str) -> None:
        """Load a suite in the background, so that the first run starts at once; failing is told when it is used."""
        self.later(("warm", suite), lambda: self.problem(suite) and None)

    def suite(self, name: str) -> SuiteFile:
        """The suite of that name; raises `UnknownName`."""
        known = self.suites()
        if name not in known:
            raise UnknownName("suite", str(name)[:80], sorted(known))
        return known[name]

    def problem(self, suite: str, tasks: Sequence[str] | None = None, progress: Progress | None = None) -> Problem:
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
        progress: Progress | None = None,
        **how: Any,
    ) -> Problem:
        """As `core.loading.load`, from memory where the same was loaded before.

        Each caller gets an object of its own, so that pausing a run does not hold up a page.
        """
        from core.encoders.precision import choose_device
        from core.loading import load

        if tasks is not None and set(tasks) == {task.name for task in suite.tasks}:
            tasks = None
        names = None if tasks is None else tuple(dict.fromkeys(tasks))
        chosen = str(choose_device(device))
        key = (suite.name, _stamp(suite), names, chosen, precision, tuple(sorted(how.items())))
        with self._lock:
            lock = self._loading.setdefault(key, threading.Lock())
        with lock:
            problem = self._problems.get(key)
            if problem is None:
                problem = load(suite, names, device=chosen, precision=precision, progress=progress, **how)
            with self._lock:
                self._problems[key] = problem
                self._problems.move_to_end(key)
                while len(self._problems) > KEPT_PROBLEMS:
                    self._problems.popitem(last=False)
            own = copy.copy(problem)
            # Calling the encoder puts the given weights into its module for a moment: threads must not share one.
            own.encoder = copy.deepcopy(problem.encoder)
        own.tick = self._give_way
        return own

    def load_for_run(self, suite: SuiteFile, tasks: Sequence[str] | None = None, **how: Any) -> Problem:
        """As `load`, for a run that begins now; it goes first, see `HEAD_START`."""
        own = self.load(suite, tasks, **how)
        own.tick = _nothing
        self._waits_until = time.monotonic() + HEAD_START
        return own

    def _give_way(self) -> None:
        while (left := self._waits_until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Let one page compute at a time, so that viewers can't slow a run down together."""
        with self._compute:
            yield

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

    def later(self, key: Any, compute: Callable[[], Any], *, again: bool = False) -> Answer:
        """The answer to `key`, computed once in the background; `again` asks anew after a failure.

        `key` has to hold everything the answer depends on. Errors of the engine become their message.
        """
        with self._lock:
            future = self._answers.get(key)
            if future is None or (again and future.done() and future.exception() is not None):
                future = self._answers[key] = self._pool.submit(self._told, key, compute)
                while len(self._answers) > KEPT_ANSWERS:
                    self._answers.popitem(last=False)[1].cancel()
        if not future.done():
            return Answer()
        if future.cancelled():
            return Answer(error="Too much was asked for at once. Try again.")
        error = future.exception()
        if error is None:
            return Answer(True, future.result())
        if not isinstance(error, MergescopeError | OSError):
            raise error
        return Answer(error=str(error))

    def standing(self, key: Any) -> Standing | None:
        """Where the answer to `key` stands; None while something else is being worked on."""
        return self.progress.standing() if self._at == key else None

    def _told(self, key: Any, compute: Callable[[], Any]) -> Any:
        self._at = key
        try:
            return compute()
        finally:
            self._at = None
            self.progress.finish()

    def close(self) -> None:
        """Drop what waits; what is being computed ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _nothing() -> None:
    """A page's problem is never paused."""


def _stamp(suite: SuiteFile) -> tuple[tuple[str, float], ...]:
    """Changes when the suite file or one of the files it names does."""
    return tuple((str(path), path.stat().st_mtime if path.exists() else 0.0) for path in suite.files())
