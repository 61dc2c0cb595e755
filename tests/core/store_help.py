"""Small things that the tests of store, runner and jobs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from core import methods
from core.errors import BadInput, NonFinite
from core.problem.method import Coefficients, Method, Outcome, State, Step
from core.problem.problem import Problem
from core.runs.spec import RunSpec, settings_for
from core.settings import MethodSettings, setting
from core.store import Store
from core.suite.find import find

TASKS = ("task0", "task1")
GROUPS = ("first", "second")


def new_run(store: Store, **changes: Any) -> str:
    """A queued run with unremarkable facts."""
    facts: dict[str, Any] = {
        "suite": "tiny",
        "method": "adamerging",
        "settings": {"steps": 9, "lr": 1e-3},
        "seed": 7,
        "tasks": TASKS,
        "steps": 9,
        "execution": {"device": "cpu", "precision": "float32"},
        "hashes": {"base": "0" * 64},
        "adapted_on": "test",
    }
    return store.create(**facts | changes)


def asked(suite: object, method: str = "adamerging", settings: dict[str, Any] | None = None, **how: Any) -> RunSpec:
    """The run of a method with the suite's settings and these."""
    file, chosen = find(str(suite)), methods.get(method)
    return RunSpec.asked(file, chosen, settings_for(chosen, file, settings or {}), **how)


def step(number: int, **changes: Any) -> Step:
    """A step whose every value is a function of its number."""
    values = torch.tensor([[number / 3, -number / 7], [number / 11, 1.0]])
    state = {"number": torch.tensor(number), "moment": torch.full((3,), number / 9, dtype=torch.float64)}
    facts: dict[str, Any] = {
        "losses": {task: number / (place + 3) for place, task in enumerate(TASKS)} if number else {},
        "entropies": {task: number / (place + 5) for place, task in enumerate(TASKS)} if number else {},
        "seconds": 0.25,
        "samples": 32 if number else 0,
        "coefficients": Coefficients(GROUPS, TASKS, values),
        "state": lambda: state,
    }
    return Step(number, **facts | changes)


class ChainSettings(MethodSettings):
    """Settings of `Chain`."""

    steps: int = setting(6, "Steps.", source="test")
    bad_at: int = setting(0, "Step whose loss is NaN.", source="test")


class Chain(Method[ChainSettings]):
    """Each step depends on all before it and on a generator, so any slip of resuming changes what follows."""

    name, title, paper, summary, cost = "chain", "Chain", "", "", ""
    Settings = ChainSettings

    def steps(self, problem: Problem, settings: ChainSettings, resume: State | None = None) -> Iterator[Step]:
        value, generator, number = torch.zeros(1, len(problem.tasks)), torch.Generator().manual_seed(settings.seed), 0
        if resume is None:
            yield self._step(problem, settings, 0, value, generator)
        else:
            value, number = resume["value"].clone(), int(resume["number"])
            generator.set_state(resume["generator"])
        while number < settings.steps:
            problem.tick()
            number += 1
            if number == settings.bad_at:
                raise NonFinite(f"Step {number}: the loss is NaN.")
            value = (value * 1.25 + torch.rand(value.shape, generator=generator)).frac()
            yield self._step(problem, settings, number, value, generator)

    def total_steps(self, settings: ChainSettings) -> int:
        return settings.steps

    def _step(
        self, problem: Problem, settings: ChainSettings, number: int, value: Tensor, generator: torch.Generator
    ) -> Step:
        state = {"value": value.clone(), "number": torch.tensor(number), "generator": generator.get_state()}
        return Step(
            number,
            losses={task: float(value[0, at]) for at, task in enumerate(problem.tasks)} if number else {},
            seconds=0.5,
            samples=3 if number else 0,
            coefficients=Coefficients(("all",), problem.tasks, value.clone()),
            state=lambda: state,
            outcome=Outcome.of(problem.task_vectors.base) if number == settings.steps else None,
        )


def start(store: Store, problem: Problem, **settings: Any) -> tuple[str, RunSpec]:
    """A queued run of `Chain`."""
    spec = RunSpec.of(problem, Chain(), ChainSettings(**settings))
    return spec.create(store), spec


def same_run(store: Store, one: str, other: str) -> None:
    """Assert that two runs have the same bits."""
    first, second = store.run(one), store.run(other)
    assert first.status == second.status == "done"
    for left, right in zip(store.steps(one), store.steps(other), strict=True):
        assert (left.losses, left.entropies, left.samples) == (right.losses, right.entropies, right.samples)
        if left.coefficients is None or right.coefficients is None:
            assert left.coefficients is right.coefficients
        else:
            np.testing.assert_array_equal(left.coefficients, right.coefficients)
    assert store.evaluations(one) == store.evaluations(other)
    assert store.watched(one) == store.watched(other)
    timed = {"seconds", "seconds_per_step", "peak_memory_mb"}
    assert first.report is not None
    assert second.report is not None
    for name in first.report.keys() | second.report.keys():
        assert name in timed or first.report[name] == second.report[name], name
    assert store.artefacts(one) == store.artefacts(other)
    for artefact in store.artefacts(one):
        # The header of a merged model names its run.
        models = [safetensors.torch.load_file(store.kept(run_id, artefact)) for run_id in (one, other)]
        torch.testing.assert_close(*models, rtol=0, atol=0)


def done(runs: Path) -> list[str]:
    """The runs of a store that are done, whoever writes there."""
    if not (runs / "runs.sqlite3").exists():
        return []
    try:
        with Store.open(runs, write=False) as store:
            return sorted(run.id for run in store.runs(status="done"))
    except BadInput:  # Its tables are being made.
        return []
