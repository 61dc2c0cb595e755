"""Whether minimising entropy minimises the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.statistics import Estimate, estimate, mean_of
from core.studies import Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, finished
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table, Unit

PARTS = 5
"""The paper looks at steps 0, 100, … 500: five equal parts of the run."""


BESIDE = {
    "accuracy": "Accuracy",
    "agreement": "Agreement with the experts",
    "entropy": "Entropy, nats",
    "kl": "KL(expert ‖ merged), nats",
}
"""What stands beside ρ."""


class EntropyLoss(Study):
    """Rank correlation of entropy and cross-entropy over test samples while λ is learned (AdaMerging, figure 4)."""

    title = "Entropy as a stand-in for the loss"
    question = "Does low entropy mean low loss on each task, and does that stay true while λ is being learned?"
    paper = "AdaMerging, section 3.2.2 and its appendix"

    def plan(self, scope: Scope) -> list[Cell]:
        """One run per seed, measured at six of its steps."""
        cells = []
        for name in scope.methods(("adamerging",)):
            total = scope.steps(name)
            steps = sorted({round(total * part / PARTS) for part in range(PARTS + 1)})
            measures = [{"name": "entropy_loss", "steps": steps}]
            cells += [scope.cell(name, {}, seed=seed, measures=measures) for seed in scope.seeds]
        return cells

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """ρ by task and step."""
        tables, charts, findings = [], [], []
        [paper] = published.of_study(self.name)
        told = tuple(float(column.name.removeprefix("step ")) for column in paper.columns)
        mean = Series("mean of the paper's tasks, published", told, paper.rows[0].values, published=True)
        for name in dict.fromkeys(one.cell.method for one in finished(cells)):
            found = [one.measured("entropy_loss") for one in finished(cells) if one.cell.method == name]
            steps = found[0]["steps"]
            by_task = {
                task: tuple(estimate([one["tasks"][task][place] for one in found]) for place in range(len(steps)))
                for task in found[0]["tasks"]
            }
            means = tuple(mean_of([values[place] for values in by_task.values()]) for place in range(len(steps)))
            columns = tuple(Column(f"step {step}", "number") for step in steps)
            rows = [Row(scope.titles.get(task, task), values) for task, values in by_task.items()]
            rows.append(Row("Mean of the tasks", means))
            tables.append(Table(f"{title_of(name)}: Spearman's ρ of entropy and loss", "Task", columns, tuple(rows)))
            lines = [Series(scope.titles.get(task, task), tuple(steps), values) for task, values in by_task.items()]
            charts.append(Chart(f"{title_of(name)}: ρ over the steps", "lines", "step", "Spearman's ρ",
                                (*lines, mean), unit="number"))  # fmt: skip
            findings += _findings(scope, by_task, means)
            if all("experts" in one for one in found):  # Those of earlier versions lack it.
                tables += _beside(title_of(name), steps, [one["experts"] for one in found])
        return Result(tuple(tables), tuple(charts), tuple(findings), (paper,))


def _findings(
    scope: Scope, by_task: dict[str, tuple[Estimate | None, ...]], means: Sequence[Estimate | None]
) -> list[str]:
    found = []
    first, last = means[0], means[-1]
    if first is not None and last is not None:
        found.append(f"Mean ρ goes from {first.mean:.2f} at the start to {last.mean:.2f} at the end.")
    known = {task: last.mean for task, values in by_task.items() if (last := values[-1]) is not None}
    if known:
        worst = min(known, key=lambda task: known[task])
        name = scope.titles.get(worst, worst)
        found.append(f"Entropy is the worst guide on {name}: ρ = {known[worst]:.2f} at the end.")
    return found


def _beside(title: str, steps: Sequence[int], found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Accuracy and agreement, entropy and KL at the same steps, means over tasks on images kept apart."""
    tables = []
    shown: dict[Unit, tuple[str, str]] = {"percent": ("accuracy", "agreement"), "number": ("entropy", "kl")}
    for unit, names in shown.items():
        columns = tuple(Column(f"step {step}", unit, "nothing") for step in steps)
        rows = [
            Row(BESIDE[name], tuple(estimate([one[name][place] for one in found]) for place in range(len(steps))))
            for name in names
        ]
        words = " and ".join(BESIDE[name] for name in names)
        tables.append(Table(f"{title}: {words} over the steps", "Mean of the tasks", columns, tuple(rows)))
    return tables
