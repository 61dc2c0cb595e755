"""Whether merged models know what they do not know."""

from __future__ import annotations

from collections.abc import Sequence

from core import methods
from core.export.numbers import percent
from core.problem.method import Role
from core.statistics import Estimate, mean
from core.studies import Cell, Scope, Study, title_of
from core.studies.engine.done import Done, Metric, at, over_seeds, places
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table


class Calibration(Study):
    """Expected calibration error of merged models, base and experts (Guo et al., ICML 2017; 15 bins)."""

    title = "Calibration"
    question = "Can you trust a merged model's confidence as much as the experts'?"
    paper = "metric: Guo et al. (ICML 2017), equation 3"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Base, experts and the usual merges, each measured on every test image."""
        references = methods.of_role(Role.LOWER, Role.UPPER)
        own = (*references, "average", "task_arithmetic", "ties", "adamerging", "adamerging_pp")
        return scope.sweep(own, measures=[{"name": "calibration"}])

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """ECE by task; a reliability diagram over all tasks."""
        found = {name: own for (name,) in places(cells, "method") if (own := at(cells, method=name))}
        rows, errors, findings = [], [], []
        for name, own in found.items():
            values = [over_seeds(own, _mean_of("ece", task)) for task in scope.tasks]
            error, confidence, accuracy = (over_seeds(own, _mean_of(key)) for key in ("ece", "confidence", "accuracy"))
            rows.append(Row(title_of(name), (*values, error, confidence, accuracy), contest=own[0].contest))
            errors.append(error)
            if error is not None and confidence is not None and accuracy is not None:
                sure = "over-confident" if confidence.mean > accuracy.mean else "under-confident"
                findings.append(f"{title_of(name)}: ECE {percent(error.mean)}, {sure} on average.")
        errors_of = (*(f"ECE, {scope.titles[task]}" for task in scope.tasks), "Mean ECE")
        columns = (*(Column(name, marks="lowest") for name in errors_of),
                   Column("Mean confidence", marks="nothing"), Column("Mean accuracy"))  # fmt: skip
        table = Table("Expected calibration error, per cent", "Method", columns, tuple(rows))
        bars = Series("mean ECE", tuple(map(title_of, found)), tuple(errors))
        lines = tuple(_reliability(title_of(name), own) for name, own in found.items())
        charts = (
            Chart("Mean expected calibration error, lower is better", "bars", "", "ECE", (bars,)),
            Chart("Reliability over all tasks", "lines", "confidence", "accuracy", lines, diagonal=True),
        )
        return Result((table,), charts, tuple(findings))


def _mean_of(key: str, task: str = "") -> Metric:
    """What was measured, on one task or as the mean of all."""

    def metric(one: Done) -> float | None:
        tasks = one.measured("calibration").get("tasks", {})
        return mean([float(facts[key]) for name, facts in tasks.items() if task in ("", name)])

    return metric


def _reliability(name: str, cells: Sequence[Done]) -> Series:
    """Bins of all tasks and seeds pooled by their number; empty ones are left out."""
    pooled: dict[int, list[float]] = {}
    for one in cells:
        for facts in one.measured("calibration").get("tasks", {}).values():
            for size, confidence, accuracy in facts["bins"]:
                place = pooled.setdefault(min(14, int(confidence * 15)), [0.0, 0.0, 0.0])
                for at_, value in enumerate((size, size * confidence, size * accuracy)):
                    place[at_] += value
    found = [pooled[place] for place in sorted(pooled)]
    x = tuple(confidence / size for size, confidence, _ in found)
    return Series(name, x, tuple(Estimate(accuracy / size) for size, _, accuracy in found))
