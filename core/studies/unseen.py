"""Tasks whose experts are not merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.statistics import paired
from core.studies import Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, Metric, finished, over_seeds
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table, signed

LEFT_OUT = 2


class Unseen(Study):
    """Merge all but two tasks, test on the two (AdaMerging, generalisation to unseen tasks)."""

    title = "Unseen tasks"
    question = "Does a merged model also get better on tasks whose experts were left out?"
    paper = "AdaMerging, tables on unseen tasks"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Every two neighbours of the suite's order are left out once; one fold in a quick study."""
        cells = []
        for fold in _folds(scope):
            left = ", ".join(fold)
            rest = [task for task in scope.tasks if task not in fold]
            for name, split in _variants(scope):
                own: dict[str, Any] = {"adapt_on": split} if split else {}
                where = {"left_out": left, "split": split}
                seeds = scope.seeds_of(name)
                cells += [scope.cell(name, where, seed=seed, tasks=rest, unseen=fold, **own) for seed in seeds]
        return cells

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """Mean over folds and seeds of seen and unseen tasks."""
        kinds = list(dict.fromkeys((one.cell.method, str(one.cell.where["split"])) for one in cells))
        rows, shown, seen, unseen, findings = [], [], [], [], []
        for kind in kinds:
            found = [one for one in finished(cells) if (one.cell.method, str(one.cell.where["split"])) == kind]
            if not found:
                continue
            name = title_of(kind[0]) + (f", learned on {kind[1]}" if kind[1] else "")
            values = [over_seeds(found, metric) for metric in (Done.accuracy, _unseen, _base_unseen)]
            rows.append(Row(name, tuple(values), f"{len(found)} runs", found[0].contest))
            shown.append(name)
            seen.append(values[0])
            unseen.append(values[1])
            gain = paired(_by_run(found, _unseen), _by_run(found, _base_unseen))
            if gain is not None:
                findings.append(f"{name}: {signed(gain)} points compared with the base on tasks it never saw.")
        columns = (Column("Merged tasks"), Column("Left-out tasks"),
                   Column("Base on the left-out tasks", marks="nothing"))  # fmt: skip
        table = Table("Accuracy on merged and left-out tasks", "Method", columns, tuple(rows))
        series = (Series("merged tasks", tuple(shown), tuple(seen)), Series("left out", tuple(shown), tuple(unseen)))
        chart = Chart("Accuracy on merged and left-out tasks", "bars", "", "average accuracy", series)
        return Result((table,), (chart,), tuple(findings), published.of_study(self.name))


def _variants(scope: Scope) -> list[tuple[str, str]]:
    found = []
    for name in scope.methods(("task_arithmetic", "adamerging")):
        learns = "adapt_on" in scope.settings(name).model_dump()
        found += [(name, split) for split in (("test", "held-out") if learns else ("",))]
    return found


def _folds(scope: Scope) -> list[tuple[str, ...]]:
    size = LEFT_OUT if len(scope.tasks) >= 2 * LEFT_OUT else 1
    folds = [scope.tasks[at : at + size] for at in range(0, len(scope.tasks) - size + 1, size)]
    folds = [fold for fold in folds if len(fold) < len(scope.tasks)]
    return folds[-1:] if scope.options.quick else folds


def _unseen(one: Done) -> float | None:
    return one.accuracy(one.cell.unseen)


def _base_unseen(one: Done) -> float | None:
    return one.accuracy(one.cell.unseen, of="base_accuracy")


def _by_run(cells: Sequence[Done], metric: Metric) -> dict[int, float | None]:
    return {place: metric(one) for place, one in enumerate(cells)}
