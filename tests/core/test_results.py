"""Which result is the best, by one rule: command line, page and studies say the same of the same store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import methods
from core.export.results import build, contest, winners
from core.statistics import Estimate
from core.store import RunRecord, Store, WhatIf
from core.studies import title_of
from core.studies.engine.result import Column, Row, Table

LABELLED = "adamerging:objective=cross_entropy"
METHODS = ("pretrained", "average", "ties", "individual", "multi_task", "surgery", "wemoe", LABELLED)
PLAIN = ("average", "ties")


def test_the_highest_of_a_contest_wins_if_there_is_another_and_nothing_wins_outside() -> None:
    values = [0.5, 0.7, 0.9, 0.8, 0.95, None, 0.7]
    contests = ["a", "a", "b", "b", "", "a", "c"]
    assert winners(values, contests) == [False, True, True, False, False, False, False]
    assert winners(values, contests, lowest=True) == [True, False, False, True, False, False, False]
    assert winners([0.5, 0.5, None], ["a"] * 3) == [True, True, False]


def test_labels_forms_and_hands_are_contests_of_their_own() -> None:
    labels = {"objective": "cross_entropy"}
    assert len({contest("ties", {}, {}), contest("adamerging", labels, {}), contest("surgery", {}, {})}) == 3
    assert contest("ties", {}, {}) == contest("adamerging", {}, {})
    assert contest("adamerging", labels, {}) == contest("samerging", labels, {})
    assert contest("ties", {}, {}, edited=True) == ""


@pytest.mark.parametrize("name", [name for name in methods.names() if not methods.get(name).role.competes])
def test_what_merges_nothing_is_in_no_contest(name: str) -> None:
    """Distillation sees no label and makes one model: it would win over every merge that it is to measure."""
    assert contest(name, {}, {}) == ""


def test_published_rows_of_a_study_are_in_no_contest() -> None:
    rows = (Row("Individual", (Estimate(0.9),)), Row("AdaMerging", (Estimate(0.8),)))
    assert Table("t", "Method", (Column("Average"),), rows).best() == [[True], [False]]
    assert Table("t", "Method", (Column("Average"),), rows, source="a paper").best() == [[False], [False]]


@pytest.mark.slow
@pytest.mark.parametrize("edited", [False, True])
def test_command_line_page_and_study_name_the_same_best(
    cli: Callable[..., Any], tiny_suite: Path, home: Path, edited: bool
) -> None:
    """Beside labelled methods, task modules, a model per task, the base, and a λ that a person changed."""
    options = ("--set", "steps=2", "--seed", "0")
    told = cli("compare", tiny_suite, "--methods", ",".join(METHODS), *options, "--json").data
    assert told["missing"] == []
    with Store.open(home / "runs") as store:
        records = store.runs(suite="tiny", status="done")
    if edited:
        records.append(by_hand(records))
    page = {row.id: row for row in build("tiny", records, [task["name"] for task in told["rows"][0]["tasks"]], {}).rows}
    best = {row["run"] for row in told["rows"] if row["best"]}
    assert {key for key, row in page.items() if row.best} == best
    found = {row["label"]: row for row in told["rows"]}
    top = max(found[name]["average_accuracy"] for name in PLAIN)
    assert {name for name in PLAIN if found[name]["best"]} == {n for n in PLAIN if found[n]["average_accuracy"] == top}
    assert any(found[name]["best"] for name in ("surgery", "wemoe"))
    # References and a yardstick compete with nothing, and so does the one merge that saw labels.
    assert not any(found[name]["best"] for name in ("pretrained", "individual", "multi_task", LABELLED))
    study = cli(
        "study", "accuracy", tiny_suite, "--methods", ",".join(METHODS[:-1]), "--seeds", "0", *options[:2], "--json"
    )
    [sentence] = [text for text in study.data["findings"] if text.startswith("Highest average")]
    assert any(title_of(name) in sentence for name in PLAIN if found[name]["best"])


def by_hand(records: list[RunRecord]) -> RunRecord:
    """The first run once more, with a λ that a person changed and with an accuracy that nothing reaches."""
    report = records[0].report or {}
    report = report | {"average_accuracy": 1.0, "tasks": [task | {"accuracy": 1.0} for task in report["tasks"]]}
    execution = replace(records[0].execution, what_if=WhatIf(records[0].id, 1, ()))
    return replace(records[0], id="e" * 12, report=report, execution=execution)
