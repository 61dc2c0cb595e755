"""DC-Merge's settings, and the cases in which rounding would decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.methods.dc_merge import merge
from core.problem.problem import Problem
from tests.core.formulas import dc_merge
from tests.core.properties import merged, only
from tests.core.test_data_free import related

NAME = "transformer.resblocks.1.mlp.c_fc.weight"


@pytest.mark.parametrize(("smooth", "density"), [(0.0, 0.05), (1.0, 0.02), (1.2, 0.3), (50.0, 1.0)])
def test_dc_merge_equals_its_formula_with_other_settings(smooth: float, density: float, problem64: Problem) -> None:
    for problem in (problem64, related(problem64)):
        delta = problem.task_vectors.delta(NAME)
        expected = dc_merge(delta.numpy(), smooth, density)
        np.testing.assert_allclose(merge(delta, smooth, density), expected, rtol=0, atol=1e-12)


def test_one_expert_keeps_its_strongest_directions(problem64: Problem) -> None:
    """Its own singular vectors are the common space, in which its update is diagonal; `density` counts r² entries."""
    problem = only(problem64, "task1")
    tau = problem.task_vectors.delta(NAME)[0]
    u, s, vt = torch.linalg.svd(tau, full_matrices=False)
    for kept in (1, 5, 32):
        found = merge(tau[None], 0.0, kept / 32**2)
        torch.testing.assert_close(found, u[:, :kept] * s[:kept] @ vt[:kept], rtol=0, atol=1e-12)
    flat = merge(tau[None], 1.0, 1.0)
    torch.testing.assert_close(flat, s.mean() * u @ vt, rtol=0, atol=1e-12)
    found = merged("dc_merge", problem, "task1", density=1.0)[NAME]
    torch.testing.assert_close(found - problem.task_vectors.base[NAME], tau, rtol=0, atol=1e-12)


def test_tasks_in_directions_of_their_own_do_not_disturb_each_other(problem64: Problem) -> None:
    basis = torch.linalg.qr(problem64.task_vectors.base["transformer.resblocks.0.attn.out_proj.weight"])[0]
    parts = [basis[:, 4 * at : 4 * at + 4] @ basis[:, 4 * at : 4 * at + 4].T * (at + 1) for at in range(3)]
    delta = torch.stack(parts)
    # Twelve entries of equal size: none of them may be lost to rounding, in any precision.
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        found = merge(delta.to(dtype), 0.0, 1 / 32**2)
        torch.testing.assert_close(found, delta.sum(0).to(dtype), rtol=0, atol=tolerance)


def test_repeated_experts_keep_their_direction_and_opposed_ones_leave_nothing(problem64: Problem) -> None:
    tau = problem64.task_vectors.delta(NAME)[0]
    u, s, vt = torch.linalg.svd(tau, full_matrices=False)
    for copies in (2, 4):
        kept = 32 // copies
        half = merge(tau.repeat(copies, 1, 1), 0.0, 1.0)
        torch.testing.assert_close(half, u[:, :kept] * s[:kept] @ vt[:kept] / copies, rtol=0, atol=1e-12)
    for dtype in (torch.float64, torch.float32):
        opposed = torch.stack([tau, -tau, torch.zeros_like(tau)]).to(dtype)
        assert not merge(opposed, 0.0, 0.1).any()
