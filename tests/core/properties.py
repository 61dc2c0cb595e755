"""Properties that every merging method must have, and the problems that put them to the test."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from core import methods
from core.learning.coefficients import LearningSettings
from core.problem.method import State, Step, Weights
from core.problem.problem import Problem
from core.settings import MethodSettings, parse

LEARNING = [name for name in methods.names() if issubclass(methods.get(name).Settings, LearningSettings)]
QUICK = {"steps": 4, "batch": 5, "lr": 0.05}
"""Settings that keep a learning method short; lr is large so that λ really moves, 5 images cross epochs unevenly."""
SHORT = {"iterations": 20, "samples": 8}
"""The same for methods without steps of their own."""
CONDITION = 100
"""By how much more than its inputs a result may move: singular vectors, inverses, Adam's division by a small gradient.
The largest that was seen is 60: Iso-CTS moved by 6e-6 of its length when all inputs were rounded to float32 anew."""


def sure(problem: Problem, objective: str) -> Problem:
    """The same problem; for the objective that leaves unsure samples out, with heads that make most samples sure."""
    if objective != "entropy_selected":
        return problem
    return replace(problem, heads={task: 12 * head for task, head in problem.heads.items()})


def exact(method: str) -> dict[str, Any]:
    """Settings under which a learning method follows the gradient of the loss that it reports."""
    return {"rho": 0.0} if "rho" in methods.get(method).Settings.model_fields else {}


def settings(method: str, **values: Any) -> MethodSettings:
    """Settings of a method: the quick ones it has, replaced by `values`."""
    kind = methods.get(method).Settings
    known = QUICK if "steps" in kind.model_fields else SHORT
    quick = {name: value for name, value in known.items() if name in kind.model_fields}
    return parse(kind, quick | values, method)


def another_value(method: str, name: str) -> Any:
    """Another value of a method's setting than the quick one."""
    return other_than(getattr(settings(method), name), methods.get(method).Settings, name)


def other_than(value: Any, kind: type[BaseModel], name: str) -> Any:
    """Another value of a setting: another choice, twice as much, or on the way to its maximum."""
    known = kind.model_json_schema()["properties"][name]
    most = known.get("maximum", known.get("exclusiveMaximum", math.inf))
    if "enum" in known or isinstance(value, bool):
        return next(one for one in known.get("enum", (True, False)) if one != value)
    if known["type"] == "integer":
        return value + 1
    return 2 * value if 0 < 2 * value < most else (value + min(most, value + 2)) / 2


def run(method: str, problem: Problem, *, resume: State | None = None, **values: Any) -> list[Step]:
    """All steps of a method."""
    return list(methods.get(method).steps(problem, settings(method, **values), resume))


def merged(method: str, problem: Problem, task: str, **values: Any) -> dict[str, Tensor]:
    """The weights that a method gives a task."""
    outcome = run(method, problem, **values)[-1].outcome
    assert outcome is not None
    return dict(outcome.weights_for(task))


def fingerprint(problem: Problem, split: str = "test") -> str:
    """A hash of everything that a method is given, bit for bit."""
    vectors = problem.task_vectors
    parts = [vectors.origin, vectors.deltas, *vectors.fixed.values(), *problem.heads.values()]
    for task in problem.heads:
        images = problem.split(task, split)
        parts += [images.pixels] + ([] if images.labels is None else [images.labels])
    digest = hashlib.sha256(repr((vectors.tasks, vectors.names, list(problem.heads))).encode())
    for part in parts:
        digest.update(part.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def with_experts(problem: Problem, rows: Mapping[str, Tensor]) -> Problem:
    """The same problem with these tasks and task vectors `[D]`."""
    deltas = torch.stack(list(rows.values()))
    return replace(problem, task_vectors=replace(problem.task_vectors, tasks=tuple(rows), deltas=deltas))


def permuted(problem: Problem, order: list[int]) -> Problem:
    """The same problem with its tasks in another order."""
    vectors = problem.task_vectors
    return with_experts(problem, {vectors.tasks[i]: vectors.deltas[i] for i in order})


def only(problem: Problem, task: str) -> Problem:
    """The same problem with one expert."""
    return permuted(problem, [problem.tasks.index(task)])


def copies_of_the_base(problem: Problem) -> Problem:
    """The same problem with experts that equal the base."""
    return with_experts(problem, {t: torch.zeros_like(problem.task_vectors.origin) for t in problem.tasks})


def rounding(dtype: torch.dtype, terms: int, steps: int = 1, condition: float = 1) -> float:
    """How far two right results may lie apart, relative to their size, because processors add in different orders.

    A sum of `terms` numbers is off by at most `terms` · eps / 2 (Higham, Accuracy and Stability, 4.2), for each of two
    processors; each of `steps` begins where the last one ended; `condition` is how much a result moves with its input.
    """
    return torch.finfo(dtype).eps * terms * steps * condition


def assert_close(found: Weights, expected: Weights, tolerance: float = 1e-12) -> None:
    """Same names, shapes and types, and values within an absolute tolerance."""
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


def assert_same_steps(found: list[Step], expected: list[Step]) -> None:
    """The same steps bit for bit, but for the time they took."""
    assert [step.number for step in found] == [step.number for step in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.losses == other.losses
        assert one.entropies == other.entropies
        assert one.samples == other.samples
        assert one.coefficients is not None
        assert other.coefficients is not None
        assert torch.equal(one.coefficients.values, other.coefficients.values)
        assert_same_outcome(one, other)


def assert_same_outcome(one: Step, other: Step) -> None:
    """Both without an outcome, or with the same weights bit for bit; and the same state."""
    assert (one.outcome is None) == (other.outcome is None)
    if one.outcome is not None and other.outcome is not None:
        assert other.coefficients is not None
        for task in other.coefficients.tasks:
            assert_close(one.outcome.weights_for(task), other.outcome.weights_for(task), 0)
    assert one.state is not None
    assert other.state is not None
    mine, theirs = one.state(), other.state()
    assert mine.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(mine[name], tensor), name
