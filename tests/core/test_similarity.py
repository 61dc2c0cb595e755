"""Similarities against numpy on the flattened task vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.insight.similarity import similarity
from core.problem.problem import Problem
from core.problem.task_vectors import CHUNK, TaskVectors
from tests.core.naive import Naive, groups


def relation(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine, norms and sign conflict by their definitions."""
    count = len(rows)
    norms = np.sqrt((rows**2).sum(1))
    cosine, conflict = np.zeros((count, count)), np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            cosine[i, j] = (rows[i] * rows[j]).sum() / (norms[i] * norms[j])
            both = (rows[i] != 0) & (rows[j] != 0)
            conflict[i, j] = (rows[i] * rows[j] < 0)[both].mean()
    return cosine, norms, conflict


@pytest.mark.parametrize("kind", ["task", "block", "tensor"])
def test_similarity_equals_numpy_overall_and_per_group(kind: str, problem64: Problem, naive: Naive) -> None:
    found = similarity(problem64.task_vectors, kind)  # type: ignore[arg-type]
    assert found.tasks == problem64.tasks
    expected = [naive.names] if kind == "task" else [naive.names, *groups(naive.names, kind)]
    assert len(found.groups) == len(expected)
    for own, names in zip(found.groups.values(), expected, strict=True):
        rows = np.stack([np.concatenate([naive.delta(t, n).numpy().ravel() for n in names]) for t in naive.tasks])
        cosine, norms, conflict = relation(rows)
        np.testing.assert_allclose(own.cosine, cosine, atol=1e-12)
        np.testing.assert_allclose(own.norms, norms, rtol=1e-12)
        np.testing.assert_allclose(own.conflict, conflict, atol=1e-12)


def test_the_overall_relation_is_the_first_group(problem64: Problem) -> None:
    found = similarity(problem64.task_vectors, "block")
    assert found.overall is found.groups["all"]
    assert list(found.groups) == ["all", "embedding", "block 0", "block 1", "output"]


def vectors(rows: torch.Tensor) -> TaskVectors:
    """Task vectors over one tensor."""
    tasks = tuple(f"task{i}" for i in range(len(rows)))
    return TaskVectors(tasks, ("weight",), ((rows.shape[1],),), torch.zeros(rows.shape[1], dtype=rows.dtype), rows, {})


def test_opposite_vectors_conflict_everywhere_and_a_copy_nowhere() -> None:
    row = torch.randn(50, generator=torch.Generator().manual_seed(0))
    found = similarity(vectors(torch.stack([row, -row, 2 * row])), "task").overall
    np.testing.assert_allclose(found.cosine, [[1, -1, 1], [-1, 1, -1], [1, -1, 1]], atol=1e-7)
    assert found.conflict.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_entries_that_are_zero_in_one_vector_do_not_count_as_conflict() -> None:
    found = similarity(vectors(torch.tensor([[1.0, 0.0, 2.0, 3.0], [1.0, 5.0, -2.0, 0.0]])), "task").overall
    assert found.conflict[0, 1] == 0.5


def test_a_zero_task_vector_has_no_cosine_and_spoils_no_other() -> None:
    found = similarity(vectors(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])), "task").overall
    assert found.cosine[0].isnan().all()
    assert found.cosine[1, 2].item() == pytest.approx(0.5**0.5)
    assert found.norms.tolist() == pytest.approx([0, 1, 2**0.5])


def test_bfloat16_and_more_than_one_chunk() -> None:
    rows = torch.randn(2, CHUNK + 77, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = similarity(replace(vectors(rows.float()), deltas=rows), "task").overall
    cosine, norms, conflict = relation(rows.double().numpy())
    np.testing.assert_allclose(found.cosine, cosine, atol=1e-9)
    np.testing.assert_allclose(found.norms, norms, rtol=1e-9)
    np.testing.assert_allclose(found.conflict, conflict, atol=1e-9)


def test_permuting_the_tasks_permutes_the_matrix(problem64: Problem) -> None:
    straight = similarity(problem64.task_vectors, "block").overall.cosine
    order = [2, 0, 1]
    own = problem64.task_vectors
    other = replace(own, tasks=tuple(own.tasks[i] for i in order), deltas=own.deltas[order])
    torch.testing.assert_close(similarity(other, "block").overall.cosine, straight[order][:, order])
