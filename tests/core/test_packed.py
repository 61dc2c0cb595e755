"""Task vectors in 8 and 4 bits: what is rounded how far, and that everything works with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import methods
from core.insight.similarity import similarity
from core.problem import packed
from core.problem.loading import load
from core.problem.mapped import InMemory, Mapped
from core.problem.packed import BITS, BLOCK, Packed, empty
from core.problem.problem import Problem
from core.problem.stress import stressed
from core.problem.variants import variant
from core.suite.find import find
from core.techniques.trimming import trim_and_elect
from tests.core.properties import assert_close, only, rounding, run

CPU = torch.device("cpu")
forms = pytest.mark.parametrize("form", BITS)
QUICK = ("--set", "steps=4", "--set", "batch=4")


def rounded(numbers: Tensor, form: str) -> Packed:
    """These numbers, packed."""
    matrix = empty(InMemory(), *numbers.shape, form, CPU)
    assert isinstance(matrix, Packed)
    return matrix.copy_(numbers)


def narrowed(problem: Problem, form: str) -> Problem:
    """The same problem with packed task vectors."""
    vectors = problem.task_vectors
    return replace(problem, task_vectors=replace(vectors, deltas=rounded(vectors.deltas, form)))


def widened(problem: Problem) -> Problem:
    """The same numbers, not packed."""
    vectors = problem.task_vectors
    return replace(problem, task_vectors=replace(vectors, deltas=vectors.deltas.to(vectors.origin)))


def naive(row: np.ndarray, form: str) -> np.ndarray:
    """Each block of 64 divided by its scale and rounded to whole numbers, one at a time."""
    limit, found = {"int8": 127, "int4": 7}[form], []
    for begin in range(0, len(row), 64):
        block = row[begin : begin + 64]
        scale = float(torch.tensor(np.abs(block).max() / limit).bfloat16())
        found += [0.0 if scale == 0 else scale * max(-limit, min(limit, round(float(x) / scale))) for x in block]
    return np.array(found)


@forms
@pytest.mark.parametrize("columns", [1, 63, 64, 65, 1000])
def test_numbers_are_rounded_as_the_formula_says(form: str, columns: int) -> None:
    random = np.random.default_rng(columns)
    rows = (random.standard_normal((3, columns)) * random.choice([1e-6, 1e-3, 10], (3, columns))).astype(np.float32)
    rows[1, : columns // 2] = 0
    found = rounded(torch.from_numpy(rows), form).to(torch.float64).numpy()
    expected = np.stack([naive(row, form) for row in rows])
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(rows).max()
    assert np.array_equal(found, expected)


@forms
def test_no_number_is_off_by_more_than_half_a_step(form: str) -> None:
    numbers = torch.randn(4, 640, generator=torch.Generator().manual_seed(0))
    matrix = rounded(numbers, form)
    step = matrix.scales.double().repeat_interleave(BLOCK, 1)
    assert ((matrix.to(torch.float64) - numbers).abs() <= step / 2 * (1 + 1e-6)).all()


@forms
def test_views_and_copies_show_the_same_numbers(form: str) -> None:
    matrix = rounded(torch.randn(5, 300, generator=torch.Generator().manual_seed(0)), form)
    wide = matrix.to(torch.float32)
    assert [tuple(part.shape) for part in (matrix, matrix[2], matrix[1:3], matrix[:, 7:131])] == [
        (5, 300), (300,), (2, 300), (5, 124),
    ]  # fmt: skip
    for at in (2, slice(1, 4), (slice(None), slice(7, 131)), (3, slice(65, 66)), (slice(1, 3), slice(299, 300))):
        assert torch.equal(matrix[at].to(wide), wide[at])
    assert torch.equal(matrix[1:4][:, 10:200][:, 5:70].to(wide), wide[1:4, 15:80])
    assert torch.equal(torch.stack([row.to(wide) for row in matrix]), wide)
    again = empty(InMemory(), 5, 300, form, CPU)
    again[:] = matrix
    assert torch.equal(again.to(wide), wide)
    assert torch.equal(rounded(wide, form).to(wide), wide)
