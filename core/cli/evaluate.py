"""`evaluate`: accuracy of the base, of one expert or of a weight file on a suite's tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import loading, options
from core.cli.output import print_json, print_table, shown
from core.cli.own_metrics import own_metrics, tell_failures
from core.cli.running import print_measures
from core.errors import BadInput, UnknownName
from core.export.numbers import interval, number, percent
from core.statistics import Evaluation, mean

if TYPE_CHECKING:
    from core.problem.problem import Problem
    from core.step import Weights


def evaluate(
    suite: options.SuiteName,
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="A merged model (.safetensors).")] = None,
    prefix: options.Prefix = None,
    expert: Annotated[str | None, typer.Option(metavar="TASK", help="The expert of this task.")] = None,
    base: Annotated[bool, typer.Option("--base", help="The base, which is also the default.")] = False,
    tasks: options.Tasks = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    metric: options.Metrics = None,
    as_json: options.Json = False,
) -> None:
    """Measure one set of weights on the test images of every task of SUITE."""
    if (weights is not None) + (expert is not None) + base > 1:
        raise BadInput("Give one of `--weights`, `--expert` and `--base`. Found several; remove all but one.")
    if prefix is not None and weights is None:
        raise BadInput("`--prefix` needs the `--weights` that it chooses from. Found none.")
    metrics = own_metrics(metric)
    file, subset = loading.suite_and_tasks(suite, tasks)
    if expert is not None and expert not in file.experts:
        raise UnknownName(f"expert of suite {file.name}", expert, file.experts)

    # The chosen expert has to be loaded also where its own task is not measured.
    needed = [*subset, expert] if subset and expert and expert not in subset else subset
    problem = loading.load(file, needed, device, precision)
    problem.metrics = metrics
    chosen, subject = _weights(problem, weights, expert, prefix)
    from core.problem.evaluate import evaluate_everywhere
    from core.step import Outcome

    with shown() as progress:
        found = evaluate_everywhere(problem, Outcome.of(chosen), progress, subset)
    report = _report(file.name, subject, problem, found)
    tell_failures(metrics, report)
    if as_json:
        print_json(report)
    else:
        _print(report)


def _weights(problem: Problem, path: Path | None, expert: str | None, inside: str | None) -> tuple[Weights, str]:
    if path is not None:
        from core.checkpoints import load_weights

        vectors, arch = problem.task_vectors, problem.encoder.arch
        return load_weights(path, vectors.base, vectors.names, inside, arch), str(path)
    if expert is not None:
        return problem.task_vectors.expert(expert), f"expert {expert}"
    return problem.task_vectors.base, "base"


def _report(suite: str, subject: str, problem: Problem, found: list[Evaluation]) -> dict[str, Any]:
    from core.export.report import averages, details, scored

    rows = [
        {
            "name": item.task,
            "accuracy": item.accuracy,
            "ci95": list(item.ci95) if item.ci95 else None,
            "correct": item.correct,
            "total": item.total,
            "entropy": item.entropy,
        }
        | scored(item)
        for item in found
    ]
    report = {
        "suite": suite,
        "weights": subject,
        "split": "test",
        "device": str(problem.device),
        "precision": problem.precision,
        "tasks": rows,
        "average_accuracy": mean([item.accuracy for item in found]),
    }
    return report | averages(rows) | details(found)


def _print(report: dict[str, Any]) -> None:
    rows = [
        [
            row["name"],
            percent(row["accuracy"]),
            interval(row["ci95"]),
            str(row["total"]),
            number(row["entropy"], 3),
        ]
        for row in report["tasks"]
    ]
    rows.append(["average", percent(report["average_accuracy"]), "", "", ""])
    columns = ["task", ">accuracy", ">95 % interval", ">images", ">entropy (nats)"]
    print_table(f"{report['weights']} on {report['suite']}", columns, rows)
    print_measures(report)
