"""The fused kernels against the plain formula: on the GPU where there is one, else in Triton's interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from core.problem.grouping import GroupKind, group
from core.problem.mapped import InMemory
from core.problem.packed import Packed, empty
from core.problem.task_vectors import TaskVectors
from tests.core.properties import rounding

kernels = pytest.importorskip("core.problem.kernels", reason="Triton comes with PyTorch for CUDA", exc_type=ImportError)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

SIZES = (700, 33, 4096, 1, 1024)
ROUND = (64, 2048, 1024, 16, 128)
"""Sizes that all begin on a multiple of sixteen, which the kernels read faster."""

NARROW = (torch.bfloat16, torch.float32)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pieces so small that tensors take several."""
    monkeypatch.setattr(kernels, "PIECE", 512)
    monkeypatch.setattr(kernels, "BLOCK", 128)
    kernels._pieces.cache_clear()
    yield
    kernels._pieces.cache_clear()


def vectors(tasks: int, sizes: tuple[int, ...], deltas: torch.dtype, origin: torch.dtype) -> TaskVectors:
    """Random task vectors of one-dimensional tensors, two of which lie in one block."""
    random = torch.Generator().manual_seed(0)
    columns = sum(sizes)
    names = tuple(f"resblocks.{at // 2}.t{at}" for at in range(len(sizes)))
    theta = torch.randn(columns, dtype=torch.float64, generator=random).to(origin)
    tau = torch.randn(tasks, columns, dtype=torch.float64, generator=random).to(deltas)
    return TaskVectors(tuple(map(str, range(tasks))), names, tuple((size,) for size in sizes), theta, tau, {})


@pytest.mark.grid
@pytest.mark.parametrize(
    ("tasks", "sizes", "precisions", "kind"),
    [
        (1, SIZES, NARROW, "tensor"),
        (5, SIZES, NARROW, "block"),
        (8, ROUND, NARROW, "tensor"),
        pytest.param(20, ROUND, NARROW, "block", marks=pytest.mark.slow),
        (5, ROUND, (torch.float32, torch.float32), "tensor"),
        (5, SIZES, (torch.float64, torch.float64), "block"),
    ],
)
def test_a_kernel_gives_what_the_plain_formula_gives(
    small: None, tasks: int, sizes: tuple[int, ...], precisions: tuple[torch.dtype, torch.dtype], kind: GroupKind
) -> None:
    own = vectors(tasks, sizes, *precisions)
    grouping, random = group(own.names, kind), torch.Generator().manual_seed(1)
    rows = torch.rand(len(grouping.groups), tasks, dtype=torch.float64, generator=random).to(own.origin)
    slope = torch.randn(len(own.origin), dtype=torch.float64, generator=random).to(own.origin)
    origin, deltas = own.origin.to(DEVICE), own.deltas.to(DEVICE)

    out = torch.full_like(origin, float("nan"))
    version = out._version
    kernels.combine(origin, deltas, rows.to(DEVICE), sizes, grouping.row_of, out)
    assert out._version > version  # A pass knows by that whether its weights were written anew.
    limit = 10 * rounding(origin.dtype, terms=tasks + 1)
    torch.testing.assert_close(out.cpu(), own.combine(rows, grouping.row_of), rtol=0, atol=limit)

    found = kernels.contract(slope.to(DEVICE), deltas, sizes, grouping.row_of, len(rows))
    # Products of normal numbers: a sum of n of them is about √n, and no partial sum is much larger than 5 √n.
    limit = 5 * max(sizes) ** 0.5 * rounding(origin.dtype, terms=2 * max(sizes))
    torch.testing.assert_close(found.cpu(), own.contract(slope, grouping.row_of, len(rows)), rtol=0, atol=limit)


@pytest.mark.grid
@pytest.mark.parametrize("form", ["int8", "int4"])
@pytest.mark.parametrize("sizes", [SIZES, ROUND])
def test_a_kernel_reads_packed_numbers_as_if_they_were_not(small: None, sizes: tuple[int, ...], form: str) -> None:
    own = vectors(5, sizes, torch.float32, torch.float32)
    deltas = empty(InMemory(), 5, sum(sizes), form, torch.device(DEVICE))
    assert isinstance(deltas, Packed)
    deltas.copy_(own.deltas.to(DEVICE))
    row_of, random = range(len(sizes)), torch.Generator().manual_seed(1)
    rows = torch.rand(len(sizes), 5, generator=random).to(DEVICE)
    origin, slope = own.origin.to(DEVICE), torch.randn(sum(sizes), generator=random).to(DEVICE)

    def both(matrix: Packed | torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = torch.full_like(origin, float("nan"))
        kernels.combine(origin, matrix, rows, sizes, row_of, out)
        return out, kernels.contract(slope, matrix, sizes, row_of, len(sizes))

    for part, weights in ((slice(None), rows), (slice(1, 4), rows[:, 1:4])):
        for found, expected in zip(both(deltas[part], weights), both(deltas[part].to(origin), weights), strict=True):
            assert torch.equal(found, expected)


@pytest.mark.slow
def test_some_of_the_task_vectors_are_read_where_they_lie(small: None) -> None:
    own = vectors(4, SIZES, torch.bfloat16, torch.float32)
    row_of, rows = range(len(SIZES)), torch.rand(len(SIZES), 2)
    origin, part = own.origin.to(DEVICE), own.deltas.to(DEVICE)[1:3]
    found = torch.empty_like(origin)
    kernels.combine(origin, part, rows.to(DEVICE), SIZES, row_of, found)
    expected = own.part(["1", "2"]).combine(rows, row_of)
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=10 * rounding(torch.float32, terms=3))
