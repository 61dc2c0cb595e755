"""Masks over singular components: their gradient, their start, and what is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core import methods, objectives
from core.insight.trust import shortened
from core.methods.adarank import ENOUGH, AdaRankSettings
from core.problem.grouping import group
from core.problem.merged import Batch, EncoderGradient
from core.problem.problem import Problem
from core.tasks import Stream
from core.techniques.components import Components, own
from core.techniques.spectral import orthogonal
from tests.core.properties import assert_close, run, settings


def components(problem: Problem, decompose: Any = None, split: bool = False) -> Components:
    """All of them, λ per tensor."""
    vectors = problem.task_vectors
    return Components(problem, vectors, group(vectors.names, "tensor").row_of, decompose or own(0), split)


def coefficients(problem: Problem) -> Tensor:
    """λ with nothing special about it."""
    generator = torch.Generator().manual_seed(3)
    return torch.rand(len(problem.task_vectors.names), 3, dtype=torch.float64, generator=generator)


def loss(problem: Problem, encoder: EncoderGradient, parts: Components, rows: Tensor, mask: Tensor) -> float:
    """Summed entropy of four images per task; leaves the gradient in the encoder."""
    batches = [Batch(task, problem.images(task)[:4]) for task in problem.tasks]
    parts.combine(rows, mask, out=encoder.weights)
    return sum(found.values[0].item() for found in encoder.run(batches, objectives.get("entropy")).values())


@pytest.mark.slow
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("decompose", [own(0), own(3), orthogonal])
def test_gradients_of_mask_and_coefficients_equal_central_finite_differences(
    decompose: Any, split: bool, problem64: Problem
) -> None:
    """In the mask as a real number; the straight-through factor comes after it."""
    parts, rows = components(problem64, decompose, split), coefficients(problem64)
    generator = torch.Generator().manual_seed(4)
    mask = (torch.rand(3, parts.count, dtype=torch.float64, generator=generator) > 0.4).double()
    encoder = EncoderGradient(problem64, problem64.task_vectors)
    loss(problem64, encoder, parts, rows, mask)
    by_row, by_mask = parts.contract(encoder.gradient, rows, mask)
    for values, gradient in ((rows, by_row), (mask, by_mask)):
        strongest = gradient.abs().flatten().topk(3).indices.tolist()
        for at in [*strongest, 0, values.numel() // 2, values.numel() - 1]:
            change = torch.zeros_like(values).flatten()
            change[at] = 1e-4
            change = change.view_as(values)
            found = [
                loss(problem64, encoder, parts, *((rows + s, mask) if values is rows else (rows, mask + s)))
                for s in (change, -change)
            ]
            assert gradient.flatten()[at].item() == pytest.approx((found[0] - found[1]) / 2e-4, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("split", [False, True])
def test_with_every_component_on_it_is_the_plain_merge(split: bool, problem64: Problem) -> None:
    vectors, rows = problem64.task_vectors, coefficients(problem64)
    parts = components(problem64, own(0), split)
    found = parts.combine(rows, torch.ones(3, parts.count))
    assert_close(vectors.named(found), vectors.named(vectors.combine(rows, range(len(vectors.names)))), 1e-12)


def test_with_every_component_off_matrices_of_blocks_are_the_bases(problem64: Problem) -> None:
    vectors = problem64.task_vectors
    parts = components(problem64)
    found = vectors.named(parts.combine(coefficients(problem64), torch.zeros(3, parts.count)))
    for name in vectors.names:
        masked = "resblocks" in name and found[name].dim() == 2
        assert torch.equal(found[name], vectors.base[name]) == masked, name


@pytest.mark.slow
def test_the_straight_through_step_moves_masks_by_the_masks_gradient(problem64: Problem) -> None:
    """Adam's first moment after one step is a tenth of dL/dm · σ(b/10)(1 − σ(b/10)) / 10."""
    step = run("adarank", problem64, steps=1, batch=4)[-1]
    assert step.state is not None
    found = step.state()["mask.exp_avg"] / (1 - 0.9)
    parts = components(problem64)
    start = run("adarank", problem64, steps=1)[0]
    assert start.state is not None
    logits = start.state()["mask"]
    assert sorted(logits.unique().tolist()) == pytest.approx([-0.1, 0.1])
    batches = [Batch(t, problem64.images(t)[Stream(t, 32, 4, seed=0).next()]) for t in problem64.tasks]
    encoder = EncoderGradient(problem64, problem64.task_vectors)
    rows, mask = torch.full_like(coefficients(problem64), 0.3), (logits > 0).double()
    parts.combine(rows, mask, out=encoder.weights)
    encoder.run(batches, objectives.get("entropy"))
    slope = torch.sigmoid(logits / 10)
    expected = parts.contract(encoder.gradient, rows, mask)[1] * slope * (1 - slope) / 10
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.slow
def test_masks_are_learned(problem64: Problem) -> None:
    steps = run("adarank", problem64, steps=6, lr=0.05)
    first, last = (step.state()["mask"] > 0 for step in (steps[0], steps[-1]))  # type: ignore[misc]
    assert (first != last).any()


def test_orthogonal_components_of_all_tasks_have_no_direction_in_common(problem64: Problem) -> None:
    parts = components(problem64, orthogonal)
    for one in parts._matrices:
        left = torch.cat(list(one.left), dim=1)
        right = torch.cat(list(one.right))
        eye = torch.eye(left.shape[1], dtype=torch.float64)
        torch.testing.assert_close(left.T @ left, eye, rtol=0, atol=1e-10)
        torch.testing.assert_close(right @ right.T, eye, rtol=0, atol=1e-10)


@pytest.mark.slow
def test_rank_bounds_what_is_kept(problem64: Problem) -> None:
    assert components(problem64, own(3)).count == 3 * 8  # Four matrices in each of two blocks.
    assert components(problem64, own(0)).count == 32 * 8
    outcomes = [run("adarank", problem64, rank=rank, kept=0.25)[0].weights for rank in (0, 8, 16)]
    for outcome in outcomes:
        assert outcome is not None
        assert_close(outcome(), outcomes[0](), 1e-12)  # type: ignore[misc]


def test_bfloat16_task_vectors_keep_their_components_in_bfloat16(problem32: Problem) -> None:
    vectors = problem32.task_vectors
    half = replace(problem32, task_vectors=replace(vectors, deltas=vectors.deltas.bfloat16()))
    parts = components(half)
    assert {one.left.dtype for one in parts._matrices} == {torch.bfloat16}
    rows = coefficients(problem32).float()
    found = half.task_vectors.named(parts.combine(rows, torch.ones(3, parts.count)))
    exact = components(problem32)
    expected = vectors.named(exact.combine(rows, torch.ones(3, exact.count)))
    assert_close(found, expected, 2e-3)


@pytest.mark.slow
def test_without_masks_it_learns_lambda_as_adamerging_does(problem64: Problem) -> None:
    values = {"steps": 4, "lr": 0.05, "keep_step": "last"}
    alone, plain = (run("adarank", problem64, masks="off", **values), run("adamerging", problem64, **values))
    for one, other in zip(alone, plain, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-9)


def test_best_learns_masks_where_there_are_images_enough() -> None:
    few, many = (settings("best", steps=steps, batch=16) for steps in (ENOUGH // 16 - 1, ENOUGH // 16))
    short = shortened(methods.get("best"), many)
    found = [one.masked for one in (few, many, short, settings("adarank", steps=1)) if isinstance(one, AdaRankSettings)]
    assert found == [False, True, True, True]
