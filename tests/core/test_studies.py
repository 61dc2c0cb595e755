"""Studies: planned from the registry, read from reports, resumed after a kill, written in every format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core import methods, studies
from core.errors import BadInput, UnknownName
from core.problem.problem import Problem
from core.settings import parse
from core.statistics import Estimate, estimate, paired, spearman
from core.studies import Study
from core.studies.engine import result as texts
from core.studies.engine.cells import Cell
from core.studies.engine.result import Column, Row, Table
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile, find
from tests.core.study_help import made_up, planned
from tests.tiny import make_suite

ALL = [studies.get(name) for name in studies.names()]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> SuiteFile:
    """Five tasks: enough to leave some out."""
    return find(str(make_suite(tmp_path_factory.mktemp("studies"), tasks=5)))


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_a_study_says_what_it_asks_and_plans_different_cells(study: Study, file: SuiteFile) -> None:
    assert study.question.endswith("?")
    assert study.title
    cells = planned(study, file)
    assert len(cells) >= 2
    assert len({json.dumps(cell.plain(), sort_keys=True) for cell in cells}) == len(cells)
    for cell in cells:
        assert (
            parse(methods.get(cell.method).Settings, dict(cell.settings), cell.method).model_dump(mode="json")
            == cell.settings
        )
        assert Cell.from_plain(json.loads(json.dumps(cell.plain()))) == replace(
            cell, settings=dict(cell.settings), where=dict(cell.where)
        )
        assert set(cell.tasks) <= set(file.experts)
        assert not set(cell.tasks) & set(cell.unseen)


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_a_quick_study_is_a_smaller_one(study: Study, file: SuiteFile) -> None:
    whole, quick = planned(study, file), planned(study, file, quick=True)
    cost = [sum(int(cell.settings.get("steps", 1)) for cell in cells) for cells in (whole, quick)]
    assert cost[1] <= cost[0]
    assert len(quick) <= len(whole)


@pytest.mark.grid
@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_results_hold_finite_numbers_whatever_is_missing(study: Study, file: SuiteFile) -> None:
    scope = study.scope(file, StudyOptions())
    whole = made_up(study, file)
    for cells in (whole, whole[:1], whole[1::2], [], [replace(one, report=None, error="no labels") for one in whole]):
        result = study.result(scope, cells)
        json.dumps(result.plain(), allow_nan=False)
        texts.as_latex(result)
        for table in (*result.tables, *result.published):
            assert all(len(row.values) == len(table.columns) for row in table.rows)
        for chart in result.charts:
            assert all(len(series.x) == len(series.y) for series in chart.series)
    result = study.result(scope, whole)
    assert any(table.rows for table in result.tables)
    assert any(series.y for chart in result.charts for series in chart.series if not series.published)
    assert result.findings
    assert all(table.source for table in result.published)
    assert not any(table.source for table in result.tables)


def test_the_accuracy_study_has_every_method_of_the_registry(file: SuiteFile) -> None:
    assert {cell.method for cell in planned(studies.get("accuracy"), file)} == set(methods.names())


def test_the_accuracy_study_tells_how_close_every_method_comes_to_the_experts(file: SuiteFile) -> None:
    study = studies.get("accuracy")
    cells = made_up(study, file, methods=["ties"], seeds=[0])
    table = study.result(study.scope(file, StudyOptions()), cells).tables[1]
    names = [column.name for column in table.columns]
    found = {name: value and value.mean for name, value in zip(names, table.rows[0].values, strict=True)}
    report = cells[0].report or {}
    assert (found["Agreement"], found["KL to the experts"]) == (report["average_agreement"], report["average_kl"])


def test_tables_hold_the_mean_of_the_seeds(file: SuiteFile) -> None:
    study = studies.get("data_fraction")
    cells = made_up(study, file, methods=["adamerging"], seeds=[0, 1])
    table = study.result(study.scope(file, StudyOptions()), cells).tables[0]
    row = next(row for row in table.rows if "all images" in row.label)
    own = [one for one in cells if one.cell.where["fraction"] == 1.0]
    assert len(own) == 2
    value = row.values[-1]
    assert value is not None
    assert value.mean == pytest.approx(sum(one.accuracy() or 0 for one in own) / 2)
    assert value.n == 2


def test_published_gains_of_fw_merging_are_ratios_of_the_accuracies_beside_them(file: SuiteFile) -> None:
    study = studies.get("experts")
    (table,) = study.result(study.scope(file, StudyOptions()), []).published
    assert [column.unit for column in table.columns] == ["percent", "percent", "points", "percent"]
    assert len(table.rows) == 3
    for row in table.rows:
        before, after, points, ratio = (value.mean for value in row.values if value is not None)
        assert points == pytest.approx(after - before)
        assert ratio == pytest.approx(after / before - 1, abs=1e-3)  # The accuracies are printed with three digits.


def test_intervals_are_students() -> None:
    # scipy.stats.t.interval(0.95, 2, loc=2, scale=1/sqrt(3)), worked out apart from this program.
    found = estimate([1.0, 2.0, 3.0, None])
    assert found is not None
    assert (found.mean, found.n) == (2.0, 3)
    assert (found.low, found.high) == (pytest.approx(-0.4841377), pytest.approx(4.4841377))
    assert estimate([0.5]) == estimate([0.5, None])
    assert estimate([0.5]).low is None  # type: ignore[union-attr]
    assert estimate([None]) is None


def test_paired_differences_use_common_seeds_only() -> None:
    found = paired({0: 0.5, 1: 0.7, 2: None, 3: 0.9}, {0: 0.4, 1: 0.5, 2: 0.1, 4: 0.0})
    assert found is not None
    assert (found.mean, found.n) == (pytest.approx(0.15), 2)


def test_rank_correlation_of_a_constant_is_unknown() -> None:
    assert spearman([1, 2, 3, 4], [1, 4, 9, 16]) == (pytest.approx(1.0), pytest.approx(0.0))
    assert spearman([1, 2, 3], [5, 5, 5]) is None
    assert spearman([1, 2], [1, 2]) is None


def test_the_key_changes_with_what_the_result_depends_on_and_with_nothing_else(
    problem32: Problem, tiny_suite: Path
) -> None:
    cell = planned(studies.get("data_fraction"), find(str(tiny_suite)))[0]
    key = cell.key(problem32)
    assert replace(cell, where={"other": 1}).key(problem32) == key
    for change in (
        {"settings": {**cell.settings, "lr": 0.5}},
        {"tasks": cell.tasks[:2]},
        {"tasks": cell.tasks[:2], "unseen": cell.tasks[2:]},
        {"images": {"corruption": "contrast", "severity": 1}},
        {"measures": ({"name": "calibration"},)},
        {"method": "adamerging_pp"},
    ):
        assert replace(cell, **change).key(problem32) != key
    changed = replace(problem32, hashes={**problem32.hashes, "task1": "0" * 64})
    assert cell.key(changed) != key


def test_odd_options_are_named() -> None:
    for values in ({"seeds": []}, {"seeds": [1, 1]}, {"seeds": [-1]}, {"tasks": []}, {"methods": ["a", "a"]}):
        with pytest.raises(BadInput):
            parse(StudyOptions, values, "study")
    with pytest.raises(UnknownName):
        parse(StudyOptions, {"colour": 1}, "study")


def test_the_best_of_a_column_is_the_lowest_where_less_is_better() -> None:
    columns = (Column("Average"), Column("ECE", marks="lowest"), Column("Confidence", marks="nothing"))
    lines = (((0.8, 0.05, 0.7), "a"), ((0.9, 0.02, 0.8), "b"))
    rows = tuple(Row(label, tuple(map(Estimate, values))) for values, label in lines)
    table = Table("t", "Method", columns, rows)
    assert table.best() == [[False, False, False], [True, True, False]]
    assert texts.latex_table(table).count(r"\textbf") == 2
    assert Table("t", "Method", columns, rows[:1]).best() == [[False] * 3]
