"""Whether task vectors that are alike help each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from core.statistics import Estimate, spearman
from core.studies import Cell, Scope, Study, published
from core.studies.engine.done import Done, finished
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table

METHOD = "task_arithmetic"
MOST = 60
"""Pairs that are merged at most, spread evenly over all of them."""


class SimilarityStudy(Study):
    """Cosine of two task vectors against what merging them with one λ changes for both tasks.

    Gain of a pair: mean over its two tasks of accuracy(θ₀ + λ(τ_i + τ_j)) − accuracy(θ₀ + λ τ_task).
    """

    title = "Similarity and gain"
    question = "Do experts with similar task vectors help each other, and do opposite ones hurt?"
    paper = "AdaMerging, figure on task-vector cosines (the relation to gain is Mergescope's own question)"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Every task alone, then pairs."""
        seed = scope.seeds[0]
        singles = [scope.cell(METHOD, {"pair": task}, seed=seed, tasks=(task,)) for task in scope.tasks]
        pairs = list(combinations(scope.tasks, 2))
        stride = -(-len(pairs) // (10 if scope.options.quick else MOST)) or 1
        measures = [{"name": "cosine"}]
        return singles + [
            scope.cell(METHOD, {"pair": " + ".join(pair)}, seed=seed, tasks=pair, measures=measures)
            for pair in pairs[::stride]
        ]

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """A point a pair, and their rank correlation."""
        alone = {one.cell.tasks[0]: one.accuracy() for one in finished(cells) if len(one.cell.tasks) == 1}
        names, cosines, gains = [], [], []
        for one in finished(cells):
            if len(one.cell.tasks) != 2:
                continue
            both, single = one.accuracy(), [alone.get(task) for task in one.cell.tasks]
            cosine = one.measured("cosine").get("cosine")
            if both is None or cosine is None or single[0] is None or single[1] is None:
                continue
            names.append(" + ".join(scope.titles[task] for task in one.cell.tasks))
            cosines.append(float(cosine[0][1]))
            gains.append(both - (single[0] + single[1]) / 2)
        points = Series("pairs", tuple(cosines), tuple(map(Estimate, gains)), labels=tuple(names))
        chart = Chart("Gain of merging two experts", "points", "cosine of their task vectors",
                      "change in accuracy compared with each alone", (points,), unit="points")  # fmt: skip
        rows = [
            Row(name, (Estimate(cosine), Estimate(gain)))
            for name, cosine, gain in sorted(zip(names, cosines, gains, strict=True), key=lambda row: -row[1])
        ]
        columns = (Column("Cosine", "number"), Column("Gain, points", "points"))
        table = Table("Pairs of experts", "Pair", columns, tuple(rows))
        found = spearman(cosines, gains)
        said = [f"{len(gains)} pairs: {sum(gain > 0 for gain in gains)} gain, {sum(gain < 0 for gain in gains)} lose."]
        if found is not None:
            said.append(f"Spearman's ρ of cosine and gain: {found[0]:.2f} (p = {found[1]:.2g}, {len(gains)} pairs).")
        return Result((table,), (chart,), tuple(said), published.of_study(self.name))
