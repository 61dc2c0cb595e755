"""Runs in the background: one at a time, in order, and nobody's mistake stops the queue."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, BadSuite, StoreReadOnly, UnknownName
from core.problem.problem import Problem
from core.runs.jobs import Jobs
from core.runs.spec import RunSpec
from core.store import Store
from tests.core.store_help import asked
from tests.waiting import until

LONG = {"steps": 100_000, "batch": 1}
SHORT = {"steps": 3, "batch": 2}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


@pytest.fixture
def jobs(store: Store) -> Iterator[Jobs]:
    jobs = Jobs(store, limit=3)
    yield jobs
    jobs.worker.close()
    assert jobs.active() == []


@pytest.fixture
def request_for(tiny_suite: Path) -> Callable[..., RunSpec]:
    def make(settings: dict[str, Any], **changes: Any) -> RunSpec:
        facts = {"suite": str(tiny_suite), "device": "cpu", "precision": "float32", "settings": settings}
        return asked(**facts | changes)

    return make


def reaches(store: Store, run_id: str, *statuses: str) -> None:
    until(lambda: store.run(run_id).status in statuses)


def test_a_submitted_run_is_done_in_the_background(
    jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]
) -> None:
    run_id = jobs.submit(request_for(SHORT, tasks=("task2", "task0"), evaluate_every=1, name="mine"))
    reaches(store, run_id, "done", "failed")
    found = store.run(run_id)
    assert (found.status, found.error, found.name) == ("done", None, "mine")
    assert (found.tasks, found.steps, found.steps_done) == (("task0", "task2"), 3, 3)
    assert set(found.hashes) == {"base", "task0", "task2"}
    assert found.execution.threads
    assert {e.step for e in store.evaluations(run_id)} == {0, 1, 2, 3}
    assert found.settings["lr"] == 1e-3
    until(lambda: jobs.position(run_id) is None)


@pytest.mark.slow
def test_runs_of_one_device_wait_for_each_other(jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]) -> None:
    ids = [jobs.submit(request_for(LONG | {"seed": seed})) for seed in range(3)]
    assert [jobs.position(run_id) for run_id in ids] == [0, 1, 2]
    assert jobs.active() == ids
    until(lambda: store.run(ids[0]).steps_done > 1)
    assert [store.run(run_id).status for run_id in ids] == ["running", "queued", "queued"]
    jobs.cancel(ids[1])
    assert (store.run(ids[1]).status, jobs.position(ids[2])) == ("cancelled", 1)
    jobs.cancel(ids[0])
    reaches(store, ids[0], "cancelled")
    until(lambda: store.run(ids[2]).steps_done > 1)
    assert jobs.position(ids[2]) == 0
    assert store.run(ids[1]).steps_done == 0


def test_a_double_click_starts_one_run(jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]) -> None:
    first = jobs.submit(request_for(LONG))
    again = request_for(dict(LONG))
    checked = dataclasses.replace(again.execution, check=("moves away from task0",))
    assert jobs.submit(dataclasses.replace(again, execution=checked)) == first
    other = jobs.submit(request_for(LONG | {"seed": 1}))
    assert other != first
    assert len(store.runs()) == 2


def test_the_same_wish_later_is_another_run(
    jobs: Jobs, store: Store, request_for: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = jobs.submit(request_for(LONG))
    monkeypatch.setattr("core.runs.jobs._DOUBLE_CLICK", 0.0)
    assert jobs.submit(request_for(LONG)) != first


def test_simultaneous_clicks_start_one_run(jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(jobs.submit(request_for(LONG)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == len(store.runs()) == 1


def test_a_cancelled_run_can_be_asked_for_again_at_once(
    jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]
) -> None:
    first = jobs.submit(request_for(LONG))
    jobs.cancel(first)
    reaches(store, first, "cancelled")
    assert jobs.submit(request_for(LONG)) != first


def test_the_queue_is_bounded(jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]) -> None:
    for seed in range(4):
        jobs.submit(request_for(LONG | {"seed": seed}))
    with pytest.raises(BadInput, match="At most 3 runs"):
        jobs.submit(request_for(LONG | {"seed": 9}))
    assert len(store.runs()) == 4


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"method": "magic"}, UnknownName, "magic"),
        ({"settings": {"stepz": 3}}, UnknownName, "stepz"),
        ({"settings": {"steps": -3}}, BadInput, "steps"),
        ({"tasks": ("nothing",)}, UnknownName, "nothing"),
        ({"tasks": ()}, BadInput, "tasks"),
        ({"suite": "nowhere"}, UnknownName, "nowhere"),
        ({"suite": "nowhere.yaml"}, BadSuite, "nowhere"),
        ({"device": "toaster"}, BadInput, "toaster"),
        ({"evaluate_every": -1}, BadInput, "evaluate_every"),
        ({"precision": "float3"}, UnknownName, "float3"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_before_anything_is_stored(
    jobs: Jobs,
    store: Store,
    request_for: Callable[..., RunSpec],
    changes: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        jobs.submit(request_for(**{"settings": SHORT} | changes))
    assert store.runs() == []


def test_pause_and_resume(jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]) -> None:
    run_id = jobs.submit(request_for(LONG))
    until(lambda: store.run(run_id).steps_done > 1)
    jobs.pause(run_id)
    reaches(store, run_id, "paused")
    steps = store.run(run_id).steps_done
    time.sleep(0.3)
    assert store.run(run_id).steps_done == steps
    jobs.resume(run_id)
    until(lambda: store.run(run_id).steps_done > steps)
    assert store.run(run_id).status == "running"


@pytest.mark.slow
def test_a_stopped_run_restarts_where_it_was(jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]) -> None:
    run_id = jobs.submit(request_for({"steps": 40, "batch": 1}))
    until(lambda: store.run(run_id).steps_done > 3)
    jobs.cancel(run_id)
    reaches(store, run_id, "cancelled")
    before = [s.coefficients.tobytes() for s in store.steps(run_id) if s.coefficients is not None]
    until(lambda: jobs.position(run_id) is None)
    assert jobs.restart(run_id).key == run_id
    assert jobs.restart(run_id).key == run_id
    reaches(store, run_id, "done", "failed")
    assert store.run(run_id).status == "done"
    after = [s.coefficients.tobytes() for s in store.steps(run_id) if s.coefficients is not None]
    assert 4 < len(before) < len(after) == 41
    assert after[: len(before)] == before
    until(lambda: jobs.position(run_id) is None)
    with pytest.raises(BadInput, match="done"):
        jobs.restart(run_id)


@pytest.mark.slow
def test_a_queued_run_of_an_earlier_process_restarts(store: Store, request_for: Callable[..., RunSpec]) -> None:
    first = Jobs(store)
    going, waiting = first.submit(request_for(LONG)), first.submit(request_for(SHORT))
    first.worker.close()
    assert [store.run(run_id).status for run_id in (going, waiting)] == ["interrupted"] * 2
    with pytest.raises(BadInput, match="shutting down"):
        first.submit(request_for(SHORT))
    second = Jobs(store)
    second.restart(waiting)
    reaches(store, waiting, "done", "failed")
    assert store.run(waiting).status == "done"
    assert set(store.run(waiting).hashes) == {"base", "task0", "task1", "task2"}
    second.worker.close()


@pytest.mark.slow
def test_a_run_that_fails_does_not_stop_the_queue(
    store: Store, request_for: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.problem import loading

    troubles = iter([BadSuite("the images are gone"), None])

    def load(*args: Any, **kwargs: Any) -> Problem:
        trouble = next(troubles)
        if trouble is not None:
            raise trouble
        return loading.load(*args, **kwargs)

    jobs = Jobs(store, load=load)
    first, second = jobs.submit(request_for(SHORT)), jobs.submit(request_for(SHORT | {"seed": 1}))
    reaches(store, second, "done", "failed")
    assert (store.run(first).status, store.run(first).error) == ("failed", "the images are gone")
    assert store.run(second).status == "done"
    jobs.worker.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_unexpected_is_noted_and_does_not_stop_the_queue(store: Store, request_for: Callable[..., RunSpec]) -> None:
    from core.problem import loading

    calls: list[int] = []

    def load(*args: Any, **kwargs: Any) -> Problem:
        calls.append(1)
        return loading.load(*args, **kwargs) if len(calls) > 1 else Problem()  # type: ignore[arg-type]

    jobs = Jobs(store, load=load)
    first, second = jobs.submit(request_for(SHORT)), jobs.submit(request_for(SHORT | {"seed": 1}))
    reaches(store, second, "done", "failed")
    assert store.run(first).status == "failed"
    assert "Unexpected TypeError" in (store.run(first).error or "")
    assert store.run(second).status == "done"
    jobs.worker.close()


@pytest.mark.slow
def test_what_is_not_going_on_cannot_be_changed(jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]) -> None:
    run_id = jobs.submit(request_for(SHORT))
    reaches(store, run_id, "done")
    until(lambda: jobs.position(run_id) is None)
    for act in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(BadInput, match="is done"):
            act(run_id)
        with pytest.raises(UnknownName):
            act("../../etc")
    with pytest.raises(UnknownName):
        jobs.restart("0" * 12)


def test_a_read_only_store_starts_nothing(store: Store, request_for: Callable[..., RunSpec]) -> None:
    with Store.open(store.folder, wait=0.1) as reader:
        jobs = Jobs(reader)
        with pytest.raises(StoreReadOnly):
            jobs.submit(request_for(SHORT))
        assert jobs.active() == []


@pytest.mark.slow
def test_shutting_down_takes_no_longer_than_a_step(store: Store, request_for: Callable[..., RunSpec]) -> None:
    jobs = Jobs(store)
    run_id = jobs.submit(request_for(LONG))
    until(lambda: store.run(run_id).steps_done > 1)
    begin = time.monotonic()
    jobs.worker.close()
    assert time.monotonic() - begin < 2
    assert store.run(run_id).status == "interrupted"
    assert store.last_state(run_id) is not None


def test_the_same_method_on_another_suite_is_no_double_click(
    jobs: Jobs, store: Store, request_for: Callable[..., RunSpec]
) -> None:
    asked_for = request_for(LONG)
    first = jobs.submit(asked_for)
    assert jobs.submit(dataclasses.replace(asked_for, suite="other", origin="other.yaml")) != first
    assert jobs.submit(dataclasses.replace(asked_for, name="mine")) != first
