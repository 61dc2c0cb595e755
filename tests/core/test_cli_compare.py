"""`compare`: one table of many methods, that failures do not end and that continues where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import methods
from core.errors import NonFinite
from core.statistics import interval_of_mean
from core.store import Store
from tests.core.test_cli_merge import REPORT
from tests.tiny import make_suite

Cli = Callable[..., Any]
MORE = {"label", "run", "reused", "needs", "average_ci95", "best"}


def test_a_row_per_method_without_histories(cli: Cli, tiny_suite: Path) -> None:
    rows = cli("compare", tiny_suite, "--methods", "pretrained,adamerging", "--set", "steps=2", "--json").data["rows"]
    assert [row["method"] for row in rows] == ["pretrained", "adamerging"]
    # A reference is nothing that could be worse than itself.
    long = {"entropy", "coefficients", "by_class", "calibration"}
    assert all(set(row) | {"verdict"} == {*MORE, *REPORT} - {*long, "check"} for row in rows)
    assert ["verdict" in row for row in rows] == [False, True]
    assert rows[1]["settings"]["steps"] == 2
    assert [row["needs"] for row in rows] == ["nothing", "unlabelled images"]
    for row in rows:
        low, high = row["average_ci95"]
        assert low < row["average_accuracy"] < high


@pytest.mark.slow
def test_all_covers_the_registry(cli: Cli, tiny_suite: Path) -> None:
    told = cli("compare", tiny_suite, "--methods", "all", "--set", "steps=1", "--json").data
    assert sorted(row["method"] for row in told["rows"]) == sorted(methods.names())
    assert told["missing"] == []


@pytest.mark.slow
def test_one_table_in_blocks_marks_the_best_of_each(cli: Cli, tiny_suite: Path) -> None:
    command = ("compare", tiny_suite, "--methods", "surgery,average,individual,pretrained,ties", "--set", "steps=3")
    rows = cli(*command, "--json").data["rows"]
    averages = {row["method"]: row["average_accuracy"] for row in rows}
    forms = {row["method"]: row["form"] for row in rows}
    assert forms == {
        **dict.fromkeys(("average", "ties", "pretrained"), "one model"),
        "individual": "one model per task",
        "surgery": "needs task modules",
    }
    text = cli(*command).out
    assert text.count("Accuracy on tiny") == 1
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith(tuple(averages))]
    told = [next(form for form in set(forms.values()) if line.endswith(form)) for line in lines]
    assert told[:3] == ["one model", "one model", "needs task modules"]
    assert sorted(told[3:]) == ["one model", "one model per task"]  # References, with which nothing competes.
    marked = {name for name in averages if any(line.startswith(f"{name} *") for line in lines)}
    best = max(averages["average"], averages["ties"])
    # A result that nothing competes with is not called the best.
    assert marked == {n for n in ("average", "ties") if averages[n] == best}
    assert marked == {row["method"] for row in rows if row["best"]}


@pytest.mark.slow
def test_variants_of_one_method(cli: Cli, tiny_suite: Path) -> None:
    chosen = "adamerging:group=task:objective=cross_entropy,adamerging:steps=3,ties"
    rows = cli("compare", tiny_suite, "--methods", chosen, "--set", "steps=2", "--json").data["rows"]
    assert [row["label"] for row in rows] == chosen.split(",")
    assert [row["method"] for row in rows] == ["adamerging", "adamerging", "ties"]
    assert [row["steps"] for row in rows] == [2, 3, 0]
    assert rows[0]["settings"] | {"group": "task", "objective": "cross_entropy"} == rows[0]["settings"]
    assert rows[0]["needs"] == "labelled images"
    cli("compare", tiny_suite, "--methods", "adamerging:steps").refused("--set", "steps")
    cli("compare", tiny_suite, "--methods", "ties:steps=3").refused("setting of ties", "steps")


@pytest.mark.slow
@pytest.mark.parametrize("failure", [NonFinite("The loss should be finite. Found NaN."), ZeroDivisionError("by zero")])
def test_the_other_rows_stay_when_one_method_fails(
    cli: Cli, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(methods.get("ties"), "steps", fail)
    answer = cli("compare", tiny_suite, "--methods", "average,ties,pretrained", "--json")
    assert answer.status == 1
    assert [row["method"] for row in answer.data["rows"]] == ["average", "pretrained"]
    [missing] = answer.data["missing"]
    assert (missing["method"], missing["failed"]) == ("ties", True)
    assert str(failure) in missing["reason"]
    told = answer.err.splitlines()
    assert told == [f"ties: {missing['reason']}"]
    again = cli("compare", tiny_suite, "--methods", "average,ties,pretrained")
    assert again.status == 1
    assert "failed, see below" in again.out


@pytest.mark.slow
def test_what_the_suite_has_no_images_for_is_left_out_of_all_but_not_of_a_list(cli: Cli, tmp_path: Path) -> None:
    suite = make_suite(tmp_path)
    for path in tmp_path.glob("*.npz"):
        with np.load(path) as arrays:
            kept = {name: arrays[name] for name in arrays.files if not name.startswith("train")}
        np.savez(path, **kept)
    answer = cli("compare", suite, "--methods", "all", "--set", "steps=1", "--set", "samples=2", "--json")
    assert answer.status == 0, answer.err
    missing = answer.data["missing"]
    assert [(one["method"], one["failed"]) for one in missing] == [("distillation", False), ("multi_task", False)]
    for one in missing:
        assert f"{one['method']} is left out" in answer.err
        assert "train" in one["reason"]
    named = cli("compare", suite, "--methods", "average,multi_task", "--json")
    assert named.status == 1
    assert [row["method"] for row in named.data["rows"]] == ["average"]


@pytest.mark.slow
def test_a_second_call_takes_finished_runs_and_says_so(cli: Cli, tiny_suite: Path, home: Path) -> None:
    command = ("compare", tiny_suite, "--methods", "average,adamerging", "--set", "steps=2")
    first = cli(*command, "--json")
    assert not any(row["reused"] for row in first.data["rows"])
    again = cli(*command, "--json")
    assert all(row["reused"] for row in again.data["rows"])
    assert [row | {"reused": False} for row in again.data["rows"]] == first.data["rows"]
    assert "2 of 2 rows are earlier runs" in again.err
    # Another seed is another run; so is anything under --fresh.
    other = cli(*command, "--seed", "1", "--json").data["rows"]
    assert not other[1]["reused"]
    assert not any(row["reused"] for row in cli(*command, "--fresh", "--json").data["rows"])
    assert len(cli("runs", "list", "--json").data["runs"]) == 6


@pytest.mark.slow
def test_a_study_s_runs_are_taken_too(cli: Cli, tiny_suite: Path) -> None:
    study = ("study", "accuracy", tiny_suite, "--methods", "average,adamerging", "--seeds", "0", "--set", "steps=2")
    assert cli(*study, "--json").status == 0
    # A study keeps the last step, as published.
    as_there = ("--methods", "average,adamerging:keep_step=last", "--set", "steps=2", "--json")
    assert [row["reused"] for row in cli("compare", tiny_suite, *as_there).data["rows"]] == [True, True]
    # Fewer tasks are another question.
    fewer = ("--tasks", "task0,task1", "--json")
    assert not cli("compare", tiny_suite, "--methods", "average", *fewer).data["rows"][0]["reused"]


@pytest.mark.slow
def test_what_ctrl_c_stopped_goes_on(cli: Cli, tiny_suite: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("compare", tiny_suite, "--methods", "average,adamerging", "--set", "steps=4", "--json")
    whole = cli(*command, "--runs", home / "elsewhere").data["rows"]
    real = methods.get("adamerging").steps

    def stopped(*arguments: Any, **named: Any) -> Iterator[Any]:
        for step in real(*arguments, **named):
            if step.number == 3:
                raise KeyboardInterrupt
            yield step

    with monkeypatch.context() as patch:
        patch.setattr(methods.get("adamerging"), "steps", stopped)
        answer = cli(*command)
    assert answer.status == 130
    assert answer.err.splitlines() == ["Interrupted. The same command continues where this one stopped."]
    rows = cli(*command).data["rows"]
    assert [row["reused"] for row in rows] == [True, False]
    assert [row["tasks"] for row in rows] == [row["tasks"] for row in whole]
    with Store.open(home / "runs") as store:
        assert len(store.runs()) == 2
        assert [step.number for step in store.steps(rows[1]["run"])] == [0, 1, 2, 3, 4]


def test_the_interval_of_a_mean_is_that_of_its_parts_put_together() -> None:
    # Symmetric intervals of standard error s: the mean of n has s / √n.
    found = interval_of_mean([0.5] * 4, [(0.4, 0.6)] * 4)
    assert found == pytest.approx((0.45, 0.55))
    low, high = interval_of_mean([0.99, 0.5], [(0.9, 1.0), (0.4, 0.6)]) or (0, 0)
    mean = (0.99 + 0.5) / 2
    assert mean - low > high - mean
    assert interval_of_mean([], []) is None
