"""Images as a stream: each comes once and none is one that accuracy is measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import methods, studies
from core.problem.problem import Problem
from core.studies.engine.done import Done
from core.studies.engine.scope import StudyOptions
from core.suite.find import find
from core.tasks import Images
from tests.core.properties import LEARNING, assert_same_steps, run, settings
from tests.core.study_help import made_up, planned
from tests.core.test_watch import enlarged

STREAM: dict[str, Any] = {"adapt_on": "held-out", "once": True, "steps": 500, "batch": 5}
IMAGES = 24
"""Held-out images of a task of the tiny suite."""


def seen(problem: Problem, **values: Any) -> tuple[int, dict[str, list[int]]]:
    """Steps of AdaMerging, and the images of each task that these draw, in their order."""
    learner = methods.get("adamerging")._learner(problem, settings("adamerging", **values))  # type: ignore[attr-defined]
    drawn: dict[str, list[int]] = {task: [] for task in learner._batches.tasks}
    while not learner.finished():
        for task, stream in learner._batches._streams.items():
            drawn[task] += stream.next().tolist()
        learner.number += 1
    return learner.number, drawn


def test_no_image_comes_a_second_time(problem32: Problem) -> None:
    steps, drawn = seen(problem32, **STREAM)
    assert steps == IMAGES // 5
    assert all(len(set(found)) == len(found) == 5 * steps for found in drawn.values())
    again, repeated = seen(problem32, **{**STREAM, "once": False, "steps": 10})
    assert again == 10
    assert all(len(set(found)) < len(found) for found in repeated.values())


def test_a_stream_ends_with_the_task_that_has_the_fewest_images(problem32: Problem) -> None:
    def load(task: str, split: str) -> Images | None:
        found = problem32.load_images(task, split)
        assert found is not None
        return Images(found.pixels[:11], None) if (task, split) == ("task1", "held-out") else found

    assert seen(replace(problem32, load_images=load), **STREAM)[0] == 2


def test_watched_images_are_no_part_of_a_stream(problem32: Problem) -> None:
    problem = enlarged(problem32, 4)
    learner = methods.get("adamerging")._learner(problem, settings("adamerging", **STREAM))  # type: ignore[attr-defined]
    _, drawn = seen(problem, **STREAM)
    for task, found in drawn.items():
        apart = set(learner.watch.apart[task].tolist())
        assert len(apart) == IMAGES
        assert len(found) == 70  # 72 are left, and batches are whole.
        assert not apart & set(found)


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARNING)
def test_a_stream_is_the_beginning_of_the_endless_run(method: str, problem32: Problem) -> None:
    """Bit for bit; the experts' answers, where they are asked for, are computed batch by batch."""
    fixed = {"keep_step": "last"} | ({"masks": "on"} if method == "best" else {})  # Else their number decides.
    streamed = run(method, problem32, **STREAM, **fixed)
    same = run(method, problem32, **{**STREAM, "once": False, "steps": IMAGES // 5}, **fixed)
    assert_same_steps(streamed, same)
    assert sum(step.samples for step in streamed) == 3 * 5 * (IMAGES // 5)


@pytest.mark.slow
def test_a_stopped_stream_goes_on_as_if_it_had_not(problem32: Problem) -> None:
    whole = run("adamerging", problem32, **STREAM)
    assert whole[2].state is not None
    assert_same_steps(run("adamerging", problem32, resume=whole[2].state(), **STREAM), whole[3:])


@pytest.mark.slow
def test_a_stream_opens_no_test_image_while_it_learns(problem32: Problem) -> None:
    asked = set()

    def load(task: str, split: str) -> Images | None:
        asked.add(split)
        return problem32.load_images(task, split)

    run("adamerging", replace(problem32, load_images=load), **STREAM)
    assert asked == {"held-out"}


def place(one: Done) -> Any:
    return one.cell.where.get("way")


@pytest.mark.slow
def test_the_accuracy_study_tells_a_stream_from_the_method_itself(tiny_suite: Path) -> None:
    study, suite = studies.get("accuracy"), find(str(tiny_suite))
    chosen = ["task_arithmetic", "adamerging"]
    cells = [cell for cell in planned(study, suite, methods=chosen) if "way" in cell.where]
    assert [(cell.settings["adapt_on"], cell.settings["once"], cell.seed) for cell in cells] == [
        ("held-out", True, seed) for seed in (0, 1, 2)
    ]
    done = made_up(study, suite, methods=chosen)
    scope = study.scope(suite, StudyOptions(methods=tuple(chosen)))
    result = study.result(scope, done)
    for table in result.tables:
        assert {row.label for row in table.rows} == {"Task Arithmetic", "AdaMerging", "AdaMerging on a stream"}
    for label, way in (("AdaMerging", None), ("AdaMerging on a stream", "stream")):
        own = [
            one.accuracy() or 0 for one in done if (one.cell.method, one.cell.where.get("way")) == ("adamerging", way)
        ]
        (row,) = (row for row in result.tables[0].rows if row.label == label)
        assert row.values[-1] is not None
        assert row.values[-1].mean == pytest.approx(sum(own) / 3)
    assert any("each used once" in text for text in result.findings)
    failed = [
        replace(one, report=None, error="no held-out images") if one.cell.where.get("way") else one for one in done
    ]
    found = study.result(scope, failed).findings
    assert "AdaMerging on a stream has no result: no held-out images" in found
