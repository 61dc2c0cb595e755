"""Evaluating takes minutes on large suites: it says which task it is at, and how many of all images are done."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress as Display

from core import methods
from core.cli.output import Bar
from core.problem import evaluate as evaluation
from core.problem.method import Outcome
from core.problem.problem import Problem
from core.progress import Progress, Remembered, Standing
from core.runs import runner, session
from core.runs.jobs import Jobs
from core.runs.spec import RunSpec
from core.settings import parse
from core.store import Store
from tests.core.store_help import asked
from tests.tiny import SPLITS
from tests.waiting import until


class Parts:
    """Labels of the pieces of work, each with its total and what was done of it."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, int | None, int]] = []
        self.renamed: list[str] = []

    def start(self, label: str, total: int | None) -> None:
        self.pieces.append((label, total, 0))

    def rename(self, label: str) -> None:
        self.renamed.append(label)

    def advance(self, units: int = 1) -> None:
        label, total, done = self.pieces.pop()
        self.pieces.append((label, total, done + units))

    def finish(self) -> None: ...


@pytest.mark.slow
def test_a_run_counts_the_images_it_evaluates(
    tmp_path: Path, problem32: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, told, images = dataclasses.replace(problem32, micro_batch=5), Parts(), SPLITS["test"]
    with Store.open(tmp_path / "runs") as store:
        method = methods.get("adamerging")
        settings = parse(method.Settings, {"steps": 4, "batch": 4}, method.name)
        spec = RunSpec.of(problem, method, settings, evaluate_every=2)
        monkeypatch.setattr(session, "SAMPLE", 10)
        runner.execute(store, spec.create(store), problem, spec, progress=told)
    counted = [piece for piece in told.pieces if piece[0] != method.title]
    sampled = ("Measuring accuracy on a sample, image", 3 * 10, 3 * 10)
    assert counted.count(sampled) == 2
    assert ("Evaluating", 3 * images, 3 * images) in counted
    assert told.renamed == [f"Evaluating task {place} of 3, image" for place in (1, 2, 3)]
    assert counted[-1][0] == "Storing the merged model"


def test_base_and_experts_are_counted_once_and_then_remembered(problem32: Problem) -> None:
    images, first, again = SPLITS["test"], Parts(), Parts()
    problem = dataclasses.replace(problem32, hashes={name: f"{name} here" for name in ("base", *problem32.tasks)})
    found = evaluation.references(problem, progress=first)
    assert first.pieces == [("Evaluating base and experts, image", 6 * images, 6 * images)]
    assert evaluation.references(problem, progress=again) == found
    assert again.pieces == []


def test_a_renamed_piece_keeps_its_count_and_its_clock() -> None:
    told = Remembered()
    told.rename("nothing yet")
    assert told.standing() is None
    told.start("one", 8)
    told.advance(2)
    told.rename("two")
    now = told.standing()
    assert now is not None
    assert (now.label, now.done, now.total) == ("two", 2, 8)
    assert now.left is not None


def test_what_needs_no_time_is_left_out_of_the_time_left() -> None:
    told, began = Remembered(), time.monotonic()
    told.start("runs", 8)
    time.sleep(0.02)
    told.skip(4)
    assert told.left is None
    told.advance(2)
    now = told.standing()
    assert now is not None
    assert (now.done, now.total) == (2, 4)
    assert 0.02 <= (now.left or 0) <= time.monotonic() - began


def test_a_bar_says_where_the_larger_work_stands() -> None:
    display = Display(disable=True)
    bar = Bar(display)
    bar.at(Standing("", 1, 3, 130.0))
    bar.start("Loading", 5)
    assert [task.description for task in display.tasks] == ["[2/3, 2 min left] Loading"]
    bar.rename("Evaluating")
    assert [task.description for task in display.tasks] == ["[2/3, 2 min left] Evaluating"]


@pytest.mark.slow
def test_whoever_asks_learns_what_a_run_evaluates(
    tmp_path: Path, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, seen = threading.Event(), threading.Event()
    real = session.evaluate_everywhere

    def slow(problem: Problem, outcome: Outcome, progress: Progress) -> Any:
        progress.start("Evaluating task 2 of 3, image", 96)
        progress.advance(40)
        held.set()
        seen.wait(60)
        return real(problem, outcome, progress)

    monkeypatch.setattr(session, "evaluate_everywhere", slow)
    store = Store.open(tmp_path / "runs")
    jobs = Jobs(store)
    run_id = jobs.submit(asked(str(tiny_suite), method="average", device="cpu"))
    assert held.wait(60)
    found = jobs.standing(run_id)
    assert found is not None
    assert (found.label, found.done, found.total) == ("Evaluating task 2 of 3, image", 40, 96)
    seen.set()
    until(lambda: store.run(run_id).status == "done")
    jobs.worker.close()
    store.close()
