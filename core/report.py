"""The report of a run: what `report.json` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any, Protocol

from core.store.records import RunRecord, StepRecord


class HasAccuracy(Protocol):
    """What a report takes from `core.evaluate.Evaluation`."""

    @property
    def task(self) -> str: ...
    @property
    def accuracy(self) -> float | None: ...
    @property
    def ci95(self) -> tuple[float, float] | None: ...


class HasReference(Protocol):
    """Accuracies of the base and of the task's expert, `core.evaluate.Reference`."""

    @property
    def base(self) -> HasAccuracy: ...
    @property
    def expert(self) -> HasAccuracy | None: ...


def version() -> str:
    """The installed version of Mergescope; "unknown" where it runs from an uninstalled checkout."""
    try:
        return installed_version("mergescope")
    except PackageNotFoundError:
        return "unknown"


def build(
    record: RunRecord,
    steps: Sequence[StepRecord],
    evaluations: Sequence[HasAccuracy],
    references: Mapping[str, HasReference],
    peak_memory_mb: float,
    form: str = "one model",
) -> dict[str, Any]:
    """The report, ready for JSON. Accuracies are fractions; seconds are those of the steps alone.

    `steps` may leave out coefficients except on the last step that has them. `entropy` has a row for every
    step that measured one, in the order of the run's tasks. Tasks without an expert come last and are not in the
    averages. A method that makes no updates counts as one step in `seconds_per_step`. `form` says what the result
    consists of (`core.methods.base.Form`): only results of the same form compare.
    """
    tasks = [_task(evaluation, references.get(evaluation.task)) for evaluation in evaluations]
    merged = [task for task in tasks if task["name"] in record.tasks]
    return {
        "mergescope": version(),
        "suite": record.suite,
        "method": record.method,
        "settings": dict(record.settings),
        "seed": record.seed,
        "device": record.device,
        "precision": record.precision,
        "tasks": tasks,
        "average_accuracy": _mean([task["accuracy"] for task in merged]),
        "average_normalised": _mean([task["normalised"] for task in merged]),
        "steps": record.steps_done,
        "seconds": record.seconds,
        "seconds_per_step": record.seconds / max(record.steps_done, 1),
        "peak_memory_mb": peak_memory_mb,
        "entropy": [[step.entropies.get(task) for task in record.tasks] for step in steps if step.entropies],
        "coefficients": _coefficients(record, steps),
        "adapted_on": record.adapted_on,
        "samples_seen": record.samples_seen,
        "form": form,
    }


def _task(evaluation: HasAccuracy, reference: HasReference | None) -> dict[str, Any]:
    base = reference.base.accuracy if reference else None
    expert = reference.expert.accuracy if reference and reference.expert else None
    accuracy, interval = evaluation.accuracy, evaluation.ci95
    return {
        "name": evaluation.task,
        "accuracy": accuracy,
        "ci95": list(interval) if interval is not None else None,
        "expert_accuracy": expert,
        "base_accuracy": base,
        "normalised": accuracy / expert if accuracy is not None and expert else None,
    }


def _coefficients(record: RunRecord, steps: Sequence[StepRecord]) -> dict[str, Any]:
    last = next((step.coefficients for step in reversed(steps) if step.coefficients is not None), None)
    values = [] if last is None else [[float(value) for value in row] for row in last]
    return {"groups": list(record.groups), "tasks": list(record.tasks), "values": values}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
