"""What accuracy costs in time."""

from __future__ import annotations

from collections.abc import Sequence

from core.statistics import Estimate, estimate
from core.studies import LEARNED, Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, at, finished, over_seeds
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table

SHARES = (0.0, 0.06, 0.1, 0.2, 0.4, 0.8, 1.0)
"""Of all steps; the paper's table gives 7.5, 12.5, 25, 50, 100 and 125 minutes of 125."""


class Time(Study):
    """Accuracy during learning against seconds (AdaMerging, appendix, time cost)."""

    title = "Accuracy against time"
    question = "How much accuracy does each minute of learning buy, and when is a formula enough?"
    paper = "AdaMerging, time cost in its appendix"

    def plan(self, scope: Scope) -> list[Cell]:
        """Formulas once; learning methods measured on the way."""
        cells = []
        for name in scope.methods(("task_arithmetic", "ties", *LEARNED)):
            total = scope.steps(name)
            steps = sorted({round(total * share) for share in SHARES})
            measures = [{"name": "accuracy_at", "steps": steps}] if total else []
            cells += [scope.cell(name, {}, seed=seed, measures=measures) for seed in scope.seeds_of(name)]
        return cells

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """A line for each learning method, a point for each formula."""
        series, rows, findings = [], [], []
        for name in dict.fromkeys(one.cell.method for one in finished(cells)):
            found = at(cells, method=name)
            ways = [one.measured("accuracy_at") for one in found]
            if not all(way.get("steps") for way in ways):
                seconds = over_seeds(found, lambda one: (one.report or {}).get("seconds"))
                accuracy = over_seeds(found)
                series.append(Series(title_of(name), (seconds.mean if seconds else 0.0,), (accuracy,)))
                rows.append(Row(title_of(name), (seconds, accuracy), contest=found[0].contest))
                continue
            steps = ways[0]["steps"]
            ways = [way for way in ways if way["steps"] == steps]
            spent = [estimate([way["seconds"][place] for way in ways]) for place in range(len(steps))]
            reached = [estimate([way["accuracy"][place] for way in ways]) for place in range(len(steps))]
            series.append(Series(title_of(name), tuple(value.mean if value else 0.0 for value in spent), tuple(reached),
                                 labels=tuple(f"step {step}" for step in steps)))  # fmt: skip
            rows += [
                Row(f"{title_of(name)}, step {step}", (spent[place], reached[place]), contest=found[0].contest)
                for place, step in enumerate(steps)
            ]
            findings += _half(title_of(name), steps, spent, reached)
        columns = (Column("Seconds", "seconds"), Column("Average accuracy"))
        table = Table("Accuracy against seconds", "Method, step", columns, tuple(rows))
        chart = Chart("Accuracy against seconds", "lines", "seconds of the steps", "average accuracy", tuple(series))
        return Result((table,), (chart,), tuple(findings), published.of_study(self.name))


def _half(
    name: str, steps: Sequence[int], spent: Sequence[Estimate | None], reached: Sequence[Estimate | None]
) -> list[str]:
    """The first moment at which nine tenths of the gain are there."""
    first, last = reached[0], reached[-1]
    if first is None or last is None or last.mean <= first.mean:
        return [f"{name} gains nothing on this suite."]
    goal = first.mean + 0.9 * (last.mean - first.mean)
    for step, seconds, value in zip(steps, spent, reached, strict=True):
        if value is not None and seconds is not None and value.mean >= goal:
            gain = 100 * (last.mean - first.mean)
            return [f"{name} has gained nine tenths of its {gain:.1f} points by step {step}, {seconds.mean:.0f} s."]
    return []
