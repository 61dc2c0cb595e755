"""The table of `compare`: what each method reached, what it looked at and what its result consists of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.cli.output import number, print_table

if TYPE_CHECKING:
    from core.step import Need
    from core.suite.find import SuiteFile

HISTORIES = ("entropy", "coefficients")
_FORMS = ("one model", "one model per task", "needs task modules")
"""Forms of results (`core.problem.method.Form`), the comparable one first."""


def row_of(label: str, needs: Need, run: str, report: dict[str, Any], reused: bool) -> dict[str, Any]:
    """A row of the JSON output: the report without its histories, and what the method had to be given."""
    from core.export.report import average_ci95

    facts = {name: value for name, value in report.items() if name not in HISTORIES}
    bounds = average_ci95(report["tasks"], report["coefficients"]["tasks"])
    more = {"label": label, "run": run, "reused": reused, "needs": needs.value}
    return more | facts | {"average_ci95": None if bounds is None else list(bounds)}


def print_rows(file: SuiteFile, rows: Sequence[dict[str, Any]], missing: Sequence[dict[str, Any]]) -> None:
    """One table in blocks: one model and models with extra parts don't compete. Best first; reasons at the end."""
    tasks = [task["name"] for task in rows[0]["tasks"]] if rows else []
    columns = ["method", *(f">{task}" for task in tasks), ">average", ">95 %", ">normalised", ">seconds", ">peak MB"]
    columns += ["adapted on", ">images", "needs", "result"]
    table: list[list[str]] = []
    for form in _FORMS:
        block = [row for row in rows if row["form"] == form]
        if block and table:
            table.append([])
        best = max((row["average_accuracy"] or 0 for row in block), default=0)
        block.sort(key=lambda row: -(row["average_accuracy"] or 0))
        table += [_cells(row, starred=row["average_accuracy"] == best and len(rows) > 1) for row in block]
    if missing:
        table.append([])
    table += [[one["label"], "failed, see below" if one["failed"] else "left out, see below"] for one in missing]
    print_table(f"Accuracy on {file.name}, test images, per cent (* best average of its kind)", columns, table)


def _cells(row: dict[str, Any], *, starred: bool) -> list[str]:
    bounds = row["average_ci95"]
    return [
        row["label"] + (" *" if starred else ""),
        *(_hundredths(task["accuracy"]) for task in row["tasks"]),
        _hundredths(row["average_accuracy"]),
        "–" if bounds is None else "–".join(map(_hundredths, bounds)),
        _hundredths(row["average_normalised"]),
        number(row["seconds"], 1),
        number(row["peak_memory_mb"], 0),
        row["adapted_on"],
        number(row["samples_seen"], 0),
        row["needs"],
        row["form"],
    ]


def _hundredths(fraction: float | None) -> str:
    return number(None if fraction is None else 100 * fraction, 1)
