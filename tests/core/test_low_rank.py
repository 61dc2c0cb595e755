"""Task vectors of low rank, such as LoRA's, under the methods that change singular values.

What a zero singular value's vectors are is arbitrary, so FusionBench's result is compared where it is defined: the
strength of all directions, for Iso-C the directions in use, and everything once rounding has filled all directions.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from core.methods import cart, dc_merge, iso_c, iso_cts, tsv_m
from core.problem.problem import Problem
from core.techniques.calibration import calibrate
from core.techniques.components import Components
from core.techniques.spectral import orthogonal, polar
from tests.core.properties import run, with_experts
from tests.core.test_fusion_bench_methods import SPECTRAL, quietly

RANK = 2
MERGES: dict[str, Callable[[Tensor], Tensor]] = {
    "iso_c": iso_c.merge,
    "iso_cts": lambda delta: iso_cts.merge(delta, 0.8),
    "tsv_m": tsv_m.merge,
    "cart": lambda delta: cart.merge(delta, 2.0, 0.12),
    "dc_merge": lambda delta: dc_merge.merge(delta, 0.0, 0.1),
    "dc_merge, smoothed": lambda delta: dc_merge.merge(delta, 2.0, 0.1),
    "svc": lambda delta: calibrate(0.3 * delta.sum(0), delta, 1 / len(delta)),
    "tsv_m with svc": lambda delta: calibrate(tsv_m.merge(delta), delta, 1),
    "iso_c with svc": lambda delta: calibrate(iso_c.merge(delta), delta, 1 / len(delta)),
}


def lora(problem: Problem, stored: torch.dtype | None = None) -> Problem:
    """Experts whose matrices differ from the base by a product of rank 2, all in `stored` if that is given."""
    vectors, random = problem.task_vectors, torch.Generator().manual_seed(7)
    rows = {}
    for task in vectors.tasks:
        delta = {}
        for name, shape in zip(vectors.names, vectors.shapes, strict=True):
            delta[name] = torch.zeros(shape, dtype=torch.float64)
            if len(shape) == 2:
                sizes = (shape[0], RANK), (RANK, shape[1])
                b, a = (torch.randn(size, generator=random, dtype=torch.float64) for size in sizes)
                delta[name] = 0.02 * b @ a
        row = vectors.flat(delta)
        if stored is not None:
            row = (vectors.origin + row).to(stored).double() - vectors.origin.to(stored).double()
        rows[task] = row
    return with_experts(problem, rows)


def matrices(problem: Problem) -> dict[str, Tensor]:
    """Name -> τ `[K, m, n]`."""
    found = {name: problem.task_vectors.delta(name) for name in problem.task_vectors.names}
    return {name: delta for name, delta in found.items() if delta.dim() == 3}


def theirs(method: str, given: dict[str, Tensor], tasks: int) -> dict[str, Tensor]:
    """FusionBench's merged task vectors."""
    with quietly():
        return SPECTRAL[method]([{name: delta[at].clone() for name, delta in given.items()} for at in range(tasks)])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["iso_c", "iso_cts"])
def test_directions_are_as_strong_as_fusion_bench_makes_them(method: str, problem64: Problem) -> None:
    """The mean is over all min(m, n) singular values, the zeros included."""
    given = matrices(lora(problem64))
    expected = theirs(method, given, 3)
    for name, delta in given.items():
        found = MERGES[method](delta)
        strength = torch.linalg.svdvals(delta.sum(0)).mean()
        values = torch.linalg.svdvals(found)[: torch.linalg.matrix_rank(delta.sum(0))]
        torch.testing.assert_close(values, strength.expand_as(values), rtol=1e-9, atol=0)
        torch.testing.assert_close(torch.linalg.matrix_norm(expected[name], 2), strength, rtol=1e-9, atol=0)
        if method == "iso_c":
            u, _, vt = (part[..., : len(values)] if at < 2 else part[: len(values)]
                        for at, part in enumerate(torch.linalg.svd(delta.sum(0), full_matrices=False)))  # fmt: skip
            torch.testing.assert_close(u @ u.T @ expected[name] @ vt.T @ vt, found, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", [name for name in MERGES if name in SPECTRAL])
def test_methods_equal_fusion_bench_once_rounding_fills_all_directions(
    method: str, stored: torch.dtype, problem64: Problem
) -> None:
    given = matrices(lora(problem64, stored))
    expected = theirs(method, given, 3)
    for name, delta in given.items():
        torch.testing.assert_close(MERGES[method](delta), expected[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["iso_c", "iso_cts"])
def test_the_format_of_the_base_does_not_decide_the_strength(
    method: str, stored: torch.dtype, problem64: Problem
) -> None:
    exact, rounded = matrices(lora(problem64)), matrices(lora(problem64, stored))
    for name, delta in exact.items():
        one, other = (torch.linalg.matrix_norm(MERGES[method](given), 2).item() for given in (delta, rounded[name]))
        assert other == pytest.approx(one, rel=0.1), name


@pytest.mark.parametrize("method", MERGES)
def test_the_order_of_tasks_and_float32_change_only_the_last_digits(method: str, problem64: Problem) -> None:
    """Nothing that rounding leaves of a zero is taken for a direction."""
    for delta in matrices(lora(problem64)).values():
        found = MERGES[method](delta)
        torch.testing.assert_close(MERGES[method](delta[[2, 0, 1]]), found, rtol=0, atol=1e-10)
        torch.testing.assert_close(MERGES[method](delta.float()).double(), found, rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", MERGES)
def test_experts_in_one_direction_fill_no_other(method: str, problem64: Problem) -> None:
    for delta in matrices(lora(problem64)).values():
        alike = torch.stack([delta[0], 2 * delta[0], 3 * delta[0]])
        found = MERGES[method](alike)
        u, _, vt = torch.linalg.svd(delta[0], full_matrices=False)
        inside = u[:, :RANK] @ u[:, :RANK].T @ found @ vt[:RANK].T @ vt[:RANK]
        torch.testing.assert_close(found, inside, rtol=0, atol=1e-10)


def test_adaranks_orthogonal_components_are_tsv_merges(problem64: Problem) -> None:
    problem = lora(problem64)
    vectors = problem.task_vectors
    parts = Components(problem, vectors, range(len(vectors.names)), orthogonal, False)
    found = vectors.named(parts.combine(torch.ones(len(vectors.names), 3).double(), torch.ones(3, parts.count)))
    expected = run("tsv_m", problem)[-1].outcome
    assert expected is not None
    for name in vectors.names:
        if "resblocks" in name and name.endswith("weight") and found[name].dim() == 2:
            torch.testing.assert_close(found[name], expected.weights_for("task0")[name], rtol=0, atol=1e-10)


def test_a_polar_factor_leaves_zeros_alone() -> None:
    matrix = torch.tensor([[3.0, 0, 0], [0, 0, 0], [4.0, 0, 0]])
    torch.testing.assert_close(polar(matrix), matrix / 5)
