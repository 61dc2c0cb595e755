"""The merged model of a run, wherever it is: stored, made of its λ, or made again by a formula."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from core.checkpoints import load_checkpoint
from core.encoders.models import VISUAL
from core.errors import BadInput, BadSuite, UnknownName
from core.export.weights import export_model, metadata
from core.problem.problem import Problem
from core.runs.spec import RunSpec
from core.step import Coefficients, Form, Need, Outcome
from core.store import Damaged, RunRecord, Store
from core.suite.find import find

MERGED = "merged.safetensors"
"""The artefact with the merged model, where a method makes a single one."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What a run has made so far."""

    outcome: Outcome
    step: int
    """The step whose λ this is."""


def keep(store: Store, record: RunRecord, problem: Problem, outcome: Outcome) -> None:
    """Store the merged model of a run."""
    origin, (base, inside) = metadata(record), base_file(record)
    store.keep(record.id, MERGED, lambda path: export_model(problem, outcome, path, origin, base, inside))


def complete(store: Store, record: RunRecord, problem: Problem) -> None:
    """Add to a merged model what only the file of the base holds; where it was made, that file may not be."""
    if MERGED in store.artefacts(record.id):
        found = load_checkpoint(store.kept(record.id, MERGED), VISUAL, arch=problem.encoder.arch)
        keep(store, record, problem, Outcome.of(found.tensors))


def made(store: Store, record: RunRecord, problem: Problem) -> Made:
    """What the run's method makes of its λ, or its formula; raises `BadInput` where neither makes a model."""
    spec = RunSpec.stored(record)
    method, settings = spec.method, spec.settings
    rows = store.steps(record.id, since=record.model_step - 1, limit=1)
    newest = next((row for row in reversed(rows) if row.coefficients is not None), None)
    if newest is not None and newest.coefficients is not None:
        values = torch.from_numpy(newest.coefficients.copy())
        weights = method.weights_at(problem, settings, Coefficients(record.groups, record.tasks, values))
        if weights is not None:
            return Made(Outcome.of(weights), newest.number)
    if record.status == "done" and method.needed(settings) is Need.NOTHING:
        for step in method.steps(problem, settings):
            if step.outcome is not None:
                return Made(step.outcome, step.number)
    if record.status == "done" and method.form is Form.MODULES:
        raise BadInput(f"The result of {method.title} can't be tried here: {method.form.obstacle}.")
    raise BadInput("This run has no merged model yet. Wait for the first step, or choose another run.")


def file_of(store: Store, record: RunRecord, problem: Callable[[], Problem]) -> Path:
    """Where a run's merged model lies, its bytes those that were written; one that is damaged is made again.

    `problem` loads what the run works on. Raises `Damaged` where it can't be made again.
    """
    try:
        return store.kept(record.id, MERGED)
    except Damaged as error:
        if store.read_only:
            raise
        try:
            loaded = problem()
            keep(store, record, loaded, made(store, record, loaded).outcome)
        except BadInput as obstacle:
            raise Damaged(f"{error} It can't be made again: {obstacle}") from error
        log.warning("%s It was made again from what the run has stored.", error)
    return store.kept(record.id, MERGED)


def base_file(record: RunRecord) -> tuple[Path | None, str | None]:
    """The checkpoint file of the run's base, and which model in it; None where its suite can't be found any more."""
    try:
        suite = find(record.origin)
        return suite.resolve(suite.entry.base.weights), suite.entry.base.inside
    except (UnknownName, BadSuite):
        return None, None
