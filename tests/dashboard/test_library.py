"""Work that the pages have done in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.errors import BadInput
from core.progress import Progress
from core.runs.work import Lane, Work
from dashboard.door import told
from dashboard.library import Library


@pytest.fixture(scope="module")
def library(tiny_suite: Path) -> Library:
    return Library(device="cpu", precision="float32", extra=(str(tiny_suite),))


def test_background_work_says_where_it_stands_until_it_ends_in_whatever_way() -> None:
    library, held, seen = Library(), threading.Event(), threading.Event()

    def work(told: Progress) -> None:
        told.start("Evaluating base and experts, image", 96)
        told.advance(40)
        held.set()
        seen.wait(30)
        raise BadInput("enough")

    asked = library.later("key", work)
    assert asked.pending
    assert held.wait(30)
    now = library.doing()
    assert now is not None
    assert told(asked)["pending"].label == now.label
    another = library.later("another", lambda _told: None)  # Guests learn nothing of what others asked for.
    assert told(another)["pending"].label == "Waiting until other measurements are done"
    assert (now.label, now.done, now.total) == ("Evaluating base and experts, image", 40, 96)
    seen.set()
    while (answer := library.later("key", work)).pending:
        time.sleep(0.01)
    assert answer.error == "enough"
    while another.pending:
        time.sleep(0.01)
    assert library.doing() is None
    library.worker.close()


@pytest.mark.slow
def test_a_run_that_begins_goes_first(tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.library.HEAD_START", 0.3)
    library = Library(device="cpu", precision="float32", extra=(str(tiny_suite),))
    page = library.problem("tiny")
    page.tick()
    began = time.monotonic()
    run = library.load_for_run(library.suite("tiny"), device="cpu", precision="float32")
    loaded = time.monotonic()
    run.tick()
    assert time.monotonic() - loaded < 0.2
    page.tick()
    assert time.monotonic() - began >= 0.3


@pytest.mark.slow
def test_each_caller_gets_a_problem_of_its_own(library: Library) -> None:
    first, second = library.problem("tiny"), library.problem("tiny")
    assert first.task_vectors is second.task_vectors
    assert first.encoder is not second.encoder

    def stop() -> None:
        raise AssertionError("another caller's tick was called")

    first.tick = stop
    second.logits(second.task_vectors.base, "task0", second.images("task0")[:2])


def test_a_background_answer_is_computed_once_and_failures_are_told(library: Library) -> None:
    calls: list[int] = []

    def compute(_told: object) -> int:
        calls.append(1)
        return 7

    def fail(_told: object) -> None:
        raise BadInput("too small")

    deadline = time.monotonic() + 30
    while not (answer := library.later("answer", compute)).ready:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (answer.value, calls) == (7, [1])
    while not (failed := library.later("failure", fail)).error:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert failed.error == "too small"


class Stepwise:
    """Something that is computed in steps, which are counted, until it may end."""

    def __init__(self) -> None:
        self.steps, self.end = 0, threading.Event()

    def __call__(self, told: Progress) -> str:
        told.start("Measuring", None)
        while not self.end.wait(0.001):
            told.advance()
            self.steps += 1
        return "measured"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_a_guest_waits_for_is_the_owner_s_once_he_asks() -> None:
    library, slow = Library(), Stepwise()
    guests = library.for_guests()
    asked = guests.later("guest", slow)
    until(lambda: slow.steps > 3)
    assert library.later("guest", slow) is asked
    waits, again = guests.later("waits", lambda _told: 1), library.later("waits", lambda _told: 2)
    assert (waits.pending, again is waits) == (False, False)
    until(lambda: again.ready)
    slow.end.set()
    until(lambda: asked.ready)
    assert guests.later("waits", slow).value == 2
    library.worker.close()


def test_what_a_guest_has_computed_ends_when_nobody_asks_for_it_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    library, slow = Library(), Stepwise()
    guests = library.for_guests()
    first = guests.later("key", slow)
    asked = first.asked
    until(lambda: slow.steps > 3)
    assert guests.later("key", slow) is first
    assert first.asked > asked
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.library.GONE", 0)
        until(lambda: not first.pending)
    slow.end.set()
    second = guests.later("key", slow)
    until(lambda: second.ready)
    assert (first.ready, second.value) == (False, "measured")
    library.worker.close()


@pytest.mark.parametrize("lane", [Lane("runs"), Lane("studies"), Lane("pages"), None])
def test_what_a_guest_has_computed_rests_beside_a_run_and_what_the_owner_asked_for(
    lane: Lane | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, first, rests = Library(), Stepwise(), list[float]()
    monkeypatch.setattr("core.runs.work._LOOK_SECONDS", 60)
    clock = SimpleNamespace(
        sleep=rests.append, thread_time=time.thread_time, monotonic=lambda: time.monotonic() + sum(rests)
    )
    monkeypatch.setattr("core.runs.work.time", clock)

    def work(told: Progress) -> None:
        begin = time.thread_time()
        while time.thread_time() - begin < 0.01:
            pass
        told.start("rests", None)

    if lane is not None:
        library.worker.submit(Work(lane, "first", lambda work: first(work.progress)))
    until(lambda: library.for_guests().later("guest", work).ready)
    assert [rest >= 0.12 for rest in rests] == [True] * (lane is not None)
    first.end.set()
    until(lambda: library.later("owner", work).ready)
    assert len(rests) == (lane is not None)
    library.worker.close()


def test_what_a_guest_has_loaded_rests_beside_a_run_until_others_wait_for_it(
    tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, run, rests, ticks, end = (
        Library(extra=(str(tiny_suite),)),
        Stepwise(),
        list[float](),
        count(),
        threading.Event(),
    )

    def load(*_args: object, progress: Progress, **_how: object) -> SimpleNamespace:
        while not end.is_set():
            progress.start("files", next(ticks))
        return SimpleNamespace(encoder=None)

    monkeypatch.setattr("core.problem.loading.load", load)
    monkeypatch.setattr(
        "core.runs.work.time", SimpleNamespace(sleep=rests.append, monotonic=lambda: time.monotonic() + sum(rests))
    )
    library.worker.submit(Work(Lane("runs"), "run", lambda work: run(work.progress)))
    guests = library.for_guests()
    guest = guests.later("guest", lambda told: guests.problem("tiny", progress=told) and None)
    until(lambda: len(rests) > 3)
    waits = threading.Thread(target=library.problem, args=("tiny",))
    waits.start()
    until(lambda: library._wanted.total() == 1)
    before, ticked = len(rests), next(ticks)
    until(lambda: next(ticks) > ticked + 50)
    assert len(rests) <= before + 1
    for one in (end, run.end):
        one.set()
    until(lambda: guest.ready)
    waits.join()
    library.worker.close()
