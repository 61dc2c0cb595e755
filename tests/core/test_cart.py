"""CART where its formula says what has to come out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.methods.cart import merge
from core.problem.problem import Problem
from tests.core.formulas import cart, per_tensor
from tests.core.properties import assert_close, merged, only, with_experts
from tests.core.test_data_free import added


@pytest.mark.parametrize(("weight", "share"), [(1.0, 0.5), (0.3, 0.08), (2.0, 1.0)])
def test_cart_equals_its_formula_with_other_settings(weight: float, share: float, problem64: Problem) -> None:
    expected = per_tensor(problem64.task_vectors, lambda name, delta: cart(name, delta, weight, share))
    found = added("cart", problem64, centred=weight, rank_share=share)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_distances_of_full_rank_cancel_out(problem64: Problem) -> None:
    """The distances from a mean add up to zero; so does everything outside the blocks at any rank."""
    assert_close(merged("cart", problem64, "task0", rank_share=1.0), merged("average", problem64, "task0"))


def test_repeated_experts_and_one_alone_come_out_as_they_are(problem64: Problem) -> None:
    expert = problem64.task_vectors.expert("task1")
    assert_close(merged("cart", only(problem64, "task1"), "task1"), expert)
    copies = with_experts(problem64, dict.fromkeys(problem64.tasks, problem64.task_vectors.deltas[1]))
    assert_close(merged("cart", copies, "task0"), expert)


def test_equally_strong_components_within_the_rank_are_all_kept(problem64: Problem) -> None:
    """Experts that do not move and experts of disjoint, equally strong directions: distances of rank 16, kept whole."""
    basis = torch.linalg.qr(problem64.task_vectors.base["transformer.resblocks.0.attn.out_proj.weight"])[0]
    delta = torch.stack([basis[:, at : at + 8] @ basis[:, at : at + 8].T for at in (0, 8)] + [torch.zeros_like(basis)])
    torch.testing.assert_close(merge(delta, 3.0, 0.5), delta.mean(0), rtol=0, atol=1e-12)
    assert torch.linalg.matrix_norm(merge(delta, 3.0, 0.25) - delta.mean(0), 2) > 0.1
