"""What every method made of the tiny suite when it was last checked by hand: a change of any number has to be meant.

‖θ − θ₀‖ of the first task's weights in float64, and its projection on a fixed direction; quick settings.
"""

from __future__ import annotations

import pytest
import torch

from core import methods
from core.problem import Problem
from tests.core.properties import merged

GOLDEN: dict[str, tuple[float, float]] = {}


def measured(method: str, problem: Problem) -> tuple[float, float]:
    """Length and projection of what the method added to the base."""
    vectors = problem.task_vectors
    added = vectors.flat(merged(method, problem, "task0")) - vectors.origin
    direction = torch.linspace(-1, 1, len(added), dtype=torch.float64).mul(97).cos()
    return added.norm().item(), (added @ direction).item()


@pytest.mark.parametrize("method", methods.names())
def test_golden_values(method: str, problem64: Problem) -> None:
    found = measured(method, problem64)
    row = f'"{method}": ({found[0]!r}, {found[1]!r}),'
    assert method in GOLDEN, f"no row yet; check the method by other means, then add {row}"
    assert found == pytest.approx(GOLDEN[method], rel=1e-8, abs=1e-10), f"was this change meant? then {row}"
