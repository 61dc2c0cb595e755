"""λ learned from images of other tasks than the merged ones: experts without images, tasks without an expert."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core import studies
from core.errors import BadInput
from core.problem.problem import Problem
from core.problem.variants import variant
from core.suite.find import find
from tests.core.properties import assert_same_steps, run
from tests.core.study_help import planned
from tests.tiny import make_suite

LEARNED = ("adamerging", "fw_hard", "fw_soft")


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARNED)
def test_an_expert_may_bring_no_images(method: str, problem64: Problem) -> None:
    part = variant(problem64, problem64.tasks, images_from=problem64.tasks[:2])
    steps = run(method, part)
    assert set(steps[-1].losses) == set(problem64.tasks[:2])
    assert steps[-1].coefficients is not None
    assert steps[-1].coefficients.tasks == problem64.tasks
    assert steps[-1].samples < run(method, problem64)[-1].samples


@pytest.mark.parametrize("method", LEARNED)
def test_a_task_may_bring_no_expert(method: str, problem64: Problem) -> None:
    first, *rest = problem64.tasks
    part = variant(problem64, (first,), rest, images_from=problem64.tasks)
    steps = run(method, part)
    assert set(steps[-1].losses) == set(problem64.tasks)
    assert steps[-1].coefficients is not None
    assert steps[-1].coefficients.values.shape[1] == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARNED)
def test_the_merged_tasks_images_are_what_is_learned_from_by_itself(method: str, problem64: Problem) -> None:
    assert_same_steps(
        run(method, variant(problem64, problem64.tasks, images_from=problem64.tasks)), run(method, problem64)
    )


@pytest.mark.slow
def test_resuming_with_images_of_some_tasks_equals_never_having_stopped(problem64: Problem) -> None:
    part = variant(problem64, problem64.tasks, images_from=problem64.tasks[1:])
    whole = run("fw_soft", part)
    assert whole[2].state is not None
    assert_same_steps(run("fw_soft", part, resume=whole[2].state()), whole[3:])


def test_soft_choices_go_on_when_all_experts_are_taken(problem64: Problem) -> None:
    """Three tasks and two experts: the third task chooses among both again instead of getting the first by default."""
    part = variant(problem64, problem64.tasks[:2], problem64.tasks[2:], images_from=problem64.tasks)
    values = run("fw_soft", part, steps=1, rounds=1)[-1].coefficients
    assert values is not None
    assert torch.all(values.values > 0)


def test_an_objective_that_needs_the_experts_says_which_is_missing(problem64: Problem) -> None:
    part = variant(problem64, problem64.tasks[:1], problem64.tasks[1:], images_from=problem64.tasks)
    with pytest.raises(BadInput, match=r"`expert_kl` needs the expert of each task\. Found none for `task1`"):
        run("adamerging", part, objective="expert_kl")


def test_unknown_tasks_are_named(problem64: Problem) -> None:
    with pytest.raises(BadInput, match=r"`images_from` should be among task0.*Found cars"):
        variant(problem64, problem64.tasks, images_from=("cars",))


def test_the_study_holds_tasks_and_images_while_experts_join(tmp_path: Path) -> None:
    tiny = find(str(make_suite(tmp_path, tasks=5)))
    cells = planned(studies.get("experts"), tiny)
    for cell in cells:
        targets = tiny.experts if cell.where["join"] == "relevant" else tiny.experts[: len(tiny.experts) // 2]
        assert set(targets) <= {*cell.tasks, *cell.unseen}
        assert len(cell.tasks) == cell.where["experts"]
        looks = cell.method in LEARNED
        assert set(cell.images_from or cell.tasks) == set(targets) or not looks
        assert looks or not cell.images_from
    counts = {
        join: {c.where["experts"] for c in cells if c.where["join"] == join} for join in ("irrelevant", "relevant")
    }
    assert max(counts["irrelevant"]) == max(counts["relevant"]) == len(tiny.experts)
    assert min(counts["irrelevant"]) == len(tiny.experts) // 2
