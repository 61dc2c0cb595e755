"""One way from λ to weights: a stored λ gives the model of its run again, whatever the settings."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from core import methods, objectives
from core.errors import BadInput
from core.learning import starts
from core.problem.method import Coefficients
from core.problem.problem import Problem
from tests.core.properties import another_value, run, settings

CHOICES: dict[str, tuple[Any, ...]] = {
    "start": starts.names(), "objective": objectives.names(), "later_init": (0.1,), "init": (-0.2, 1.4), "lr": (0.2,),
    "steps": (2,), "batch": (3,), "fraction": (0.5,), "patience": (1,), "temperature": (3.0,), "diversity": (0.5,),
    "seed": (1,), "keep": (0.6,), "rho": (0.0,), "rounds": (2,), "samples": (6,),
}  # fmt: skip
"""Values that are worth trying; of other settings all choices, or any other number."""


def values_of(method: str, name: str, field: Any) -> tuple[Any, ...]:
    if name in CHOICES:
        return CHOICES[name]
    return (True, False) if field.annotation is bool else get_args(field.annotation) or (another_value(method, name),)


MIXING = [name for name in methods.names() if methods.get(name).mixture(settings(name)) is not None]
CASES = [
    pytest.param(name, setting, value, marks=[pytest.mark.slow] if value == "wudi" else [])  # 300 steps per matrix
    for name in MIXING
    for setting, field in methods.get(name).Settings.model_fields.items()
    for value in values_of(name, setting, field)
    if value != field.default
]


@pytest.mark.grid
@pytest.mark.parametrize(("name", "setting", "value"), CASES)
def test_unchanged_coefficients_make_the_very_model_of_the_run(
    problem32: Problem, name: str, setting: str, value: Any
) -> None:
    values = {"steps": 1, setting: value}
    if value == "cross_entropy":  # Labels of scored images are never read.
        values["adapt_on"] = "held-out"
    steps = run(name, problem32, **values)
    last, kept = steps[-1], steps[steps[-1].kept or 0].coefficients
    assert last.outcome is not None
    assert kept is not None
    again = methods.get(name).weights_at(problem32, settings(name, **values), kept)
    assert again is not None
    made = last.outcome.weights_for(problem32.tasks[0])
    assert all(torch.equal(again[tensor], made[tensor]) for tensor in made)


def test_every_setting_of_these_methods_is_tried_with_another_value() -> None:
    for name in MIXING:
        fields = methods.get(name).Settings.model_fields
        known = settings(name, steps=1).model_dump()
        for setting, field in fields.items():
            assert any(value != known[setting] for value in values_of(name, setting, field)), f"{name}: {setting}"


def test_methods_whose_result_is_more_than_a_mixture_say_so() -> None:
    assert {"adamerging", "adamerging_pp", "samerging", "fw_soft"} <= set(MIXING)
    assert not {"adarank", "best", "fw_hard", "ties", "surgery"} & set(MIXING)


@pytest.mark.slow
def test_tasks_are_matched_by_name(problem32: Problem) -> None:
    last = run("adamerging", problem32, group="block")[-1].coefficients
    assert last is not None
    turned = Coefficients(last.groups, last.tasks[::-1], last.values.flip(1))
    one, other = (
        methods.get("adamerging").weights_at(problem32, settings("adamerging", group="block"), each)
        for each in (last, turned)
    )
    assert one is not None
    assert other is not None
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_groups_of_other_checkpoints_are_refused(problem32: Problem) -> None:
    other = Coefficients(("block 99",), problem32.tasks, torch.zeros(1, len(problem32.tasks)))
    with pytest.raises(BadInput, match="the suite has changed"):
        methods.get("adamerging").weights_at(problem32, settings("adamerging"), other)
