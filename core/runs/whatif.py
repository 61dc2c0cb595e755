"""Changed λ: merged as the run's method merges, and kept as a run of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from core.control import Control
from core.errors import BadInput
from core.export.report import build
from core.export.titles import run_title
from core.problem.evaluate import evaluate_everywhere, references
from core.problem.memory import peak_memory_mb
from core.problem.probe import Probe
from core.problem.problem import Problem
from core.progress import SILENT
from core.runs import model, runner
from core.runs.spec import RunSpec
from core.statistics import Half
from core.step import Coefficients, Outcome, Step, Weights
from core.store import Edit, RunRecord, Store, WhatIf

if TYPE_CHECKING:
    from core.store.records import Float32


def require_mixing(record: RunRecord) -> None:
    """Raise `BadInput` for a run whose λ alone does not make its model."""
    spec = RunSpec.stored(record)
    if spec.method.mixture(spec.settings) is None:
        raise BadInput(
            f"λ of {spec.method.title} can't be changed afterwards: its model needs more than λ. Choose a run of "
            "AdaMerging."
        )


def weights(problem: Problem, record: RunRecord, values: Float32) -> Weights:
    """The model that a run's method makes of λ `[groups, tasks]`; raises `BadInput` where λ alone makes none."""
    require_mixing(record)
    spec = RunSpec.stored(record)
    found = spec.method.weights_at(problem, spec.settings, _coefficients(record, values))
    assert found is not None
    return found


def save(
    store: Store,
    problem: Problem,
    parent: RunRecord,
    step: int,
    values: Float32,
    edits: Sequence[Edit],
    name: str = "",
) -> str:
    """Evaluate λ `[groups, tasks]`, which `edits` made of the parent's at `step`, on all test images; a new run's id.

    The run is done, has one step, and counts what its parent's steps had cost as its own.
    """
    begin = time.perf_counter()
    merged = weights(problem, parent, values)
    changed = _after(store, parent, WhatIf(parent.id, step, tuple(edits)))
    took = time.perf_counter() - begin + (changed.seconds or 0.0)
    outcome = Outcome.of(merged)
    found, known = evaluate_everywhere(problem, outcome, SILENT), references(problem)
    how, name = replace(parent.execution, what_if=changed), name or f"{run_title(parent)}, λ changed at step {step}"
    run_id = replace(RunSpec.stored(parent), execution=how, name=name).create(store)
    with runner.noted(store, run_id, Control()):
        first = Step(0, seconds=took, samples=changed.samples or 0, coefficients=_coefficients(parent, values))
        store.record(run_id, first)
        store.add_evaluation(run_id, 0, found, full=True)
        seen = Probe.of(problem, RunSpec.stored(parent).watched_on).report(outcome, SILENT)
        store.add_evaluation(run_id, 0, seen, half=Half.REPORTING)
        made = store.run(run_id)
        model.keep(store, made, problem, outcome)
        store.finish(
            run_id, build(made, store.steps(run_id), found, known, peak_memory_mb(), watched=store.watched(run_id))
        )
    return run_id


def _after(store: Store, parent: RunRecord, changed: WhatIf) -> WhatIf:
    """The same with the cost of the steps that led to the λ that was changed."""
    if parent.what_if is not None:
        whole = parent.what_if.seconds is not None
        return replace(changed, seconds=parent.seconds, samples=parent.samples_seen) if whole else changed
    steps = [one for one in store.steps(parent.id, coefficients=False) if one.number <= changed.step]
    seconds, samples = sum(one.seconds for one in steps), sum(one.samples for one in steps)
    return replace(changed, seconds=seconds, samples=samples)


def _coefficients(record: RunRecord, values: Float32) -> Coefficients:
    return Coefficients(record.groups, record.tasks, torch.from_numpy(values.copy()))
