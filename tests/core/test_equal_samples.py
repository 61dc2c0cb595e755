"""`tests/bench/equal_samples.py`: the rows it compares follow from the registry and see the same number of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import methods, objectives
from core.problem.method import Form, Need
from core.problem.problem import Problem
from core.suite.find import find
from tests.bench import equal_samples
from tests.bench.demo_gate import Row, run
from tests.bench.equal_rows import SINGLE, Entry, entries
from tests.bench.equal_table import ahead, unequal
from tests.bench.results import Results

STEPS, BATCH = 4, 4
ENTRIES = {entry.title: entry for entry in entries(STEPS, BATCH)}


def test_every_method_has_a_row_and_adamerging_one_for_each_label_free_objective() -> None:
    assert {entry.method for entry in ENTRIES.values()} == set(methods.names())
    varied = [entry.values for entry in ENTRIES.values() if entry.method == "adamerging" and entry.block == SINGLE]
    free = {name for name in objectives.names() if objectives.get(name).needs is Need.UNLABELLED}
    assert {(values["group"], values["objective"]) for values in varied} == {
        (group, objective) for group in ("task", "tensor") for objective in free
    }
    for entry in ENTRIES.values():
        method = methods.get(entry.method)
        rival = method.form is Form.ONE and method.needs in (Need.NOTHING, Need.UNLABELLED)
        assert (entry.block == SINGLE) <= rival


@pytest.mark.parametrize("name", methods.names())
def test_each_draws_the_same_number_of_images(name: str, problem32: Problem, tiny_suite: Path) -> None:
    entry = next(entry for entry in ENTRIES.values() if entry.method == name)
    wanted = STEPS * BATCH * len(problem32.tasks)
    row = run(problem32, find(str(tiny_suite)), name, **entry.values)
    assert row.images == (0 if entry.needs is Need.NOTHING else wanted)
    assert unequal([entry], {entry.title: [row]}, wanted) == []


def test_the_knob_moves_while_it_gets_better() -> None:
    asked: list[float] = []

    def score(value: float) -> float:
        asked.append(value)
        return -abs(value - 7)

    values = list(map(float, range(10)))
    assert equal_samples.climb(values, 5, score) == 7
    assert 3 not in asked
    assert equal_samples.climb(values, 9, score) == 7
    assert equal_samples.climb([1.0], 0, score) == 1


def test_what_was_measured_is_not_measured_again(tmp_path: Path, problem32: Problem) -> None:
    entry, file = Entry("title", "average", SINGLE), tmp_path / "results.jsonl"
    row = Row({"task0": 0.5}, 1.0, 2.0, 3)
    assert Results(file, problem32).row(entry, "test", {"seed": 0}, lambda: row) == row
    file.write_text(file.read_text("utf-8") + '{"key": "cut o', "utf-8")

    def never() -> Row:
        raise AssertionError("measured again")

    again = Results(file, problem32)
    assert again.row(entry, "test", {"seed": 0}, never) == row
    for split, values in (("held-out", {"seed": 0}), ("test", {"seed": 1})):
        with pytest.raises(AssertionError, match="measured again"):
            again.row(entry, split, values, never)


def test_best_has_to_be_ahead_for_each_seed() -> None:
    rows = [Entry("own", "best", SINGLE), Entry("other", "average", SINGLE), Entry("more", "individual", "apart")]

    def one(*averages: float) -> list[Row]:
        return [Row({"task0": average}, 1.0) for average in averages]

    assert ahead(rows, {"own": one(0.8, 0.7), "other": one(0.6), "more": one(0.9)})
    assert not ahead(rows, {"own": one(0.8, 0.7), "other": one(0.75), "more": one(0.9)})
    assert not ahead(rows, {"own": one(0.8, 0.7), "other": one(0.6, 0.7), "more": one(0.9)})
