"""Who may touch what in a store: ids and names lead nowhere else, and one process writes at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import BadInput, StoreReadOnly, UnknownName
from core.store import CannotWrite, Store, database
from tests.core.store_help import new_run, step


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


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
        lambda run_id: store.add_evaluation(run_id, 0, [], full=True),
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
            lambda: second.add_evaluation(run_id, 0, [], full=True),
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


@pytest.mark.slow
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


def test_a_store_on_a_full_disk_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connected = database._connected
    with Store.open(tmp_path) as store:
        run_id = new_run(store)

    def full(location: str) -> sqlite3.Connection:
        if "immutable" in location:
            return connected(location)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
        raise error

    monkeypatch.setattr(database, "_connected", full)
    with Store.open(tmp_path, write=False) as store:
        assert [record.id for record in store.runs()] == [run_id]
        (tmp_path / "runs.sqlite3-wal").write_bytes(b"what is not in the file yet")
        store._database._readers.dispose()
        with pytest.raises(CannotWrite, match="disk is full"):
            store.runs()
