"""The background worker: one thing after the other in a lane, lanes side by side, and nobody asks again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from core.errors import BadInput, Cancelled
from core.runs.work import Closing, Lane, QueueFull, State, Work, Worker

CPU, GPU = Lane("runs", "cpu"), Lane("runs", "cuda")


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def held(work: Work[str]) -> str:
    """Goes on until it is stopped."""
    while True:
        work.control.tick()
        time.sleep(0.005)


def test_a_lane_does_one_thing_after_the_other_and_lanes_do_not_wait_for_each_other(worker: Worker) -> None:
    first, second = worker.submit(Work(CPU, "a", held)), worker.submit(Work(CPU, "b", lambda _work: "made"))
    other = worker.submit(Work(GPU, "c", lambda _work: "made elsewhere"))
    assert worker.wait(lambda: other.ready, 30)
    assert (first.state, second.state, other.value) == (State.RUNNING, State.QUEUED, "made elsewhere")
    assert [worker.position(work) for work in (first, second, other)] == [0, 1, None]
    assert worker.going("runs") == [first, second]
    assert worker.find("runs", "b") is second
    worker.cancel(first)
    assert worker.wait(lambda: not second.pending, 30)
    assert (first.state, second.state, second.value) == (State.CANCELLED, State.DONE, "made")
    assert worker.find("runs", "b") is None


def test_a_full_lane_and_a_closed_one_refuse_by_their_own_names(worker: Worker) -> None:
    worker.submit(Work(CPU, "a", held, "the first"), limit=1)
    worker.submit(Work(CPU, "b", held), limit=1)
    with pytest.raises(QueueFull, match="behind the first"):
        worker.submit(Work(CPU, "c", held), limit=1, full="Wait behind {}.")
    worker.submit(Work(GPU, "d", held), limit=1)
    worker.close()
    with pytest.raises(Closing, match="shutting down"):
        worker.submit(Work(CPU, "e", held))
    assert issubclass(QueueFull, BadInput)
    assert not issubclass(Closing, QueueFull)


def test_what_leaves_the_queue_before_its_turn_is_noted_before_anybody_is_told(worker: Worker) -> None:
    noted: list[str] = []
    going = worker.submit(Work(CPU, "a", held, note=noted.append))
    waits, too = (worker.submit(Work(CPU, key, held, note=noted.append)) for key in "bc")
    worker.cancel(waits)
    assert (waits.state, noted) == (State.CANCELLED, ["cancelled"])
    worker.close()
    assert (going.state, too.state, noted) == (State.INTERRUPTED, State.INTERRUPTED, ["cancelled", "interrupted"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failures_are_told_and_do_not_stop_the_lane(worker: Worker) -> None:
    def odd(_work: Work[None]) -> None:
        raise ZeroDivisionError

    def known(_work: Work[None]) -> None:
        raise BadInput("too small")

    mistake, failure = worker.submit(Work(CPU, 1, odd)), worker.submit(Work(CPU, 2, known))
    after = worker.submit(Work(CPU, 3, str))
    assert worker.wait(lambda: after.ready, 30)
    assert (mistake.state, failure.state, failure.error) == (State.FAILED, State.FAILED, "too small")
    assert "bug in Mergescope" in mistake.error
    for thread in threading.enumerate():
        if thread.name.startswith("runs cpu"):
            thread.join(30)


def test_whoever_cancels_a_work_cancels_what_it_waits_for(worker: Worker) -> None:
    run = worker.submit(Work(CPU, "run", held))
    study = worker.submit(Work(Lane("studies"), "study", lambda work: worker.wait_for(run, work)))
    worker.cancel(study)
    assert worker.wait(lambda: not run.pending and not study.pending, 30)
    assert run.state is State.CANCELLED


def test_giving_way_ends_with_the_time_taken_or_with_the_process(worker: Worker) -> None:
    worker.give_way()
    worker.take(0.2)
    began = time.monotonic()
    worker.give_way()
    assert time.monotonic() - began >= 0.2
    worker.take(60)
    threading.Timer(0.1, worker.close).start()
    with pytest.raises(Cancelled):
        worker.give_way()
    assert time.monotonic() - began < 30


def test_nobody_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paused run, what waits behind it, what waits for it and what gives way to it sleep until something changes."""
    others = set(threading.enumerate())  # What earlier tests left, such as the monitor of a progress bar.
    worker = Worker()
    looks: list[object] = []
    paused = worker.submit(Work(CPU, "run", held))
    paused.control.pause()
    worker.submit(Work(Lane("studies"), "study", lambda work: worker.wait_for(paused, work)))
    worker.submit(Work(CPU, "next", held))
    worker.take(60)
    threading.Thread(target=pytest.raises, args=(Cancelled, worker.give_way), daemon=True).start()
    time.sleep(0.3)
    wait, sleep = threading.Condition.wait, time.sleep

    def look(seconds: float | None) -> None:
        if threading.current_thread() not in others:
            looks.append(seconds)

    def waits(condition: threading.Condition, timeout: float | None = None) -> bool:
        look(timeout)
        return wait(condition, timeout)

    def sleeps(seconds: float) -> None:
        look(seconds)
        sleep(seconds)

    monkeypatch.setattr(threading.Condition, "wait", waits)
    monkeypatch.setattr(time, "sleep", sleeps)
    sleep(0.5)
    monkeypatch.undo()
    worker.close()
    assert looks == []
