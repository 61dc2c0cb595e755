"""What labels would add."""

from __future__ import annotations

from collections.abc import Sequence

from core.statistics import paired
from core.studies import LEARNED, Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, at, by_seed, over_seeds, places
from core.studies.engine.result import Chart, Result, Series, signed

GROUPS = {"task": "task-wise", "tensor": "layer-wise"}
OBJECTIVES = {"entropy": "unsupervised", "cross_entropy": "supervised"}


class Supervised(Study):
    """Cross-entropy on labels instead of entropy (AdaMerging, supervised variants)."""

    title = "With and without labels"
    question = "How much better would λ be if it were learned with labels?"
    paper = "AdaMerging, supervised against unsupervised"

    def plan(self, scope: Scope) -> list[Cell]:
        """Each learning method task-wise and layer-wise, with either objective."""
        return scope.sweep(LEARNED, group=GROUPS, objective=OBJECTIVES)

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """Pairs of bars and the paired difference."""
        kinds = places(cells, "method", "group")
        rows, findings = [], []
        for method, group in kinds:
            found = {key: at(cells, method=method, group=group, objective=key) for key in OBJECTIVES}
            name = f"{title_of(method)}, {GROUPS[group]}"
            rows += [(f"{name}, {OBJECTIVES[key]}", one) for key, one in found.items()]
            gain = paired(*(by_seed(found[key]) for key in ("cross_entropy", "entropy")))
            if gain is not None:
                findings.append(f"{name}: labels change the average by {signed(gain)} points.")
        names = tuple(f"{title_of(method)}, {GROUPS[group]}" for method, group in kinds)
        series = tuple(
            Series(words, names, tuple(
                over_seeds(at(cells, method=m, group=g, objective=key)) for m, g in kinds))
            for key, words in OBJECTIVES.items()
        )  # fmt: skip
        chart = Chart("Average accuracy with and without labels", "bars", "", "average accuracy", series)
        table = scope.accuracy_table("Accuracy with and without labels", "Method", rows)
        return Result((table,), (chart,), tuple(findings), published.of_study(self.name))
