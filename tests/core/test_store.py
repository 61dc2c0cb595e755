"""Runs on disk: what is written is what is read, all or nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import create_engine, inspect

from core.errors import BadInput, UnknownName
from core.problem.evaluate import Evaluation
from core.problem.method import Coefficients, Outcome
from core.store import Store
from core.store.tables import OF_RUN, RUNS, STUDIES
from tests.core.store_help import GROUPS, TASKS, new_run, step


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


def test_a_new_run_reads_back_as_it_was_created(store: Store) -> None:
    run_id = new_run(store, name="first", origin="/suites/tiny.yaml")
    found = store.run(run_id)
    assert len(run_id) == 12
    assert set(run_id) <= set("0123456789abcdef")
    assert (found.status, found.name, found.suite, found.origin) == ("queued", "first", "tiny", "/suites/tiny.yaml")
    assert (found.settings, found.seed, found.tasks, found.steps) == ({"steps": 9, "lr": 1e-3}, 7, TASKS, 9)
    assert (found.device, found.precision, found.hashes) == ("cpu", "float32", {"base": "0" * 64})
    assert (found.steps_done, found.samples_seen, found.seconds, found.report) == (0, 0, 0.0, None)


def test_steps_read_back_bit_for_bit(store: Store) -> None:
    run_id = new_run(store)
    for number in range(4):
        store.record(run_id, step(number))
    found = store.steps(run_id)
    assert [s.number for s in found] == [0, 1, 2, 3]
    for number, record in enumerate(found):
        expected = step(number)
        assert expected.coefficients is not None
        assert record.coefficients is not None
        assert record.coefficients.tobytes() == expected.coefficients.values.numpy().tobytes()
        assert (record.losses, record.entropies) == (expected.losses, expected.entropies)
        assert (record.seconds, record.samples) == (expected.seconds, expected.samples)
    assert store.run(run_id).groups == GROUPS


def test_reading_steps_in_parts(store: Store) -> None:
    run_id = new_run(store)
    for number in range(6):
        store.record(run_id, step(number))
    assert [s.number for s in store.steps(run_id, since=2)] == [3, 4, 5]
    assert [s.number for s in store.steps(run_id, since=0, limit=2)] == [1, 2]
    assert store.steps(run_id, since=5) == []
    assert all(s.coefficients is None for s in store.steps(run_id, coefficients=False))
    assert np.array_equal(store.steps(run_id, since=4)[0].coefficients, step(5).coefficients.values)  # type: ignore[union-attr,arg-type]


def test_totals_are_those_of_the_steps(store: Store) -> None:
    run_id = new_run(store)
    for number in range(5):
        store.record(run_id, step(number))
    found = store.run(run_id)
    assert (found.steps_done, found.samples_seen, found.seconds) == (4, 4 * 32, 5 * 0.25)


def test_recording_a_step_again_replaces_it(store: Store) -> None:
    run_id = new_run(store)
    for number in (0, 1, 2, 2, 1):
        store.record(run_id, step(number))
    store.record(run_id, step(2, seconds=1.25, losses={"task0": 9.0}))
    found = store.steps(run_id)
    assert [s.number for s in found] == [0, 1, 2]
    assert found[2].losses == {"task0": 9.0}
    assert (store.run(run_id).seconds, store.run(run_id).samples_seen) == (0.25 * 2 + 1.25, 64)


def test_the_last_state_has_the_same_bits_and_types(store: Store) -> None:
    run_id = new_run(store)
    assert store.last_state(run_id) is None
    state = {
        "generator": torch.get_rng_state(),
        "moments": torch.randn(5, 3, dtype=torch.float64).T,
        "counts": torch.tensor([3, 4]),
        "scalar": torch.tensor(2.5),
        "half": torch.randn(4).bfloat16(),
        "none": torch.empty(0),
    }
    store.record(run_id, step(1))
    store.record(run_id, step(2, state=lambda: state))
    number, found = store.last_state(run_id) or pytest.fail("no state")
    assert number == 2
    assert set(found) == set(state)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_the_step_with_the_outcome_keeps_the_checkpoint_before_it(store: Store) -> None:
    run_id = new_run(store)
    store.record(run_id, step(1))
    store.record(run_id, step(2, outcome=Outcome.of({})))
    assert (store.last_state(run_id) or (0,))[0] == 1
    assert [s.number for s in store.steps(run_id)] == [1, 2]


def test_rewinding_forgets_what_comes_after_the_checkpoint(store: Store) -> None:
    run_id = new_run(store)
    for number in range(3):
        store.record(run_id, step(number))
    store.record(run_id, step(3, state=None))
    store.add_evaluation(run_id, 3, [Evaluation("task0", 1, 2, 0.5)], full=False)
    store.rewind(run_id)
    found = store.run(run_id)
    assert ([s.number for s in store.steps(run_id)], store.evaluations(run_id)) == ([0, 1, 2], [])
    assert (found.steps_done, found.samples_seen, found.seconds) == (2, 64, 0.75)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (Coefficients(GROUPS, ("task1", "task0"), torch.ones(2, 2)), "tasks"),
        (Coefficients(("other", "second"), TASKS, torch.ones(2, 2)), "groups"),
        (Coefficients(GROUPS, TASKS, torch.ones(3, 2)), "shape"),
    ],
)
def test_a_refused_step_leaves_nothing_behind(store: Store, changed: Coefficients, message: str) -> None:
    run_id = new_run(store)
    store.record(run_id, step(0))
    store.record(run_id, step(1))
    before = store.run(run_id)
    with pytest.raises(ValueError, match=message):
        store.record(run_id, step(2, coefficients=changed))
    assert store.run(run_id) == before
    assert [s.number for s in store.steps(run_id)] == [0, 1]
    assert (store.last_state(run_id) or (0,))[0] == 1


def test_evaluations_read_back_and_replace_each_other(store: Store) -> None:
    run_id = new_run(store)
    store.add_evaluation(run_id, 5, [Evaluation("task0", 10, 32, 0.4)], full=False)
    store.add_evaluation(run_id, 0, [Evaluation("task0", None, 32, 0.9)], full=True)
    store.add_evaluation(run_id, 5, [Evaluation("task0", 12, 32, 0.3)], full=False)
    first, second = store.evaluations(run_id)
    assert (first.step, first.correct, first.accuracy, first.full) == (0, None, None, True)
    assert (second.step, second.correct, second.accuracy, second.entropy) == (5, 12, 12 / 32, 0.3)


def test_runs_list_newest_first_and_by_status_and_suite(store: Store) -> None:
    ids = [new_run(store, suite=suite) for suite in ("a", "b", "a")]
    store.set_status(ids[1], "failed", "disk gone")
    assert [r.id for r in store.runs()] == ids[::-1]
    assert [r.id for r in store.runs(limit=2)] == [ids[2], ids[1]]
    assert [r.id for r in store.runs(suite="a")] == [ids[2], ids[0]]
    assert [(r.id, r.error) for r in store.runs(status="failed")] == [(ids[1], "disk gone")]
    assert [r.id for r in store.runs(status=("failed", "queued"), suite="b")] == [ids[1]]
    with pytest.raises(UnknownName, match="finished"):
        store.runs(status="finished")


def test_order_of_runs_does_not_depend_on_the_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_run(store)
    monkeypatch.setattr("core.store.runs.now", lambda: "1999-01-01T00:00:00.000+00:00")
    second = new_run(store)
    assert [r.id for r in store.runs()] == [second, first]


@pytest.mark.slow
def test_status_notes_beginning_and_end(store: Store) -> None:
    run_id = new_run(store)
    store.set_status(run_id, "running")
    began = store.run(run_id).started
    assert began is not None
    store.set_status(run_id, "failed", "no")
    assert store.run(run_id).finished is not None
    store.set_status(run_id, "running")
    found = store.run(run_id)
    assert (found.started, found.finished, found.error) == (began, None, None)
    with pytest.raises(UnknownName, match="status"):
        store.set_status(run_id, "finished")


def test_a_finished_run_has_its_report_and_no_checkpoint(store: Store) -> None:
    run_id = new_run(store)
    store.record(run_id, step(1))
    report = {"average_accuracy": 0.5, "peak_memory_mb": 100.5, "entropy": [[0.1]], "coefficients": {"values": []}}
    store.finish(run_id, report | {"tasks": [{"name": "task0"}]})
    found, listed = store.run(run_id), store.runs()[0]
    assert (found.status, found.average_accuracy, found.peak_memory_mb) == ("done", 0.5, 100.5)
    assert found.report == report | {"tasks": [{"name": "task0"}]}
    assert listed.report == {"average_accuracy": 0.5, "peak_memory_mb": 100.5, "tasks": [{"name": "task0"}]}
    assert store.last_state(run_id) is None


def test_rename_and_delete(store: Store) -> None:
    run_id, other = new_run(store), new_run(store)
    store.rename(run_id, "λ over blocks")
    assert store.run(run_id).name == "λ over blocks"
    for name in ("x" * 101, "two\nlines"):
        with pytest.raises(BadInput, match="name"):
            store.rename(run_id, name)
    store.record(run_id, step(1))
    store.artefact(run_id, "merged.safetensors").write_bytes(b"x")
    with pytest.raises(BadInput, match="still running"):
        store.delete(run_id)
    store.set_status(run_id, "done")
    store.delete(run_id)
    assert [r.id for r in store.runs()] == [other]
    assert not (store.folder / "artefacts" / run_id).exists()
    with pytest.raises(UnknownName):
        store.steps(run_id)


def test_unknown_facts_are_refused(store: Store) -> None:
    with pytest.raises(UnknownName, match="colour"):
        store.describe(new_run(store), colour="red")


def test_the_code_names_the_columns_that_a_store_on_disk_has(store: Store) -> None:
    engine = create_engine(f"sqlite:///{store.folder / 'runs.sqlite3'}")
    found = inspect(engine)
    made = {
        table: [column["name"] for column in found.get_columns(table)]
        for table in found.get_table_names()
        if not table.startswith("sqlite_")
    }
    engine.dispose()
    assert made.pop("schema_version") == ["version"]
    assert made == {table.name: table.c.keys() for table in (RUNS, *OF_RUN, STUDIES)}


def test_a_store_of_a_newer_version_is_refused_and_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        new_run(store)
        with store._database.writing() as connection:
            connection.exec_driver_sql("UPDATE schema_version SET version = 99")
    for write in (True, False):
        with pytest.raises(BadInput, match="newer Mergescope"):
            Store.open(tmp_path, write=write)
    assert not (tmp_path / "quarantine").exists()
    assert not (tmp_path / "store.holder").exists()


def test_an_interrupted_migration_leaves_no_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.store.tables import MIGRATIONS

    def broken() -> Iterator[str]:
        yield from MIGRATIONS[0]
        raise RuntimeError("stopped here")

    monkeypatch.setattr("core.store.tables.MIGRATIONS", (broken(),))
    with pytest.raises(RuntimeError, match="stopped"):
        Store.open(tmp_path)
    monkeypatch.undo()
    with Store.open(tmp_path) as store:
        assert store.runs() == []


def test_threads_share_one_store(store: Store) -> None:
    ids = [new_run(store) for _ in range(4)]
    failures: list[BaseException] = []

    def write(run_id: str) -> None:
        try:
            for number in range(15):
                store.record(run_id, step(number))
                assert store.steps(run_id, since=number - 1)[0].number == number
        except BaseException as error:  # noqa: BLE001  (shown by the main thread)
            failures.append(error)

    threads = [threading.Thread(target=write, args=(run_id,)) for run_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [store.run(run_id).steps_done for run_id in ids] == [14] * 4


def test_reports_are_plain_json(store: Store) -> None:
    run_id = new_run(store, settings={"name": "λ", "nested": {"list": [1, None, True]}})
    assert json.loads(json.dumps(store.run(run_id).settings)) == {"name": "λ", "nested": {"list": [1, None, True]}}
