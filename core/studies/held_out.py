"""Learning on the test images against learning on others."""

from __future__ import annotations

from collections.abc import Sequence

from core.statistics import paired
from core.studies import LEARNED, Cell, Scope, Study, published, title_of
from core.studies.engine.done import Done, at, by_seed, over_seeds, places
from core.studies.engine.result import Chart, Result, Series, signed

SPLITS = ("test", "held-out")


class HeldOut(Study):
    """λ learned on unlabelled test images or on a held-out split; accuracy always on test (authors' response)."""

    title = "Test or held-out images"
    question = "Does it matter if λ is learned on the same images it is tested on?"
    paper = "AdaMerging, authors' response: 100 iterations on test and on held-out images"

    def plan(self, scope: Scope) -> list[Cell]:
        """Each learning method on either split with every seed."""
        return scope.sweep(LEARNED, adapt_on=SPLITS)

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """Both splits side by side, and their paired difference."""
        names = [name for (name,) in places(cells, "method")]
        rows, findings = [], []
        for name in names:
            found = {split: at(cells, method=name, adapt_on=split) for split in SPLITS}
            rows += [(f"{title_of(name)}, learned on {split}", one) for split, one in found.items()]
            gap = paired(*(by_seed(found[split]) for split in SPLITS))
            if gap is not None:
                findings.append(f"{title_of(name)}: learning on the test images themselves adds {signed(gap)} points.")
        shown = tuple(title_of(name) for name in names)
        series = tuple(
            Series(f"learned on {split}", shown, tuple(
                over_seeds(at(cells, method=name, adapt_on=split)) for name in names))
            for split in SPLITS
        )  # fmt: skip
        chart = Chart("Average accuracy by the split that λ is learned on", "bars", "", "average accuracy", series)
        table = scope.accuracy_table("Accuracy on test images", "Method", rows)
        return Result((table,), (chart,), tuple(findings), published.of_study(self.name))
