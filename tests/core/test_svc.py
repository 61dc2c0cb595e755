"""SVC as a setting: after any data-free merge, against FusionBench, in the cases where the formula is not defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core import methods
from core.methods import iso_c
from core.problem.method import Need
from core.problem.problem import Problem
from core.techniques.calibration import calibrate
from core.techniques.depth import DepthSettings
from tests.core.properties import assert_close, copies_of_the_base, merged, with_experts
from tests.core.test_data_free import added, related
from tests.core.test_fusion_bench_methods import quietly, theirs

AFTER = [
    name
    for name in methods.names()
    if methods.get(name).needs is Need.NOTHING and issubclass(methods.get(name).Settings, DepthSettings)
]


def independent(merged: np.ndarray, deltas: np.ndarray, alpha: float) -> np.ndarray:
    """The formula for one matrix, from the paper: the best factor of each task on its own, then their harmonic mean."""
    u, s, vt = np.linalg.svd(merged, full_matrices=False)
    factors = []
    for direction in u.T:
        wanted = [max(alpha, np.linalg.lstsq((direction @ tau)[:, None], direction @ merged)[0][0]) for tau in deltas]
        factors.append(1 / np.mean(wanted))
    return u @ np.diag(s * factors) @ vt


@pytest.mark.parametrize("method", AFTER)
def test_svc_follows_every_merge_as_its_last_step(method: str, problem64: Problem) -> None:
    problem = related(problem64)
    vectors, alpha = problem.task_vectors, 0.4
    plain = added("task_arithmetic" if method == "svc" else method, problem, scale=0.7, lines=0.2)
    found = added(method, problem, scale=0.7, lines=0.2, svc=alpha)
    for name, span, shape in zip(vectors.names, vectors.spans, vectors.shapes, strict=True):
        expected = plain[span].reshape(shape)
        if len(shape) == 2 and name != "positional_embedding" and method not in ("iso_c", "iso_cts"):
            expected = independent(expected, vectors.delta(name).numpy(), alpha)
        if len(shape) != 2 or method not in ("iso_c", "iso_cts"):  # Of these all directions are equally strong.
            np.testing.assert_allclose(found[span].reshape(shape), expected, rtol=0, atol=1e-10)
    assert np.abs(found - plain).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.1, 1 / 3, 1.0])
def test_svc_equals_fusion_bench(alpha: float, problem64: Problem) -> None:
    vectors = related(problem64).task_vectors
    theirs_too = theirs("singular_value_calibration.utils", "subspace_consistency_spectral_calibration_accelerated")
    for name in vectors.names:
        delta, base = vectors.delta(name), vectors.base[name]
        if delta.dim() == 3:
            with quietly():
                expected = theirs_too(base, list(base + delta), base + 0.3 * delta.sum(0), alpha, torch.device("cpu"))
            torch.testing.assert_close(base + calibrate(0.3 * delta.sum(0), delta, alpha), expected, rtol=0, atol=1e-12)


def test_with_alpha_1_nothing_becomes_stronger_and_what_tasks_share_weaker(problem64: Problem) -> None:
    delta = related(problem64, 0.8).task_vectors.delta("transformer.resblocks.1.mlp.c_fc.weight")
    total = delta.sum(0)
    u, s, vt = torch.linalg.svd(total, full_matrices=False)
    after = torch.diag(u.T @ calibrate(total, delta, 1) @ vt.T)
    assert (after <= s + 1e-12).all()
    assert after[0] < 0.75 * s[0]


def test_one_expert_and_repeated_experts_come_out_as_one(problem64: Problem) -> None:
    """K copies count every direction K times; calibrated they count it once, whatever the scale was."""
    delta = problem64.task_vectors.delta("transformer.resblocks.0.attn.out_proj.weight")[:1]
    for copies in (1, 3):
        given = delta.repeat(copies, 1, 1)
        for scale in (1.0, 0.7):
            torch.testing.assert_close(calibrate(scale * given.sum(0), given, 0.3), delta[0], rtol=0, atol=1e-12)


def test_a_task_without_a_share_in_a_direction_counts_as_alpha(problem64: Problem) -> None:
    """Three tasks of rank 2 in directions that are orthogonal to each other, and a task that did not move."""
    basis = torch.linalg.qr(problem64.task_vectors.base["transformer.resblocks.0.attn.out_proj.weight"])[0]
    strength = torch.tensor([5.0, 4.0, 3.0, 2.0], dtype=torch.float64)
    parts = [basis[:, at : at + 2] * strength[at : at + 2] @ basis[:, at : at + 2].T for at in (0, 2)]
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        delta = torch.stack([*parts, torch.zeros_like(parts[0])]).to(dtype)
        found = calibrate(delta.sum(0), delta, 0.25)
        expected = delta.sum(0) * 3 / (1 + 0.25 + 0.25)
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def test_equally_strong_directions_count_together(problem64: Problem) -> None:
    """After Iso-C every basis would be a singular value decomposition, so nothing may depend on which one it is."""
    delta = related(problem64).task_vectors.delta("transformer.resblocks.1.mlp.c_proj.weight")
    merged = iso_c.merge(delta)
    counted = [max(1 / 3, ((merged * tau).sum() / tau.square().sum()).item()) for tau in delta]
    torch.testing.assert_close(calibrate(merged, delta, 1 / 3), merged / np.mean(counted), rtol=0, atol=1e-12)
    turn = torch.linalg.qr(problem64.task_vectors.base["transformer.resblocks.0.attn.out_proj.weight"])[0]
    torch.testing.assert_close(
        turn @ calibrate(merged, delta, 1 / 3), calibrate(turn @ merged, turn @ delta, 1 / 3), rtol=0, atol=1e-12
    )


def test_nothing_is_made_of_nothing(problem64: Problem) -> None:
    problem = copies_of_the_base(problem64)
    assert_close(merged("tsv_m", problem, "task0", svc=1), problem.task_vectors.base, 0)
    opposed = with_experts(
        problem64, {"task0": problem64.task_vectors.deltas[0], "task1": -problem64.task_vectors.deltas[0]}
    )
    assert_close(merged("svc", opposed, "task0"), opposed.task_vectors.base, 1e-12)
