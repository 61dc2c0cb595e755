"""Runs on disk: what is written is what is read, all or nothing, and nothing leads outside."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import create_engine, inspect

from core.errors import BadInput, StoreReadOnly, UnknownName
from core.evaluate import Evaluation
from core.methods.base import Coefficients, Outcome
from core.store import Store
from core.store.tables import METADATA
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
    store.add_evaluation(run_id, 3, "test", [Evaluation("task0", 1, 2, 0.5)], full=False)
    assert store.rewind(run_id) == 2
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
    store.add_evaluation(run_id, 5, "test", [Evaluation("task0", 10, 32, 0.4)], full=False)
    store.add_evaluation(run_id, 0, "test", [Evaluation("task0", None, 32, 0.9)], full=True, kind="base")
    store.add_evaluation(run_id, 5, "test", [Evaluation("task0", 12, 32, 0.3)], full=False)
    first, second = store.evaluations(run_id)
    assert (first.step, first.kind, first.correct, first.accuracy, first.full) == (0, "base", None, None, True)
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
    with pytest.raises(BadInput, match="still going on"):
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


BAD_IDS = (
    "",
    "../../etc",
    "0" * 11,
    "0" * 13,
    "ABCDEF012345",
    "0123456789a/",
    "g" * 12,
    "0123456789ab\n",
    "٠" * 12,
    None,
)


@pytest.mark.parametrize("bad", BAD_IDS)
def test_anything_but_a_run_id_is_refused_before_a_path_is_touched(store: Store, bad: str) -> None:
    tree = sorted(store.folder.rglob("*"))
    for call in (
        store.run,
        store.steps,
        store.last_state,
        store.evaluations,
        store.delete,
        store.rewind,
        store.artefacts,
        lambda run_id: store.artefact(run_id, "x"),
        lambda run_id: store.record(run_id, step(0)),
        lambda run_id: store.set_status(run_id, "done"),
        lambda run_id: store.finish(run_id, {}),
        lambda run_id: store.rename(run_id, "x"),
        lambda run_id: store.add_evaluation(run_id, 0, "test", [], full=True),
    ):
        with pytest.raises(UnknownName, match="run"):
            call(bad)
    assert sorted(store.folder.rglob("*")) == tree


def test_an_unknown_run_is_answered_with_the_latest_ones(store: Store) -> None:
    known = new_run(store)
    with pytest.raises(UnknownName, match=known):
        store.run("0" * 12)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\\b", "/etc/passwd", "a\0b", "x" * 101, "a b"])
def test_artefact_names_that_lead_astray_are_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInput):
        store.artefact(new_run(store), name)


def test_links_out_of_the_folder_of_a_run_are_refused(store: Store, tmp_path: Path) -> None:
    run_id, other = new_run(store), new_run(store)
    (tmp_path / "secret").write_text("secret")
    store.artefact(run_id, "merged.safetensors").symlink_to(tmp_path / "secret")
    (store.folder / "artefacts" / other).symlink_to(tmp_path)
    for found, name in ((run_id, "merged.safetensors"), (other, "secret")):
        with pytest.raises(BadInput, match="outside"):
            store.artefact(found, name)
    store.set_status(other, "done")
    store.delete(other)
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_second_store_is_read_only_and_says_who_writes(store: Store) -> None:
    run_id = new_run(store)
    with Store.open(store.folder, wait=0.1) as second:
        assert second.read_only
        assert f"process {os.getpid()}" in (second.holder or "")
        store.record(run_id, step(0))
        assert [s.number for s in second.steps(run_id)] == [0]
        for call in (
            lambda: new_run(second),
            lambda: second.record(run_id, step(1)),
            lambda: second.set_status(run_id, "done"),
            lambda: second.finish(run_id, {}),
            lambda: second.delete(run_id),
            lambda: second.rename(run_id, "x"),
            lambda: second.rewind(run_id),
            lambda: second.describe(run_id, steps=1),
            lambda: second.add_evaluation(run_id, 0, "test", [], full=True),
        ):
            with pytest.raises(StoreReadOnly, match=f"process {os.getpid()}.*--runs"):
                call()


def test_the_right_to_write_passes_on(tmp_path: Path) -> None:
    first = Store.open(tmp_path)
    timer = threading.Timer(0.3, first.close)
    timer.start()
    with Store.open(tmp_path, wait=5) as second:
        assert not second.read_only
        new_run(second)
    timer.join()


def test_reading_creates_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "none", write=False) as store:
        assert (store.read_only, store.holder, store.runs()) == (True, None, [])
        with pytest.raises(UnknownName):
            store.run("0" * 12)
        with pytest.raises(StoreReadOnly, match="for reading only"):
            new_run(store)
    assert not (tmp_path / "none").exists()


def test_runs_that_a_vanished_process_left_are_interrupted(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        ids = {status: new_run(store) for status in ("queued", "running", "paused", "done", "failed", "cancelled")}
        for status, run_id in ids.items():
            store.set_status(run_id, status)
        store.record(ids["running"], step(1))
    with Store.open(tmp_path, write=False) as reader:
        assert reader.run(ids["running"]).status == "interrupted"
    with Store.open(tmp_path) as store:
        found = {status: store.run(run_id).status for status, run_id in ids.items()}
        assert (store.last_state(ids["running"]) or (0,))[0] == 1
    active = dict.fromkeys(("queued", "running", "paused"), "interrupted")
    assert found == active | {status: status for status in ("done", "failed", "cancelled")}


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.close()
    store.close()
    assert not (tmp_path / "store.holder").exists()


def test_migrations_make_the_tables_that_the_code_reads(store: Store) -> None:
    engine = create_engine(f"sqlite:///{store.folder / 'runs.sqlite3'}")
    found = inspect(engine)
    made = {
        table: {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table)}
        for table in found.get_table_names()
        if not table.startswith("sqlite_")
    }
    engine.dispose()
    expected = {
        table.name: {column.name: (str(column.type), column.nullable) for column in table.columns}
        for table in METADATA.tables.values()
    }
    assert made == expected


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
    def broken(connection: object) -> None:
        from core.store.migrations import m001

        m001(connection)  # type: ignore[arg-type]
        raise RuntimeError("stopped here")

    monkeypatch.setattr("core.store.migrations.MIGRATIONS", (broken,))
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
        except BaseException as error:
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
