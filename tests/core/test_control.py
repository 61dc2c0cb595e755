"""Pausing, cancelling and timing of a run."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import methods
from core.control import Control
from core.errors import Cancelled
from core.problem.method import Step
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.settings import MethodSettings
from core.store import Store
from tests.core.store_help import start


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


@pytest.fixture
def problem(problem32: Problem) -> Problem:
    return dataclasses.replace(problem32)


@pytest.mark.slow
def test_pausing_is_seen_in_the_store_and_takes_no_time_of_the_run(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem, steps=5)
    control = Control()
    done = threading.Event()

    def pause(step: Step) -> None:
        if step.number == 2:
            control.pause()

    def work() -> None:
        runner.execute(store, run_id, problem, spec, control=control, on_step=pause)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 20
    while store.run(run_id).status != "paused":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.6)
    assert not done.is_set()
    assert store.run(run_id).steps_done == 2
    control.resume()
    thread.join(30)
    assert done.is_set()
    assert store.run(run_id).seconds == 6 * 0.5


def test_a_paused_run_can_be_cancelled(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem)
    control = Control()
    control.pause()
    timer = threading.Timer(0.2, control.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        runner.execute(store, run_id, problem, spec, control=control)
    timer.join()
    assert store.run(run_id).status == "cancelled"


def test_a_tick_reacts_within_a_tenth_of_a_second() -> None:
    control = Control()
    control.tick()
    for act in (control.resume, control.cancel):
        control.pause()
        acted: list[float] = []

        def later(act: Any = act, acted: list[float] = acted) -> None:
            acted.append(time.monotonic())
            act()

        timer = threading.Timer(0.15, later)
        timer.start()
        try:
            control.tick()
        except Cancelled:
            assert act == control.cancel
        assert time.monotonic() - acted[0] < 0.1
        timer.join()


@pytest.mark.slow
def test_seconds_do_not_follow_the_clock_of_the_wall(
    store: Store, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = itertools.cycle([4e9, 0.0, -4e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    method, settings = methods.get("average"), MethodSettings()
    spec = RunSpec.of(problem, method, settings)
    report = runner.execute(store, spec.create(store), problem, spec)
    assert 0 < report["seconds"] < 60
