"""Ordering and advice from known relations of task vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.insight.advice import PULLING, Advice, advise, branch, depth_profile, groups, ordering
from core.insight.similarity import ALL, Relation, Similarity, similarity
from core.problem.grouping import by_depth
from core.problem.loading import load
from core.suite.find import find

# AdaMerging (ICLR 2024), figure 4: SUN397 Cars RESISC45 EuroSAT SVHN GTSRB MNIST DTD
PAPER = [
    [1.0, 0.03, 0.04, 0.03, 0.02, 0.03, 0.03, 0.04],
    [0.03, 1.0, 0.03, 0.03, 0.02, 0.03, 0.03, 0.03],
    [0.04, 0.03, 1.0, 0.07, 0.03, 0.04, 0.03, 0.04],
    [0.03, 0.03, 0.07, 1.0, 0.05, 0.04, 0.04, 0.04],
    [0.02, 0.02, 0.03, 0.05, 1.0, 0.08, 0.15, 0.03],
    [0.03, 0.03, 0.04, 0.04, 0.08, 1.0, 0.07, 0.04],
    [0.03, 0.03, 0.03, 0.04, 0.15, 0.07, 1.0, 0.03],
    [0.04, 0.03, 0.04, 0.04, 0.03, 0.04, 0.03, 1.0],
]
TASKS = ("SUN397", "Cars", "RESISC45", "EuroSAT", "SVHN", "GTSRB", "MNIST", "DTD")


def relation(cosine: object, norms: object = None, conflict: object = None) -> Relation:
    matrix = torch.tensor(np.asarray(cosine, np.float64))
    count = len(matrix)
    lengths = torch.ones(count) if norms is None else torch.tensor(norms)
    signs = torch.full((count, count), 0.5) if conflict is None else torch.tensor(conflict)
    return Relation(matrix, lengths.double(), signs.double())


def related(overall: Relation, tasks: tuple[str, ...] | None = None, **blocks: Relation) -> Similarity:
    names = tasks or tuple("abcdefgh"[: len(overall.norms)])
    return Similarity(names, {ALL: overall, **{name.replace("_", " "): found for name, found in blocks.items()}})


def pair(value: float) -> Relation:
    return relation([[1.0, value], [value, 1.0]])


def kinds(found: list[Advice]) -> list[str]:
    return [advice.kind for advice in found]


def test_ordering_puts_similar_tasks_side_by_side() -> None:
    leaves = ordering(relation(PAPER)).leaves
    assert sorted(leaves) == list(range(8))
    assert abs(leaves.index(4) - leaves.index(6)) == 1
    assert abs(leaves.index(2) - leaves.index(3)) == 1


def test_ordering_does_not_depend_on_the_order_of_the_tasks() -> None:
    random = np.random.default_rng(0)  # without ties, which average linkage may break either way
    cosine = np.triu(random.uniform(0, 0.5, (8, 8)), 1)
    cosine += cosine.T + np.eye(8)
    shuffled = random.permutation(8)
    first, second = ordering(relation(cosine)), ordering(relation(cosine[np.ix_(shuffled, shuffled)]))
    np.testing.assert_allclose(first.tree[:, 2], second.tree[:, 2])


def test_ordering_copes_with_a_zero_task_vector_and_with_one_task() -> None:
    nan = float("nan")
    assert sorted(ordering(relation([[1, nan, 0.2], [nan, nan, nan], [0.2, nan, 1]])).leaves) == [0, 1, 2]
    assert ordering(relation([[1.0]])).leaves == (0,)


def test_the_papers_digit_tasks_are_found_as_a_group() -> None:
    assert groups(relation(PAPER)) == [(4, 6)]
    found = advise(related(relation(PAPER), TASKS))
    assert kinds(found) == ["group", "calm"]
    assert "SVHN and MNIST (mean cosine 0.15)" in found[0].text
    assert found[0].tasks == ("SVHN", "MNIST")


def test_equally_related_tasks_form_no_group() -> None:
    even = np.full((5, 5), 0.1)
    np.fill_diagonal(even, 1)
    assert groups(relation(even.tolist())) == []


@pytest.mark.parametrize(
    ("cosine", "conflict", "told"), [(PULLING - 0.1, 0.5, True), (0.0, 0.6, True), (0.0, 0.5, False)]
)
def test_pairs_that_pull_against_each_other_are_named(cosine: float, conflict: float, told: bool) -> None:
    both = relation([[1, cosine], [cosine, 1]], conflict=[[0, conflict], [conflict, 0]])
    found = advise(related(both), titles={"a": "Cats", "b": "Dogs"})
    assert ("conflict" in kinds(found)) is told
    assert ("calm" in kinds(found)) is not told
    if told:
        assert "Cats and Dogs" in found[0].text
        assert found[0].tasks == ("a", "b")


def test_a_long_task_vector_is_named_and_a_zero_one_too() -> None:
    alone = np.eye(4)
    found = advise(related(relation(alone.tolist(), norms=[1.0, 1.0, 4.0, 0.0])))
    assert [advice.tasks for advice in found if advice.kind == "length"] == [("c",), ("d",)]
    assert "4.0 times the median" in next(advice.text for advice in found if advice.kind == "length")


def test_where_nothing_stands_out_one_merge_of_all_is_advised() -> None:
    even = np.full((4, 4), 0.1)
    np.fill_diagonal(even, 1)
    assert [advice.title for advice in advise(related(relation(even.tolist())))] == [
        "No conflict",
        "One group, no branch",
    ]


def test_branch_is_where_the_blocks_stop_being_alike() -> None:
    blocks = {"embedding": 0.6, "block_0": 0.55, "block_1": 0.6, "block_2": 0.1, "output": 0.05}
    alike = related(pair(0.3), **{name: pair(value) for name, value in blocks.items()})
    name, before, after = branch(alike) or ("", 0, 0)
    assert name == "block 2"
    assert before == pytest.approx(0.575)
    assert after == pytest.approx(0.1)
    assert any(advice.title == "Branch at block 2" for advice in advise(alike))


def test_embedding_and_output_are_no_place_to_branch() -> None:
    ends = {"embedding": 0.9, "block_0": 0.2, "block_1": 0.2, "block_2": 0.2, "output": 0.9}
    assert branch(related(pair(0.3), **{name: pair(value) for name, value in ends.items()})) is None


def test_a_pair_hardly_closer_than_all_others_is_no_group() -> None:
    close = np.full((5, 5), 0.3)
    close[0, 1] = close[1, 0] = 0.36
    np.fill_diagonal(close, 1)
    assert groups(relation(close)) == []
    close[0, 1] = close[1, 0] = 0.6
    assert groups(relation(close)) == [(0, 1)]


def test_no_branch_where_depth_makes_no_difference() -> None:
    same = {f"block_{number}": pair(0.2 + 0.01 * (number % 2)) for number in range(6)}
    assert branch(related(pair(0.2), **same)) is None


def test_tasks_that_differ_early_are_not_told_to_branch_late() -> None:
    growing = related(pair(0.3), **{f"block_{number}": pair(0.1 * number) for number in range(6)})
    assert any(advice.title.startswith("The tasks differ before") for advice in advise(growing))


def test_depth_is_the_order_of_the_network() -> None:
    assert by_depth(["output", "block 10", "block 2", "embedding"]) == ["embedding", "block 2", "block 10", "output"]


def test_one_expert_is_told_so() -> None:
    assert advise(related(relation([[1.0]])))[0].title == "Nothing to compare"


@pytest.mark.slow
def test_advice_on_loaded_experts(tiny_suite: object) -> None:
    found = similarity(load(find(str(tiny_suite)), device="cpu", precision="float32").task_vectors)
    names, means = depth_profile(found)
    assert names == ["embedding", "block 0", "block 1", "output"]
    assert all(abs(mean) < 0.2 for mean in means)
    assert advise(found)
    assert sorted(ordering(found.overall).leaves) == [0, 1, 2]
