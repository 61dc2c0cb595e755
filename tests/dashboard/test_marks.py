"""Marks on the charts: each belongs to the images of the dots, and Task Arithmetic is the one with default settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import methods
from core.store import RunRecord, Store
from dashboard.charts.marks import Marks
from dashboard.static_export.replay import collect
from tests.dashboard import synthetic

ARITHMETIC = methods.get("task_arithmetic").Settings().model_dump(mode="json")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def learned(store: Store, **settings: Any) -> RunRecord:
    run_id = synthetic.finished(store, tasks=2, blocks=1, steps=4)
    store.describe(run_id, settings=store.run(run_id).settings | settings)
    return store.run(run_id)


def arithmetic(store: Store, accuracy: float, *, hashes: Any = None, execution: Any = None, **settings: Any) -> None:
    tasks = synthetic.task_names(2)
    run_id = store.create(
        suite="synthetic", method="task_arithmetic", settings=ARITHMETIC | settings, seed=0, tasks=tasks, steps=0,
        execution=execution or {}, hashes=hashes or {}, adapted_on="nothing",
    )  # fmt: skip
    told = [{"name": task, "accuracy": accuracy, "base_accuracy": accuracy, "expert_accuracy": 1.0} for task in tasks]
    store.finish(run_id, {"tasks": told, "average_accuracy": accuracy})


def marks(store: Store, record: RunRecord, images: str) -> dict[str, tuple[str, list[float | None]]]:
    found = Marks(store).of(record, store.evaluations(record.id))
    return {one["name"]: (one["title"], one["values"]) for one in found.marks(record.tasks)[images]}


def test_task_arithmetic_is_the_default_one_on_all_images_and_named(store: Store) -> None:
    record = learned(store)
    arithmetic(store, 0.51)
    arithmetic(store, 0.11, scale=1.0)
    arithmetic(store, 0.12, hashes={"base": "another"})
    arithmetic(store, 0.13, execution={"images": {"corruption": "fog", "severity": 5}})
    arithmetic(store, 0.14, execution={"content": {"digits": "other images"}})
    arithmetic(store, 0.15, execution={"what_if": {"of": "0" * 12, "step": 0, "edits": []}})
    assert marks(store, record, "full")["task_arithmetic"] == ("Task Arithmetic, λ = 0.3", [0.51, 0.51])


def test_an_exported_run_has_the_marks_of_the_live_one(store: Store) -> None:
    record = learned(store)
    arithmetic(store, 0.51)
    told = collect(store, record, {}, lambda: None)["history"][-1]["marks"]
    assert told == Marks(store).of(record, store.evaluations(record.id)).marks(record.tasks)
    assert [one["values"] for one in told["full"] if one["name"] == "task_arithmetic"] == [[0.51, 0.51]]


def test_beside_dots_on_all_images_there_is_no_mark_of_a_sample(store: Store) -> None:
    record = learned(store)
    start = [one.accuracy for one in store.evaluations(record.id) if one.step == 0 and not one.full]
    assert marks(store, record, "sample")["task_arithmetic"] == ("Task Arithmetic, λ = 0.3", start)
    assert "task_arithmetic" not in marks(store, record, "full")
    arithmetic(store, 0.51)
    assert marks(store, record, "sample")["task_arithmetic"][1] == start


@pytest.mark.parametrize("settings", [{"init": 0.5}, {"start": "tsv_m"}])
def test_a_run_that_begins_elsewhere_does_not_begin_at_task_arithmetic(store: Store, settings: dict[str, Any]) -> None:
    assert "task_arithmetic" not in marks(store, learned(store, **settings), "sample")


def test_base_and_expert_on_other_images_than_the_dots_say_so(store: Store) -> None:
    record = learned(store)
    assert marks(store, record, "full")["base"][0] == "base"
    assert marks(store, record, "sample")["base"][0] == "base, all test images"


def test_runs_on_other_images_do_not_tell_of_base_and_expert(store: Store) -> None:
    run_id = synthetic.create(store, tasks=2)
    store.set_status(run_id, "cancelled")
    arithmetic(store, 0.13, execution={"images": {"corruption": "fog", "severity": 5}})
    assert marks(store, store.run(run_id), "full") == {}
