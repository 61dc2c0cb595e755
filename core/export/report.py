"""The report of a run: what `report.json` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any

from core.export.reported import MEASURES
from core.statistics import Half, accuracy_interval, interval_of_mean, mean
from core.store.records import EvaluationRecord, RunRecord, StepRecord

if TYPE_CHECKING:
    from core.problem.evaluate import Evaluation, Reference


def version() -> str:
    """The installed version of Mergescope; "unknown" where it runs from an uninstalled checkout."""
    try:
        return installed_version("mergescope")
    except PackageNotFoundError:
        return "unknown"


def build(
    record: RunRecord,
    steps: Sequence[StepRecord],
    evaluations: Sequence[Evaluation],
    references: Mapping[str, Reference],
    peak_memory_mb: float,
    form: str = "one model",
    watched: Sequence[EvaluationRecord] = (),
) -> dict[str, Any]:
    """The report, ready for JSON. Accuracies are fractions; seconds are those of the steps alone.

    `steps` may leave out coefficients except on the last step that has them. `entropy` has a row for every
    step that measured one, in the order of the run's tasks. Tasks without an expert come last and are not in the
    averages. A method that makes no updates counts as one step in `seconds_per_step`. `form` says what the result
    consists of (`core.problem.method.Form`): only results of the same form compare. `what_if` stands in the report of a
    λ that a person changed: the run it came from, the changes, and what that run's steps had cost. `deltas` is the
    number format of the task vectors, where they are packed.

    `agreement` and `kl` (nats) hold the model against each task's expert on the reporting half of the `watched` images;
    `kept_step` is the step whose model this is, where one was chosen. `accuracy_between` is what follows for a task's
    accuracy from agreement and the expert's accuracy: the measured one, or `expert_stated`, which comes from the suite.
    """
    own = {one.task: one for one in watched if one.half is Half.REPORTING and one.step == record.model_step}
    tasks = [_task(one, references.get(one.task), own.get(one.task)) for one in evaluations]
    counted = averaged(tasks, record.tasks)
    return {
        "mergescope": version(),
        "suite": record.suite,
        "method": record.method,
        "settings": dict(record.settings),
        "seed": record.seed,
        "device": record.device,
        "precision": record.precision,
        "tasks": tasks,
        "average_accuracy": mean([task["accuracy"] for task in counted]),
        "average_normalised": mean([task["normalised"] for task in counted]),
        "steps": record.steps_done,
        "seconds": record.seconds,
        "seconds_per_step": record.seconds / max(record.steps_done, 1),
        "peak_memory_mb": peak_memory_mb,
        "entropy": [[step.entropies.get(task) for task in record.tasks] for step in steps if step.entropies],
        "coefficients": _coefficients(record, steps),
        "adapted_on": record.adapted_on,
        "samples_seen": record.samples_seen,
        "form": form,
        "average_agreement": mean([one.agreement for one in own.values() if one.agreement is not None]),
        "average_kl": mean([one.kl for one in own.values() if one.kl is not None]),
        "kept_step": record.kept,
    } | _rarely(record, counted, evaluations)


def _rarely(record: RunRecord, counted: Sequence[Mapping[str, Any]], found: Sequence[Evaluation]) -> dict[str, Any]:
    """What only some reports have."""
    more: dict[str, Any] = {} if record.what_if is None else {"what_if": record.what_if.plain()}
    more |= {"deltas": record.execution.deltas} if record.execution.packed else {}
    return more | averages(counted) | details(found)


def scored(evaluation: Evaluation) -> dict[str, Any]:
    """What is reported of a task beside accuracy, and a person's own `metrics` by name (None: failed); nothing without
    labels, and no `top5_accuracy` up to five classes."""
    scores = evaluation.scores
    if scores is None:
        return {}
    return dict(scores.shares) | ({"metrics": dict(scores.metrics)} if scores.metrics else {})


def averages(tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of what `scored` says, over the tasks that have it: `average_macro_f1`, and `average_metrics` by name."""
    found = {f"average_{one.name}": mean([task.get(one.name) for task in tasks]) for one in MEASURES}
    own = dict.fromkeys(name for task in tasks for name in task.get("metrics", {}))
    metrics = {name: mean([task.get("metrics", {}).get(name) for task in tasks]) for name in own}
    known = {name: value for name, value in found.items() if value is not None}
    return known | ({"average_metrics": metrics} if metrics else {})


def details(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """What a report holds apart from its tasks, as lists of runs leave it out: `by_class`, `calibration`, and also
    `failed_metrics`."""
    known = {one.task: one.scores for one in evaluations if one.scores is not None}
    if not known:
        return {}
    failed: dict[str, str] = {}
    for task, scores in known.items():
        failed |= {name: f"{task}: {why}" for name, why in scores.failed.items() if name not in failed}
    found: dict[str, Any] = {
        "by_class": {task: dict(scores.by_class) for task, scores in known.items()},
        "calibration": {task: [list(row) for row in scores.bins] for task, scores in known.items()},
    }
    return found | ({"failed_metrics": failed} if failed else {})


def averaged(tasks: Sequence[Mapping[str, Any]], merged: Sequence[str]) -> list[Mapping[str, Any]]:
    """The rows of a report's `tasks` that every average counts: merged tasks whose accuracy is known."""
    return [task for task in tasks if task["name"] in merged and task["accuracy"] is not None]


def average_ci95(tasks: Sequence[Mapping[str, Any]], merged: Sequence[str]) -> tuple[float, float] | None:
    """95 % interval of `average_accuracy`; None where no accuracy is known."""
    counted = averaged(tasks, merged)
    return interval_of_mean([task["accuracy"] for task in counted], [task["ci95"] for task in counted])


def _task(evaluation: Evaluation, reference: Reference | None, watched: Evaluation | None) -> dict[str, Any]:
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
        "agreement": None if watched is None else watched.agreement,
        "kl": None if watched is None else watched.kl,
        "watched_images": 0 if watched is None else watched.total,
        "accuracy_between": _between(watched, reference),
        "expert_stated": asdict(reference.stated) if reference and reference.stated else None,
    } | scored(evaluation)


def _between(watched: Evaluation | None, reference: Reference | None) -> list[float] | None:
    """What accuracy can be, given agreement and the expert's accuracy, wider by the sampling error of both.

    The expert's is that on the test images, else the stated one; where nobody says on how many images that was
    measured, as few are assumed as the agreement stands on.
    """
    if watched is None or watched.agreement is None or reference is None:
        return None
    expert, stated = reference.expert, reference.stated
    if expert is not None and expert.accuracy is not None:
        accuracy, images = expert.accuracy, expert.total
    elif stated is not None:
        accuracy, images = stated.accuracy, stated.images or watched.total
    else:
        return None
    return list(accuracy_interval(watched.agreement, watched.total, accuracy, images))


def _coefficients(record: RunRecord, steps: Sequence[StepRecord]) -> dict[str, Any]:
    kept = [step for step in steps if record.kept is None or step.number <= record.kept]
    last = next((step.coefficients for step in reversed(kept) if step.coefficients is not None), None)
    values = [] if last is None else [[float(value) for value in row] for row in last]
    return {"groups": list(record.groups), "tasks": list(record.tasks), "values": values}
