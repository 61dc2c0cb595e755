"""Changed λ: what a person asks for, applied to the exact values, merged and evaluated on the server. No Gradio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from core.errors import BadInput
from core.evaluate import Evaluation, evaluate, references
from core.export import export_model, metadata
from core.memory import peak_memory_mb
from core.problem import Problem
from core.report import build
from core.session import MERGED
from core.step import Coefficients, Outcome, Step, Weights
from core.store import RunRecord, Store
from core.task_vectors import TaskVectors
from core.techniques.trimming import trim_and_elect
from dashboard.charts.columns import Column, arrange
from dashboard.charts.facts import grouping_of

SAMPLE = 128
"""Images per task of a quick measurement."""
MOST_EDITS = 100
LARGEST = 10.0
METHODS = ("adamerging", "adamerging_pp")
"""Methods whose λ weighs task vectors, so that a changed λ has a meaning."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Edit:
    """One change of λ."""

    task: str
    """A task's name; empty for all."""
    where: str
    """`block:…`, `kind:…`, `column:…`; empty for everywhere."""
    op: str
    """`set`, `scale` or `add`."""
    value: float


def parse(raw: Any, tasks: Sequence[str], columns: Sequence[Column]) -> tuple[Edit, ...]:
    """The edits that a browser sent, every part checked; raises `BadInput`."""
    if not isinstance(raw, list) or not 0 < len(raw) <= MOST_EDITS:
        raise BadInput(f"`edits` should be a list of 1 to {MOST_EDITS} changes. Make a change first.")
    places = {""} | {
        f"{kind}:{name}"
        for column in columns
        for kind, name in (("block", column.block), ("kind", column.kind), ("column", column.name))
    }
    return tuple(_edit(one, tasks, places) for one in raw)


def _edit(raw: Any, tasks: Sequence[str], places: set[str]) -> Edit:
    given = raw if isinstance(raw, dict) else {}
    value: Any = given.get("value")
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or abs(value) > LARGEST:
        raise BadInput(
            f"`value` of a change should be a number from −{LARGEST:g} to {LARGEST:g}. Found `{value!r:.40}`."
        )
    for name, known in (("task", ("", *tasks)), ("where", places), ("op", ("set", "scale", "add"))):
        if given.get(name) not in known:
            raise BadInput(f"`{name}` of a change should be one of this run's. Found `{given.get(name)!r:.60}`.")
    return Edit(given["task"], given["where"], given["op"], float(value))


def apply(values: Floats, edits: Sequence[Edit], tasks: Sequence[str], columns: Sequence[Column]) -> Floats:
    """λ `[groups, tasks]` after the edits, one after the other; `values` stays as it is."""
    edited = values.copy()
    for edit in edits:
        rows = [column.row for column in columns if _covers(edit.where, column)]
        chosen = [place for place, task in enumerate(tasks) if edit.task in ("", task)]
        cells = np.ix_(rows, chosen)
        change = {
            "set": np.float32(edit.value),
            "scale": edited[cells] * np.float32(edit.value),
            "add": edited[cells] + np.float32(edit.value),
        }
        edited[cells] = change[edit.op]
    return edited


def _covers(where: str, column: Column) -> bool:
    kind, _, name = where.partition(":")
    return not where or name == {"block": column.block, "kind": column.kind, "column": column.name}[kind]


@dataclass(frozen=True)
class Question:
    """A run's λ at one step, and what should be changed."""

    record: RunRecord
    step: int
    values: Floats
    edits: tuple[Edit, ...] = ()

    @staticmethod
    def of(store: Store, record: RunRecord, step: int, edits: Any) -> Question:
        """From what a browser sent; raises `BadInput`."""
        if record.method not in METHODS:
            raise BadInput(
                f"λ of `{record.method}` can't be changed afterwards. Choose a run of {' or '.join(METHODS)}."
            )
        found = store.steps(record.id, since=step - 1, limit=1)
        if not found or found[0].number != step or found[0].coefficients is None:
            raise BadInput(f"Step {step} of this run should have coefficients. Found none. Choose another step.")
        return Question(record, step, found[0].coefficients, parse(edits, record.tasks, arrange(record.groups)))

    @property
    def edited(self) -> Floats:
        """λ after the edits."""
        return apply(self.values, self.edits, self.record.tasks, arrange(self.record.groups))


def weights(problem: Problem, record: RunRecord, values: Floats) -> Weights:
    """The merged model of a run's method with λ `[groups, tasks]`."""
    vectors = prepared(problem, record)
    _, grouping = grouping_of(vectors, record.groups)
    order = [record.tasks.index(task) for task in vectors.tasks]
    rows = torch.from_numpy(values[:, order].copy()).to(vectors.origin.device)
    return vectors.named(vectors.combine(rows, grouping.row_of))


def prepared(problem: Problem, record: RunRecord) -> TaskVectors:
    """The task vectors as the run's method merges them."""
    if record.method == "adamerging_pp":
        return trim_and_elect(problem.task_vectors, float(record.settings["keep"]))
    return problem.task_vectors


def measure(problem: Problem, record: RunRecord, values: Floats, limit: int | None = SAMPLE) -> list[Evaluation]:
    """Accuracy and entropy of every task of the run, on `limit` test images each (None: all)."""
    merged = weights(problem, record, values)
    return [evaluate(problem, merged, task, limit=limit) for task in record.tasks]


def save(store: Store, problem: Problem, question: Question, name: str) -> str:
    """Evaluate the changed λ on all test images and keep it as a finished run of one step; returns its id."""
    record, values = question.record, question.edited
    merged = weights(problem, record, values)
    found = [evaluate(problem, merged, task) for task in record.tasks]
    known = references(problem)
    changed = {"of": record.id, "step": question.step, "edits": [asdict(edit) for edit in question.edits]}
    run_id = store.create(
        suite=record.suite,
        origin=record.origin,
        method=record.method,
        settings=record.settings,
        seed=record.seed,
        tasks=record.tasks,
        steps=0,
        execution=record.execution | {"what_if": changed},
        hashes=record.hashes,
        adapted_on=record.adapted_on,
        name=name or f"{record.name or record.method}, λ changed at step {question.step}",
    )
    coefficients = Coefficients(record.groups, record.tasks, torch.from_numpy(values))
    store.record(run_id, Step(0, coefficients=coefficients))
    store.add_evaluation(run_id, 0, "test", found, full=True)
    made = replace(store.run(run_id), samples_seen=record.samples_seen)
    export_model(problem, Outcome.of(merged), store.artefact(run_id, MERGED), metadata(made))
    store.finish(run_id, build(made, store.steps(run_id), found, known, peak_memory_mb()))
    return run_id
