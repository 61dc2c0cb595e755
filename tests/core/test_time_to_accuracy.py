"""`tests/bench/time_to_accuracy.py`: whose time counts, when a mark is reached, and what is compared."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from core import methods
from core.learning.watch import Watch
from core.problem.problem import Problem
from core.suite.find import find
from tests.bench.curves import Point, reached, walk
from tests.bench.time_report import PUBLISHED, curves, plain, table
from tests.bench.time_to_accuracy import OWN
from tests.bench.time_to_accuracy import curves as planned


def row(title: str, *points: Point, seed: int = 0, keep: str = "last") -> dict[str, Any]:
    told = [vars(point) for point in points]
    return {"key": title, "suite": "made", "title": title, "values": {"keep_step": keep, "seed": seed}, "points": told}


def test_a_curve_has_the_marks_and_the_model_that_is_kept(problem32: Problem) -> None:
    points = walk(problem32, "adamerging", {"steps": 7, "batch": 4}, marks=(0, 2, 5))
    assert [point.step for point in points] == [0, 2, 5, 7]
    assert [point.learning for point in points] == sorted(point.learning for point in points)
    assert all(0 <= point.accuracy <= 1 for point in points)
    assert [point.step for point in walk(problem32, "average", {})] == [0]


def test_watching_is_told_apart_from_learning(problem32: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Watch.look

    def slow(*given: Any) -> Any:
        begin = time.process_time()
        while time.process_time() < begin + 0.2:
            pass
        return look(*given)

    monkeypatch.setattr(Watch, "look", slow)
    points = walk(problem32, "adamerging", {"steps": 1, "batch": 4})
    assert [point.watching >= 0.2 * looks for point, looks in zip(points, (1, 2), strict=True)] == [True, True]
    assert points[-1].learning < 0.2
    assert Watch.look is slow


def test_watching_counts_for_who_goes_back_by_it() -> None:
    points = [Point(0, 1.0, 5.0, 0.5), Point(9, 2.0, 6.0, 0.7)]
    assert reached(points, 0.7, guarded=False) == 2
    assert reached(points, 0.7, guarded=True) == 8
    assert reached(points, 0.8, guarded=True) is None


def test_a_mark_is_reached_when_the_slowest_seed_is_there() -> None:
    rows = [
        row(PUBLISHED, Point(0, 0.0, 0.0, 0.5), Point(9, 40.0, 0.0, 0.7)),
        row("fast", Point(5, 2.0, 0.0, 0.8)),
        row("fast", Point(5, 4.0, 0.0, 0.7), seed=1),
        row("sometimes", Point(5, 1.0, 0.0, 0.9)),
        row("sometimes", Point(5, 1.0, 0.0, 0.6), seed=1),
    ]
    found = curves(rows)["made"]
    assert found["fast"].reached(0.7) == 4
    assert found["sometimes"].reached(0.7) is None
    lines = [[cell.strip() for cell in line.split("|")][1:-1] for line in table(rows) if line.startswith("| ")][1:]
    assert [line[0] for line in lines] == ["fast", PUBLISHED, "sometimes"]
    assert lines[0] == ["fast", "75.0", "3.0", "4.00", "1/10"]
    assert lines[2] == ["sometimes", "75.0", "1.0", "", ""]
    assert "key" not in plain(rows)[0]


def test_every_single_model_without_labels_is_compared_with_adamerging_as_published(tiny_suite: Path) -> None:
    found = {title: (name, values) for title, name, values in planned(find(str(tiny_suite)))}
    assert set(OWN) <= set(found)
    assert {"samerging", "tsv_m", "fw_soft", "adarank", "regmean"} <= {name for name, _ in found.values()}
    assert not {"individual", "multi_task", "wemoe", "grouped"} & {name for name, _ in found.values()}
    name, values = found[PUBLISHED]
    paper = methods.get("adamerging").Settings().model_dump(mode="json") | {"keep_step": "last"}
    assert (name, values) == ("adamerging", paper)
