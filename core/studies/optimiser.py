"""How the learning of λ depends on its own settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core import methods
from core.export.numbers import percent
from core.studies import Cell, Scope, Study, title_of
from core.studies.engine.done import Done, at, over_seeds, places
from core.studies.engine.result import Chart, Result, Series

INITS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Learning rates, times the one that this suite and method take."""
CHOICES = ("optimiser", "optimizer", "group", "clamp")
"""Settings with few values, which are all tried where the method has them."""
TITLES = {"init": "λ at the start", "lr": "learning rate", "group": "tensors that share λ", "clamp": "clamp λ to 0…1"}


class Optimiser(Study):
    """One setting at a time around the defaults: λ-init, learning rate, optimiser, grouping, clamp."""

    title = "Optimiser and start"
    question = "Which learning settings matter: where λ starts, how fast it learns, or which tensors share a λ?"
    paper = "AdaMerging, settings of the learning"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        """Every value of every setting, the others at their defaults."""
        cells = []
        for name in scope.methods(("adamerging",)):
            for setting, values in _values(scope, name).items():
                for value in scope.thinned(values):
                    where = {"setting": setting, "value": value}
                    cells += [scope.cell(name, where, seed=seed, **{setting: value}) for seed in scope.seeds]
        return cells

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """A table of all, a chart for each setting."""
        rows, charts, findings = [], [], []
        for name, setting in places(cells, "method", "setting"):
            values = [one.cell.where["value"] for one in cells if one.cell.where["setting"] == setting]
            values = list(dict.fromkeys(values))
            found = {value: at(cells, method=name, setting=setting, value=value) for value in values}
            told = TITLES.get(setting, setting)
            rows += [(f"{title_of(name)}, {told} = {_word(value)}", one) for value, one in found.items()]
            y = tuple(over_seeds(one) for one in found.values())
            numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
            x = tuple(float(value) for value in values) if numeric else tuple(_word(value) for value in values)
            series = Series(title_of(name), x, y)
            charts.append(Chart(f"{title_of(name)} by {told}", "lines" if numeric else "bars", told if numeric else "",
                                "average accuracy", (series,), log_x=setting == "lr"))  # fmt: skip
            known = [(value, average) for value, average in zip(values, y, strict=True) if average is not None]
            if known:
                best = max(known, key=lambda pair: pair[1].mean)
                least = min(known, key=lambda pair: pair[1].mean)
                if best[1].mean == least[1].mean:
                    findings.append(f"{told}: makes no difference here ({percent(best[1].mean)}).")
                    continue
                findings.append(f"{told}: best at {_word(best[0])} ({percent(best[1].mean)}), "
                                f"worst at {_word(least[0])} ({percent(least[1].mean)}).")  # fmt: skip
        table = scope.accuracy_table("Accuracy by setting", "Setting", rows)
        return Result((table,), tuple(charts), tuple(findings))


def _values(scope: Scope, name: str) -> dict[str, list[Any]]:
    own = scope.settings(name).model_dump(mode="json")
    found: dict[str, list[Any]] = {}
    if "init" in own:
        found["init"] = sorted({*INITS, round(1 / len(scope.tasks), 3)})
    if "lr" in own:
        found["lr"] = [float(f"{own['lr'] * factor:.3g}") for factor in FACTORS]
    schema = methods.get(name).Settings.model_json_schema()["properties"]
    for setting in CHOICES:
        if setting in own and schema[setting].get("type") == "boolean":
            found[setting] = [True, False]
        elif setting in own and "enum" in schema[setting]:
            found[setting] = list(schema[setting]["enum"])
    return found


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
