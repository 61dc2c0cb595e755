"""A run's results and settings as tables that people read, and the table of all results in every format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core.export import render
from core.export.numbers import interval, percent
from core.export.render import Best, Grid, Line
from core.export.report import averaged, version
from core.export.reported import averages, reported, values
from core.export.results import ResultRow, Results
from core.export.titles import method_title
from core.problem.findings import Severity, sentence
from core.statistics import mean
from core.store import RunRecord

if TYPE_CHECKING:
    from pandas import DataFrame

HEADS = ("Task", "Accuracy", "95 % interval", "Base", "Expert", "Share of the expert", "Agrees with the expert")
FORMATS = ("csv", "tex", "json", "tsv")
WHOLE = ("csv", "json")
"""Those of them that hold every measure, not only the table's."""


def measures(report: Mapping[str, Any] | None, titles: Mapping[str, str] | None = None) -> Grid:
    """What else is reported: one line per task, then the averages over the merged ones; no lines where nothing is."""
    report = report or {}
    known = reported(report.get("tasks", []))
    rows = [(_title(task, titles), values(task)) for task in report.get("tasks", [])]
    rows.append(("average" if titles is None else "Average", averages(report)))
    lines = [[name, *(one.text(found.get(one.name), unit=True) for one in known)] for name, found in rows]
    return Grid(["Task", *(one.title for one in known)], [lines if known else []])


def confusions(report: Mapping[str, Any] | None, titles: Mapping[str, str], most: int = 3) -> Grid:
    """The classes of each task that are taken for another most often."""
    lines = [
        [titles.get(task) or task.replace("_", " "), names[label], names[answer], str(count), str(images[label])]
        for task, known in (report or {}).get("by_class", {}).items()
        for names, images in [(known["names"], known["images"])]
        for label, answer, count in known["confusions"][:most]
    ]
    return Grid(["Task", "Class", "Taken for", "Times", "Images of the class"], [lines])


def results(report: Mapping[str, Any] | None, merged: Sequence[str], titles: Mapping[str, str] | None = None) -> Grid:
    """One line per task, then the averages over `merged`; none without a report. `titles` are names for people."""
    report = report or {}
    keys = ("base_accuracy", "expert_accuracy")
    told = report.get("tasks", [])
    lines = [
        [
            _title(task, titles),
            percent(task.get("accuracy")),
            interval(task.get("ci95") or task.get("accuracy_between")),
            percent(task.get("base_accuracy")),
            _expert(task),
            *(percent(task.get(key)) for key in ("normalised", "agreement")),
        ]
        for task in told
    ]
    if lines:
        counted = averaged(told, merged)
        means = [percent(mean([task.get(key) for task in counted])) for key in keys]
        shares = [percent(report.get(key)) for key in ("average_normalised", "average_agreement")]
        average = [percent(report.get("average_accuracy")), "", *means, *shares]
        lines.append(["average" if titles is None else "Average", *average])
    return Grid(HEADS, [lines])


def _title(task: Mapping[str, Any], titles: Mapping[str, str] | None) -> str:
    name = str(task["name"])
    return name if titles is None else titles.get(name) or name.replace("_", " ")


def _expert(task: Mapping[str, Any]) -> str:
    stated = task.get("expert_stated")
    if task.get("expert_accuracy") is None and stated:
        return f"{percent(stated['accuracy'])} (stated)"
    return percent(task.get("expert_accuracy"))


def doubts(report: Mapping[str, Any]) -> list[str]:
    """What makes a report's numbers doubtful, a line each: its findings without mere notes, and what the check before
    the start warned of."""
    found = [sentence(one) for one in report.get("findings", []) if one["severity"] != Severity.NOTE]
    return [*found, *(f"Before the start: {text}" for text in (report.get("check") or {}).get("warnings", []))]


def settings(record: RunRecord) -> Grid:
    """Everything that the result depends on, name and value."""
    rows: list[Line] = [["method", method_title(record)]]
    rows += [[name, _plain(value)] for name, value in record.settings.items()]
    rows += [
        ["suite", record.suite],
        ["tasks", ", ".join(record.tasks)],
        ["learned on", record.adapted_on or "nothing"],
    ]
    if (changed := record.what_if) is not None:
        rows += [["changed by hand", f"run {changed.of} at step {changed.step}: {changed.words}"]]
    rows += [["images seen", f"{record.samples_seen:,}"], ["seconds", f"{record.seconds:.1f}"]]
    how = {"task vectors" if name == "deltas" else name: value for name, value in record.execution.plain().items()}
    rows += [[name, _plain(value)] for name, value in how.items()
             if name in ("device", "precision", "task vectors", "threads", "torch")]  # fmt: skip
    rows += [[f"SHA-256 of {role}", digest] for role, digest in record.hashes.items()]
    return Grid(["Setting", "Value"], [[*rows, ["Mergescope", version()]]])


def _plain(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)


def text(table: Results, rows: Sequence[ResultRow], kind: str) -> str:
    """The rows in one of `FORMATS`; people read per cent, programs fractions at full precision."""
    if kind == "csv":
        return render.csv(frame(table, rows))
    if kind == "tex":
        return render.latex(grid(table, rows)) + "\n"
    if kind == "tsv":
        return render.tsv(_pasted(table, rows))
    tasks = [{"name": name, "title": title} for name, title in zip(table.tasks, table.titles, strict=True)]
    content = {"suite": table.suite, "tasks": tasks, "rows": [asdict(row) for row in rows]}
    content |= {"measures": [asdict(one) for one in table.measures]}
    return json.dumps(content, ensure_ascii=False, indent=1)


def frame(table: Results, rows: Sequence[ResultRow]) -> DataFrame:
    """All that is known, a line per row: each accuracy with both ends of its interval, the averages, the facts, and
    all other measures."""
    from pandas import DataFrame

    tasks = [part for task in table.tasks for part in (task, f"{task} low", f"{task} high")]
    facts = ["average", "normalised", "adapted on", "samples", "steps", "seconds", "peak MB", "needs", "result"]
    facts += ["differs", "run", "kind", "parent", "changes", "agreement", "kl", "kept step", "verdict"]
    heads = [("metric " if one.own else "") + one.name for one in table.measures]
    more = [f"{place} {head}" for head in heads for place in (*table.tasks, "average")]
    lines = [
        [row.name, row.method, *(value for cell in row.cells for value in (cell.accuracy, cell.low, cell.high)),
         row.average, row.normalised, row.adapted_on, row.samples, row.steps, row.seconds, row.memory, row.needs,
         row.result, row.differs, row.id, row.kind, row.parent, row.changes, row.agreement, row.kl, row.kept_step,
         row.verdict,
         *(told.get(one.name) for one in table.measures for told in (*(cell.others for cell in row.cells), row.others))]
        for row in rows
    ]  # fmt: skip
    return DataFrame(lines, columns=["name", "method", *tasks, *facts, *more], dtype=object)


def grid(table: Results, rows: Sequence[ResultRow]) -> Grid:
    """The table's measure by task and on average, one block for each run of rows that stand for the same."""
    blocks: list[list[list[str]]] = []
    before = None
    for row in rows:
        if row.group != before:
            blocks.append([])
            before = row.group
        of = table.measure.text
        cells = [_marked(of(cell.accuracy) if table.measure.own else cell.text, cell.best) for cell in row.cells]
        blocks[-1].append([row.label, *cells, _marked(of(row.average), row.best)])
    return Grid(["Method", *table.titles, Best("Avg.")], blocks or [[]])


def _pasted(table: Results, rows: Sequence[ResultRow]) -> Grid:
    lines = [
        [row.label, *(_bare(table, value) for value in (*(cell.accuracy for cell in row.cells), row.average)),
         "" if row.seconds is None else f"{row.seconds:.1f}", row.adapted_on, row.result]
        for row in rows
    ]  # fmt: skip
    return Grid(["Run", *table.titles, "Average", "Seconds", "Learned on", "Result"], [lines])


def _marked(text: str, best: bool) -> str:
    return Best(text) if best else text


def _bare(table: Results, value: float | None) -> str:
    return "" if value is None else table.measure.text(value)
