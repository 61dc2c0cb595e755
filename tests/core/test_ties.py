"""TIES against an implementation written here from the formula, and against FusionBench's."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.problem.problem import Problem
from core.problem.task_vectors import CHUNK, TaskVectors
from core.techniques.trimming import trim_and_elect
from tests.core.properties import assert_close, merged, with_experts

KEEPS = [0.05, 0.2, 0.5, 1.0]
AGGREGATES = ["sum", "mean", "max"]


def ties(deltas: np.ndarray, keep: float, how: str) -> np.ndarray:
    """ALGORITHMS.md, entry by entry: trim, elect, merge what agrees."""
    count = deltas.shape[1]
    trimmed = deltas.copy()
    for row in trimmed:
        rank = max(1, count - int(keep * count))
        smallest = sorted(np.abs(row))[rank - 1]
        row[np.abs(row) < smallest] = 0
    elected = np.sign(trimmed.sum(0))
    elected[elected == 0] = np.sign(elected.sum())
    result = np.zeros(count)
    for column in range(count):
        agreeing = [v for v in trimmed[:, column] if v != 0 and np.sign(v) == elected[column]]
        if agreeing:
            result[column] = {
                "sum": sum(agreeing),
                "mean": sum(agreeing) / len(agreeing),
                "max": max(agreeing, key=abs),
            }[how]
    return result


def vectors_of(deltas: Tensor) -> TaskVectors:
    """Task vectors of one tensor with a base of zeros."""
    count = deltas.shape[1]
    tasks = tuple(f"task{index}" for index in range(len(deltas)))
    return TaskVectors(tasks, ("weight",), ((count,),), torch.zeros(count, dtype=deltas.dtype), deltas, {})


def merge(problem: Problem, deltas: Tensor, **values: Any) -> Tensor:
    """What the method `ties` adds to a base of zeros."""
    return merged("ties", replace(problem, task_vectors=vectors_of(deltas)), "task0", scale=1, **values)["weight"]


@pytest.mark.slow
@pytest.mark.parametrize("how", AGGREGATES)
@pytest.mark.parametrize("keep", KEEPS)
def test_ties_equals_the_formula(keep: float, how: str, problem64: Problem) -> None:
    vectors = problem64.task_vectors
    expected = vectors.origin + 0.3 * torch.from_numpy(ties(vectors.deltas.numpy(), keep, how))
    found = merged("ties", problem64, "task0", keep=keep, aggregate=how)
    assert_close(found, vectors.named(expected), 1e-14)


@pytest.mark.parametrize("how", AGGREGATES)
@pytest.mark.parametrize("seed", range(5))
def test_ties_equals_the_formula_where_entries_tie_and_cancel(seed: int, how: str, problem64: Problem) -> None:
    """Small integers: many magnitudes tie at the threshold and many sums are zero."""
    generator = torch.Generator().manual_seed(seed)
    deltas = torch.randint(-3, 4, (4, 203), generator=generator).double()
    for keep in KEEPS:
        found = merge(problem64, deltas, keep=keep, aggregate=how)
        assert torch.equal(found, torch.from_numpy(ties(deltas.numpy(), keep, how)))


def test_an_example_by_hand(problem64: Problem) -> None:
    deltas = torch.tensor([[5.0, 1.0, -4.0, 3.0, 0.5], [-2.0, 0.1, -3.0, -3.0, 4.0]], dtype=torch.float64)
    # keep 0.6 of 5: rank 5 − 3 = 2, thresholds 1 and 2; so 4 entries each stay: 0.5 and 0.1 fall.
    # Sums 3, 1, −7, 0, 4: signs + + − (majority +) +.
    assert merge(problem64, deltas, keep=0.6).tolist() == [5.0, 1.0, -7.0, 3.0, 4.0]


def test_a_tied_majority_drops_what_it_cannot_elect(problem64: Problem) -> None:
    deltas = torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, -1.0]], dtype=torch.float64)
    assert merge(problem64, deltas, keep=1.0).tolist() == [0.0, 2.0, -2.0]


def test_trimming_keeps_the_threshold_entry_too() -> None:
    deltas = torch.arange(1, 101, dtype=torch.float64)[None]
    assert trim_and_elect(vectors_of(deltas), 0.2).deltas.count_nonzero() == 21  # int(0.2 d) + 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sum_that_all_but_cancels_still_has_its_sign(dtype: torch.dtype) -> None:
    tiny = float(torch.finfo(dtype).eps)
    deltas = torch.tensor([[1.0 + tiny, -3.0, -3.0], [-1.0, -3.0, -3.0]], dtype=dtype)
    kept = trim_and_elect(vectors_of(deltas), 1.0).deltas
    assert kept[:, 0].tolist() == [1.0 + tiny, 0.0]


def test_more_columns_than_one_chunk(problem64: Problem) -> None:
    deltas = torch.randn(2, 2 * CHUNK + 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tail = merge(problem64, deltas)[-10:]
    smallest = [row.abs().sort().values[len(row) - int(0.2 * len(row)) - 1] for row in deltas]
    trimmed = torch.stack([torch.where(row.abs() >= s, row, 0) for row, s in zip(deltas, smallest, strict=True)])
    assert torch.equal(tail, (trimmed * (trimmed.sign() == trimmed.sum(0).sign())).sum(0)[-10:])


def test_bfloat16_task_vectors_are_trimmed_as_they_are(problem32: Problem) -> None:
    half = problem32.task_vectors.deltas.bfloat16()
    vectors = problem32.task_vectors
    narrow = replace(problem32, task_vectors=replace(vectors, deltas=half))
    wide = replace(problem32, task_vectors=replace(vectors, deltas=half.float()))
    assert_close(merged("ties", narrow, "task0"), merged("ties", wide, "task0"), 1e-7)


def fusion_bench(deltas: Tensor, keep: float, how: str) -> Tensor:
    """Their implementation, which prints as it goes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fusion_bench.method.ties_merging.ties_merging_utils import ties_merging
    with contextlib.redirect_stdout(io.StringIO()):
        return ties_merging(deltas.clone(), reset_thresh=keep, merge_func=how)


@pytest.mark.slow
@pytest.mark.parametrize("how", AGGREGATES)
@pytest.mark.parametrize("keep", [0.05, 0.2, 0.5])
def test_ties_equals_fusion_bench(keep: float, how: str, problem64: Problem) -> None:
    """keep = 1 is left out: there they ask for the 0-th smallest entry and fail."""
    for deltas in (problem64.task_vectors.deltas, problem64.task_vectors.deltas[:2]):
        rows = {f"task{index}": row for index, row in enumerate(deltas)}
        found = problem64.task_vectors.flat(
            merged("ties", with_experts(problem64, rows), "task0", keep=keep, aggregate=how, scale=1)
        )
        torch.testing.assert_close(
            found - problem64.task_vectors.origin, fusion_bench(deltas, keep, how), rtol=0, atol=1e-14
        )


@pytest.mark.slow
def test_where_fusion_bench_differs(problem64: Problem) -> None:
    """A sum of zero under a tied majority: their `sign > 0 ? v > 0 : v < 0` keeps the negative entry by accident."""
    deltas = torch.tensor([[1.0, 2.0, -2.0], [-1.0, 2.0, -2.0]], dtype=torch.float64)
    assert fusion_bench(deltas, 0.99, "sum").tolist() == [-1.0, 4.0, -4.0]
    assert merge(problem64, deltas, keep=0.99).tolist() == [0.0, 4.0, -4.0]


def test_adamerging_pp_starts_from_the_trimmed_and_elected_vectors(problem64: Problem) -> None:
    """With λ = 0.3 it equals TIES with the sum."""
    found = merged("adamerging_pp", problem64, "task0", lr=1e-12, steps=1)
    assert_close(found, merged("ties", problem64, "task0"), 1e-10)
