"""The table of `compare`: what each method reached, what it looked at and what its result consists of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from core.cli.output import print_table
from core.export.numbers import hundredths, interval, number
from core.export.render import Best

if TYPE_CHECKING:
    from core.export.results import ResultRow

HISTORIES = ("entropy", "coefficients")


def plain(row: ResultRow, report: dict[str, Any], reused: bool) -> dict[str, Any]:
    """A row of the JSON output: the report without its histories, and how the run stands among the others."""
    facts = {name: value for name, value in report.items() if name not in HISTORIES}
    more = {"label": row.name, "run": row.id, "reused": reused, "needs": row.needs}
    return more | facts | {"average_ci95": None if row.interval is None else list(row.interval), "best": row.best}


def print_rows(suite: str, tasks: Sequence[str], rows: Sequence[ResultRow], missing: Sequence[dict[str, Any]]) -> None:
    """One table, a block for each kind of results that compete. Best first; reasons at the end."""
    from core.export.results import CONTESTS

    columns = ["method", *(f">{task}" for task in tasks), ">average", ">95 %", ">normalised", ">seconds", ">peak MB"]
    columns += ["adapted on", ">images", "needs", "result"]
    ordered = sorted(rows, key=lambda row: (CONTESTS.index(row.contest), -(row.average or 0)))
    blocks = [[_cells(row) for row in block] for _, block in groupby(ordered, lambda row: row.contest)]
    blocks.append([[one["label"], f"{'failed' if one['failed'] else 'left out'}, see below"] for one in missing])
    print_table(f"Accuracy on {suite}, test images, per cent (* best average of its kind)", columns, *blocks)


def _cells(row: ResultRow) -> list[str]:
    return [
        Best(row.name) if row.best else row.name,
        *(hundredths(cell.accuracy) for cell in row.cells),
        hundredths(row.average),
        interval(row.interval),
        hundredths(row.normalised),
        number(row.seconds, 1),
        number(row.memory, 0),
        row.adapted_on,
        number(row.samples, 0),
        row.needs,
        row.result,
    ]
