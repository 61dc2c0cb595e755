"""Every setting of a method without images changes what it makes. The registry is collected, with all settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from core import methods
from core.problem.method import Need
from core.problem.problem import Problem
from core.settings import MethodSettings
from core.techniques.depth import DepthSettings
from tests.core.properties import another_value, run

SETTINGS = [
    (method, name)
    for method in methods.names()
    for name in methods.get(method).Settings.model_fields
    if methods.get(method).needs is Need.NOTHING and name not in ("seed", "auto_scale")
]
"""Those two have tests of their own."""
RIVALS = [name for name in methods.names() if not issubclass(methods.get(name).Settings, DepthSettings)]
TOGETHER = {
    ("dare", "keep"): {"merge_with": "ties", "drop": 0.5},
    ("grouped", "groups"): {"groups": 2},  # By itself it makes one group of the tiny suite.
    ("grouped", "trunk"): {"groups": 2},
    ("grouped", "within"): {"groups": 2},
}
"""What a setting has an effect with: other settings, or a value of its own."""


@pytest.mark.parametrize(("method", "name"), SETTINGS)
def test_every_setting_changes_the_result(method: str, name: str, problem64: Problem) -> None:
    more = dict(TOGETHER.get((method, name), {}))

    def made(**values: Any) -> Tensor:
        outcome = run(method, problem64, **more | values)[-1].outcome
        assert outcome is not None
        return torch.stack([problem64.task_vectors.flat(outcome.weights_for(task)) for task in problem64.tasks])

    value = more.pop(name, another_value(method, name))
    change = (made(**{name: value}) - made()).abs().max()
    assert change.isfinite()
    assert change > 1e-9, f"`{name}={value}` changes nothing; if it needs other settings, name them in TOGETHER"


@pytest.mark.parametrize("method", RIVALS)
def test_another_scale_than_that_of_the_merged_task_vector_says_so(method: str) -> None:
    fields = methods.get(method).Settings.model_fields
    for name in DepthSettings.model_fields.keys() - MethodSettings.model_fields.keys() & fields.keys():
        extra = fields[name].json_schema_extra
        assert isinstance(extra, dict)
        assert "label" in extra, f"Derive from DepthSettings for LiNeS and scale=auto, or give `{name}` another label"
