"""`tests/bench/equal_suites.py`: its suites, the order of its work, and what it concludes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.problem.problem import Problem
from tests.bench.equal_made import SUITES, altered, halves, with_experts
from tests.bench.equal_report import behind, chosen, plain, seeds
from tests.bench.equal_rows import SINGLE, entries
from tests.bench.equal_suites import Folder, near, one_unit, units


def row(title: str, value: float, *, seed: int = 0, lr: float = 0.1, held_out: float = 0.5) -> dict[str, Any]:
    about = {"suite": "made", "images": 64, "title": title, "block": SINGLE, "values": {"lr": lr, "seed": seed}}
    about |= {"method": "samerging", "knob": "lr"}
    return {**about, "test": {"a": value, "b": value}, "held_out": {"a": held_out}}


def test_a_half_has_the_images_of_its_classes_alone(problem32: Problem) -> None:
    problem = halves(problem32)
    assert len(problem.tasks) == 2 * len(problem32.tasks)
    for task in problem32.tasks:
        whole, parts = problem32.split(task, "test"), [problem.split(f"{task}-{side}", "test") for side in (0, 1)]
        assert sum(map(len, parts)) == len(whole)
        for side, part in enumerate(parts):
            assert whole.labels is not None
            assert part.labels is not None
            head = problem.heads[f"{task}-{side}"]
            assert torch.equal(head[part.labels], problem32.heads[task][whole.labels[whole.labels % 2 == side]])
    deltas: dict[str, Tensor] = {task: problem.task_vectors.deltas[at] * 2 for at, task in enumerate(problem.tasks)}
    doubled = with_experts(problem, deltas).task_vectors.deltas
    assert torch.equal(doubled, 2 * problem.task_vectors.deltas)


def test_only_the_demo_suite_stays_as_it_is() -> None:
    tasks = [f"task{at}" for at in range(8)]
    assert [bool(altered(name, tasks)) for name in SUITES[:3]] == [False, True, True]


def test_a_formula_comes_once_a_suite_and_the_most_telling_rows_first() -> None:
    found = units(["demo", "many"], {"demo": 8, "many": 16}, [2560, 512], None)
    assert found[0][2].method == "best"
    keys = [(suite, images, entry.title) for suite, images, entry, _ in found]
    assert len(set(keys)) == len(keys)
    assert [key for key in keys if key[2] == "TSV-Merge"] == [("demo", 0, "TSV-Merge"), ("many", 0, "TSV-Merge")]
    steps = {entry.values["steps"] for suite, images, entry, _ in found if (suite, images) == ("many", 2560)
             and entry.method == "best"}  # fmt: skip
    assert steps == {10}


def test_a_rate_is_chosen_on_held_out_images_and_judged_on_test_images_over_its_seeds() -> None:
    rows = [row("one", 0.9, held_out=0.4), row("one", 0.7, lr=0.2, held_out=0.6), row("one", 0.8, lr=0.2, seed=1),
            row("one", 0.1, seed=1)]  # fmt: skip
    assert chosen(rows)["made", 64, "one"]["values"]["lr"] == 0.2
    assert seeds(rows) == {("made", 64, "one"): [pytest.approx(0.7), pytest.approx(0.8)]}


def test_a_rival_is_ahead_by_more_than_a_standard_error() -> None:
    assert "rival by 5.00" in behind([0.8, 0.82], {"rival": [0.86]})
    assert "nothing" in behind([0.8, 0.82], {"rival": [0.815], "other": [0.5]})


def test_what_a_shard_has_measured_no_other_measures_again(tmp_path: Path, problem32: Problem) -> None:
    entry = next(one for one in entries(2, 4) if one.title == "Task Arithmetic")
    one_unit(problem32, "made", 0, entry, 0, Folder(tmp_path, "first"))
    assert len(Folder(tmp_path).known) >= 3
    one_unit(problem32, "made", 0, entry, 0, Folder(tmp_path, "second"))
    assert not (tmp_path / "second.jsonl").exists()
    with pytest.raises(SystemExit):
        one_unit(problem32, "other", 0, entry, 0, Folder(tmp_path, "late", seconds=-1))


def test_more_seeds_are_for_rows_near_the_best(tmp_path: Path) -> None:
    folder, found = Folder(tmp_path), units(["made"], {"made": 2}, [64], "best,samerging,adarank")
    values = {"Best combination": 0.9, "SAMerging": 0.86, "AdaRank": 0.8}
    folder.known = {title: row(title, value) for title, value in values.items()}
    assert [entry.title for _, _, entry in near(found, folder)] == ["Best combination", "SAMerging"]


def test_a_rate_counts_when_its_neighbours_are_measured() -> None:
    rows = [row("one", 0.7), row("one", 0.6, lr=0.03, held_out=0.4)]
    place, planned = {"made 64": [0.7, 0.0, 1]}, [("made", 64, "one"), ("made", 64, "other")]
    assert plain(rows, planned, {})["rows"] == {}
    found = plain([*rows, row("one", 0.8, lr=0.3, held_out=0.4)], planned, {})
    assert found["rows"] == {"one": {"method": "samerging", "own": True, "accuracy": place}}
    assert (found["done"], found["planned"]) == (1, 2)
    known = {"other": {"method": "best", "own": True, "accuracy": place}}
    both = plain([*rows, row("one", 0.8, lr=0.3, held_out=0.4)], planned, {"rows": known, "notes": ["A note"]})
    assert (both["rows"], both["done"], both["notes"]) == ({**known, **found["rows"]}, 2, ["A note"])
