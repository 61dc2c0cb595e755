"""A recorded step against the loop that calls each; on the CPU the operations that were seen stand for the CUDA graph:
they are repeated on the same memory, with none of the step's Python."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core import methods, objectives
from core.learning import captured
from core.learning.coefficients import Learner
from core.learning.optimiser import carry_out
from core.problem.merged import Measured
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.step import Step
from core.store import Store
from tests.core.properties import settings
from tests.core.test_blocks import assert_same

STEPS = 12


class Recording(TorchDispatchMode):
    """What was called, and on which tensors."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("a number was read while a step was recorded")
        found = func(*args, **(kwargs or {}))
        self._calls.append((func, args, kwargs or {}, tensors(found)))
        return found

    @torch.no_grad()
    def replay(self) -> None:
        """Repeat it, each result where it was."""
        for func, args, kwargs, kept in self._calls:
            for old, new in zip(kept, tensors(func(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.data.copy_(new.data)


def tensors(found: Any) -> list[Tensor]:
    return [one for one in tree_leaves(found) if isinstance(one, Tensor)]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """All recordings; as on a GPU, recording itself changes nothing."""
    kept: dict[str, Any] = {}
    made: list[Recording] = []

    def record(work: Any) -> tuple[Any, Measured]:
        before = [one.clone() for one in kept["tensors"]()]
        with Recording() as seen:
            found = work()
        for one, value in zip(kept["tensors"](), before, strict=True):
            one.data.copy_(value)
        made.append(seen)
        return seen.replay, found

    init = captured.Captured.__init__

    def noted(self: Any, step: Any, changing: Any, tell: Any) -> None:
        kept["tensors"] = changing
        init(self, step, changing, tell)

    monkeypatch.setattr(captured, "record", record)
    monkeypatch.setattr(captured.Captured, "__init__", noted)
    monkeypatch.setattr(
        sys.modules["torch.optim.adam"], "_get_capturable_supported_devices", lambda *_args, **_more: ["cpu"]
    )
    return made


def taken(problem: Problem, method: str, **values: Any) -> tuple[list[Step], Learner[Any]]:
    values = {"steps": STEPS, "batch": 3, "lr": 0.02, "keep_step": "last", **values}
    learner = methods.get(method)._learner(problem, settings(method, **values))  # type: ignore[attr-defined]
    return list(carry_out(learner, None)), learner


@pytest.mark.parametrize("name", objectives.names())
def test_a_recorded_step_is_the_step_for_every_objective(
    name: str, problem64: Problem, recorder: list[Recording]
) -> None:
    expected, _ = taken(problem64, "adamerging", objective=name)
    problem = replace(problem64, capture=True)
    found, _ = taken(problem, "adamerging", objective=name)
    assert problem.captured == "yes"
    assert len(recorder) == 1
    for one, other in zip(found, expected, strict=True):
        assert list(one.losses.values()) == pytest.approx(list(other.losses.values()), abs=1e-12)
        assert one.coefficients is not None
        assert other.coefficients is not None
        torch.testing.assert_close(one.coefficients.values, other.coefficients.values, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("method", "values"), [("samerging", {}), ("adamerging_pp", {}), ("adarank", {"start": "none"}), ("best", {})]
)
def test_relatives_are_recorded_too(
    method: str, values: dict[str, Any], problem64: Problem, recorder: list[Recording]
) -> None:
    expected, _ = taken(problem64, method, **values)
    problem = replace(problem64, capture=True)
    found, _ = taken(problem, method, **values)
    assert problem.captured == "yes"
    for one, other in zip(found, expected, strict=True):
        assert list(one.losses.values()) == pytest.approx(list(other.losses.values()), abs=1e-12)


def test_going_on_in_the_middle_gives_the_same_bits(problem32: Problem, recorder: list[Recording]) -> None:
    problem = replace(problem32, capture=True)
    straight, learner = taken(problem, "adamerging")
    state = straight[7].state
    assert state is not None
    again = list(carry_out(methods.get("adamerging")._learner(problem, learner._settings), state()))  # type: ignore[attr-defined]
    assert_same(again, straight[8:])
    assert len(recorder) == 2


def test_a_step_that_reads_runs_as_it_is_and_says_so(
    problem32: Problem, recorder: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    through = Learner._through_clamp

    def reading(self: Any, gradient: Tensor, used: Tensor, raw: Tensor) -> Tensor:
        assert gradient.isfinite().all()  # A read of the device.
        return through(self, gradient, used, raw)

    monkeypatch.setattr(Learner, "_through_clamp", reading)
    expected, _ = taken(problem32, "adamerging")
    problem = replace(problem32, capture=True)
    found, _ = taken(problem, "adamerging")
    assert problem.captured == "a step can't be recorded: a number was read while a step was recorded"
    assert not recorder
    torch.testing.assert_close(lambdas(found), lambdas(expected), rtol=0, atol=1e-6)


def test_a_recording_that_gives_other_bits_is_not_used(
    problem32: Problem, recorder: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = taken(replace(problem32, capture=True), "adamerging")
    monkeypatch.setattr(Recording, "replay", lambda self: None)
    problem = replace(problem32, capture=True)
    found, _ = taken(problem, "adamerging")
    assert problem.captured == "a recorded step gives other bits"
    assert_same(found, expected)


def test_images_that_are_not_on_the_device_are_not_recorded(problem32: Problem, recorder: list[Recording]) -> None:
    problem = replace(problem32, capture=True)
    found, learner = taken(problem, "adamerging", objective="expert_kl", once=True, steps=4)
    assert not learner._batches.fixed
    assert len(found) == 5
    assert not recorder


def test_the_run_says_whether_its_steps_were_recorded(
    problem32: Problem, recorder: list[Recording], tmp_path: Path
) -> None:
    problem = replace(problem32, capture=True)
    method = methods.get("adamerging")
    spec = RunSpec.of(problem, method, method.Settings(steps=6, batch=3, keep_step="last"))
    with Store.open(tmp_path / "runs") as store:
        run_id = spec.create(store)
        runner.execute(store, run_id, problem, spec)
        record = store.run(run_id)
    assert record.execution.captured == "yes"
    assert RunSpec.stored(record).key == spec.key


def lambdas(steps: list[Step]) -> Tensor:
    return torch.stack([step.coefficients.values for step in steps if step.coefficients is not None])
