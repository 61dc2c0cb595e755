"""Sharpness-aware descent on λ against its definition."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from core import methods
from core.problem.problem import Problem
from tests.core.properties import run, settings


def first_step(problem: Problem, raw: Tensor, rho: float, **values: Any) -> Any:
    """Step 1 from a λ of our choice."""
    start = run("samerging", problem, steps=1, group="block", rho=rho, **values)[0]
    assert start.state is not None
    state = dict(start.state()) | {"raw": raw}
    return run("samerging", problem, resume=state, steps=1, group="block", rho=rho, **values)[-1]


def gradient(step: Any) -> Tensor:
    """Adam's first moment after one step is a tenth of the gradient."""
    found = step.state()["exp_avg"] / (1 - 0.9)
    assert isinstance(found, Tensor)
    return found


@pytest.mark.slow
def test_the_gradient_is_taken_at_the_worst_point_at_distance_rho(problem64: Problem) -> None:
    raw = torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain = gradient(first_step(problem64, raw, 0.0))
    worst = raw + 0.07 * plain / plain.norm()
    expected = gradient(first_step(problem64, worst, 0.0))
    found = first_step(problem64, raw, 0.07)
    torch.testing.assert_close(gradient(found), expected, rtol=0, atol=1e-12)
    assert (expected - plain).abs().max() > 1e-4
    assert found.losses == first_step(problem64, raw, 0.0).losses


@pytest.mark.slow
def test_the_worst_point_is_worse(problem64: Problem) -> None:
    raw = torch.full((4, 3), 0.3, dtype=torch.float64)
    plain = first_step(problem64, raw, 0.0)
    there = first_step(problem64, raw + 0.07 * gradient(plain) / gradient(plain).norm(), 0.0)
    assert sum(there.losses.values()) > sum(plain.losses.values())


def test_its_defaults_are_the_papers() -> None:
    found = settings("samerging", steps=100, lr=1e-3, batch=16).model_dump()
    expected = {"init": 0.0, "clamp": False, "objective": "expert_kl", "temperature": 2.0, "rho": 0.07, "steps": 100}
    assert {name: found[name] for name in expected} == expected
    assert methods.get("samerging").Settings().model_dump()["lr"] == 1e-3


def test_at_the_experts_themselves_there_is_no_direction_and_no_failure(problem64: Problem) -> None:
    from tests.core.properties import only

    step = first_step(only(problem64, "task0"), torch.ones(4, 1, dtype=torch.float64), 0.07)
    assert step.losses["task0"] == pytest.approx(0, abs=1e-12)
