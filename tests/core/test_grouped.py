"""Grouped merging: who goes with whom, what is shared, and that it is composed of the other methods."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from core.insight.similarity import similarity
from core.methods.grouped import partition, trunk
from core.problem.grouping import block_of
from core.problem.problem import Problem
from tests.core.properties import assert_close, merged, run, with_experts


def paired(problem: Problem) -> Problem:
    """Four tasks: 0 goes with 1, 2 with 3, and the pairs have nothing in common."""
    vectors = problem.task_vectors
    random = torch.Generator().manual_seed(1)
    left, right, *own = torch.randn(6, vectors.origin.numel(), dtype=torch.float64, generator=random) * 0.02
    rows = {f"task{i}": (left, left, right, right)[i] + 0.6 * own[i] for i in range(4)}
    heads = dict(problem.heads) | {"task3": problem.heads["task0"]}
    return replace(with_experts(problem, rows), heads=heads)


def serve(problem: Problem, task: str, **values: object) -> dict[str, Tensor]:
    """The weights that serve a task."""
    outcome = run("grouped", problem, **values)[-1].outcome
    assert outcome is not None
    return dict(outcome.weights_for(task))


def subset(problem: Problem, *tasks: str) -> Problem:
    """The same problem with these experts."""
    vectors = problem.task_vectors
    return with_experts(problem, {task: vectors.deltas[vectors.tasks.index(task)] for task in tasks})


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 2])
def test_similar_tasks_share_a_model(count: int, problem64: Problem) -> None:
    problem = paired(problem64)
    assert partition(similarity(problem.task_vectors), count) == [("task0", "task1"), ("task2", "task3")]
    for within in ("tsv_m", "task_arithmetic"):
        for group in (("task0", "task1"), ("task2", "task3")):
            expected = merged(within, subset(problem, *group), group[0])
            for task in group:
                assert_close(serve(problem, task, groups=count, within=within), expected)


def test_as_many_models_as_tasks_are_the_experts(problem64: Problem) -> None:
    for task in problem64.tasks:
        assert_close(serve(problem64, task, groups=3), problem64.task_vectors.expert(task))
        assert_close(serve(problem64, task, groups=99), problem64.task_vectors.expert(task))


def test_one_group_is_the_method_itself(problem64: Problem) -> None:
    assert_close(serve(problem64, "task1", groups=1, within="iso_c"), merged("iso_c", problem64, "task1"))


def test_without_advice_there_is_one_group(problem64: Problem) -> None:
    """Random task vectors of three tasks have no groups."""
    assert partition(similarity(problem64.task_vectors), 0) == [problem64.tasks]


def test_tasks_outside_the_advised_groups_are_merged_together(problem64: Problem) -> None:
    problem = paired(problem64)
    rows = dict(zip(problem.tasks, problem.task_vectors.deltas, strict=True))
    random = torch.Generator().manual_seed(9)
    rows["task3"] = 0.02 * torch.randn(rows["task0"].shape, dtype=torch.float64, generator=random)
    found = partition(similarity(with_experts(problem, rows).task_vectors), 0)
    assert found == [("task0", "task1"), ("task2", "task3")]


def test_a_trunk_is_shared_and_the_branches_are_not(problem64: Problem) -> None:
    problem = paired(problem64)
    whole, one, other = merged("average", problem, "task0"), *(
        serve(problem, task, groups=2, trunk=1, within="average") for task in ("task0", "task2")
    )  # fmt: skip
    alone = serve(problem, "task0", groups=2, within="average")
    for name in problem.task_vectors.names:
        shared = block_of(name) in ("embedding", "block 0")
        torch.testing.assert_close(one[name], whole[name] if shared else alone[name], rtol=0, atol=1e-14)
        assert torch.equal(one[name], other[name]) == shared


@pytest.mark.slow
def test_the_trunk_ends_where_the_tasks_begin_to_disagree(problem64: Problem) -> None:
    problem = paired(problem64)
    vectors = problem.task_vectors
    alike, names = vectors.deltas.clone(), vectors.names
    for span, name in zip(vectors.spans, names, strict=True):
        if block_of(name) in ("embedding", "block 0"):
            alike[:, span] = alike[0, span] * torch.tensor([[1.0], [1.1], [0.9], [1.2]])
    problem = with_experts(problem, dict(zip(vectors.tasks, alike, strict=True)))
    assert trunk(similarity(problem.task_vectors)) == 1
    assert trunk(similarity(paired(problem64).task_vectors)) == 0
    for task in ("task0", "task2"):
        assert_close(serve(problem, task, groups=2, trunk=-1), serve(problem, task, groups=2, trunk=1), 0)


def test_a_task_without_an_expert_gets_the_base(problem64: Problem) -> None:
    assert_close(serve(subset(problem64, "task0", "task1"), "task2"), problem64.task_vectors.base, 0)


def test_several_models_cannot_be_exported_as_one(cli: object, suite: object, tmp_path: object) -> None:
    answer = cli("merge", suite, "--method", "grouped", "--out", tmp_path / "m.safetensors")  # type: ignore[operator]
    answer.refused("`--out` needs a method that makes one model", "grouped")
