"""Damaged bytes and refusing disks: one clear line, nothing acknowledged lost, the other runs stay."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from core.errors import BadInput, RunFailed
from core.store import CannotWrite, Damaged, Store
from core.store.faults import plainly
from tests.core.store_help import new_run, step

FILE = "runs.sqlite3"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


def filled(folder: Path, runs: int = 6, steps: int = 12) -> list[str]:
    """A closed store with some runs in it; returns their ids, oldest first."""
    with Store.open(folder) as store:
        ids = [new_run(store) for _ in range(runs)]
        for run_id in ids:
            for number in range(steps):
                store.record(run_id, step(number))
    return ids


def sql(folder: Path, statement: str, *values: object) -> None:
    """Change the database behind the store's back."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute(statement, values)
        connection.commit()


@pytest.mark.grid
@pytest.mark.parametrize(
    "change",
    [
        "settings = '{broken'",
        "tasks = 'null'",
        "execution = '[]'",
        "summary = '3'",
        "groups = x'ff00ff'",
        "status = 'sleeping'",
    ],
)
def test_a_damaged_row_is_quarantined_and_the_others_list(tmp_path: Path, change: str) -> None:
    ids = filled(tmp_path, runs=3, steps=2)
    sql(tmp_path, f"UPDATE runs SET {change} WHERE id = ?", ids[1])
    with Store.open(tmp_path) as store:
        found = {record.id: record for record in store.runs()}
        assert list(found) == ids[::-1]
        assert found[ids[1]].status == "failed"
        assert "damaged" in (found[ids[1]].error or "")
        assert store.run(ids[1]).status == "failed"
        assert [found[i].status for i in (ids[0], ids[2])] == ["interrupted"] * 2
        assert [s.number for s in store.steps(ids[2])] == [0, 1]
        store.delete(ids[1])
        assert len(store.runs()) == 2


@pytest.mark.parametrize("at", [0, 60, -1])
def test_a_changed_checkpoint_is_named_and_not_used(tmp_path: Path, at: int) -> None:
    run_id = filled(tmp_path, runs=1)[0]
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        data = bytearray(connection.execute("SELECT data FROM checkpoints").fetchone()[0])
    data[at] ^= 1
    sql(tmp_path, "UPDATE checkpoints SET data = ?", bytes(data))
    with Store.open(tmp_path) as store, pytest.raises(Damaged, match="checkpoint"):
        store.last_state(run_id)


def test_damaged_steps_are_named_and_the_run_still_lists(tmp_path: Path) -> None:
    ids = filled(tmp_path, runs=2)
    sql(tmp_path, "UPDATE steps SET losses = '{' WHERE run = 1 AND number = 3")
    sql(tmp_path, "UPDATE coefficients SET data = x'00' WHERE run = 1 AND number = 4")
    with Store.open(tmp_path) as store:
        for coefficients in (True, False):
            with pytest.raises(Damaged, match="damaged"):
                store.steps(ids[0], coefficients=coefficients)
        assert len(store.steps(ids[1])) == 12
        assert len(store.runs()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to look at " * 40])
def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    filled(tmp_path, runs=1)
    (tmp_path / FILE).write_bytes(content)
    with Store.open(tmp_path) as store:
        assert store.runs() == []
        new_run(store)
        kept = list(tmp_path.glob(f"quarantine/*/{FILE}"))
        assert [file.read_bytes() for file in kept] == ([content] if content else [])
        assert len(store.notices) == len(kept)


@pytest.mark.slow
def test_every_damaged_page_leaves_the_other_runs(tmp_path: Path) -> None:
    filled(tmp_path / "whole", steps=40)
    original = (tmp_path / "whole" / FILE).read_bytes()
    pages = len(original) // 4096
    assert pages > 20
    listed, saved = [], 0
    for page in range(pages):
        folder = tmp_path / f"page{page}"
        folder.mkdir()
        damaged = bytearray(original)
        damaged[page * 4096 : page * 4096 + 512] = b"\xa5" * 512
        (folder / FILE).write_bytes(damaged)
        with Store.open(folder) as store:
            listed.append(len(store.runs()))
            for record in store.runs():
                if record.status == "interrupted":
                    assert store.run(record.id).suite == "tiny"
                    assert len(store.steps(record.id)) == 40
                    saved += 1
                else:
                    assert "Quarantined" in (record.error or "")
            if store.notices:
                assert "quarantine" in store.notices[0]
                assert (next((folder / "quarantine").iterdir()) / FILE).read_bytes() == damaged
            new_run(store)
    # The header's page and the one that holds all six rows of the table of runs are all that takes a run away.
    assert sorted(listed)[2:] == [6] * (pages - 2), listed
    assert saved > 2 * pages


@pytest.mark.slow
def test_random_damage_never_gives_anything_but_named_errors(tmp_path: Path) -> None:
    import random

    filled(tmp_path / "whole", runs=4, steps=6)
    original = (tmp_path / "whole" / FILE).read_bytes()
    dice = random.Random(0)
    for trial in range(25):
        folder = tmp_path / f"trial{trial}"
        folder.mkdir()
        damaged = bytearray(original)
        for _ in range(dice.choice((1, 8, 200))):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        (folder / FILE).write_bytes(damaged[: dice.choice((len(damaged), len(damaged) // 2))])
        try:
            with Store.open(folder) as store:
                for record in store.runs():
                    store.last_state(record.id)
                    store.steps(record.id)
        except (RunFailed, BadInput):
            pass


@contextmanager
def failing(store: Store, at: int, name: str) -> Iterator[list[int]]:
    """Let the database refuse its `at`-th statement (counted from 1) as a disk would; yields the count."""
    count = [0]

    def refuse(*_: object) -> None:
        count[0] += 1
        if count[0] >= at:
            error = sqlite3.OperationalError("refused by the test")
            error.sqlite_errorname = name
            raise error

    engine = store._database._writer
    assert engine is not None
    event.listen(engine, "before_cursor_execute", refuse)
    try:
        yield count
    finally:
        event.remove(engine, "before_cursor_execute", refuse)


WRITES: dict[str, Callable[[Store, str], object]] = {
    "create": lambda store, _: new_run(store),
    "record": lambda store, run_id: store.record(run_id, step(3)),
    "rewind": lambda store, run_id: store.rewind(run_id),
    "finish": lambda store, run_id: store.finish(run_id, {"average_accuracy": 1.0}),
    "rename": lambda store, run_id: store.rename(run_id, "x"),
    "delete": lambda store, run_id: store.delete(run_id),
}


@pytest.mark.grid
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SQLITE_FULL", "disk is full"),
        ("SQLITE_IOERR_SHMSIZE", "disk is full"),
        ("SQLITE_IOERR_WRITE", "input/output"),
        ("SQLITE_READONLY", "read-only"),
    ],
)
def test_a_disk_that_refuses_any_statement_leaves_the_store_as_it_was(
    store: Store, write: str, name: str, words: str
) -> None:
    run_id = new_run(store)
    for number in range(3):
        store.record(run_id, step(number))
    store.set_status(run_id, "failed", "before")
    before = (store.runs(), store.steps(run_id, coefficients=False), (store.last_state(run_id) or (0,))[0])
    for at in range(1, 20):
        with failing(store, at, name) as count:
            try:
                WRITES[write](store, run_id)
            except CannotWrite as error:
                message = str(error)
            else:
                assert count[0] == at - 1
                break
        assert words in message
        assert "\n" not in message
        after = (store.runs(), store.steps(run_id, coefficients=False), (store.last_state(run_id) or (0,))[0])
        assert after == before
    else:
        pytest.fail("the write never succeeded")
    assert at > 2


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on_later(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = new_run(store)
        store.record(run_id, step(0))
        with store._database.writing() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 30}")
        message, stored = "", 0
        while not message:
            try:
                store.record(run_id, step(stored + 1))
                stored += 1
            except CannotWrite as error:
                message = str(error)
        assert "the disk is full. Free some space" in message
        assert stored > 10
        assert (store.last_state(run_id) or (0,))[0] == stored
    with Store.open(tmp_path) as store:
        assert store.run(run_id).steps_done == stored
        assert [s.number for s in store.steps(run_id)] == list(range(stored + 1))
        store.record(run_id, step(stored + 1))


def test_a_status_the_disk_refuses_is_shown_all_the_same(store: Store) -> None:
    run_id, other = new_run(store), new_run(store)
    with failing(store, 1, "SQLITE_FULL"), pytest.raises(CannotWrite):
        store.set_status(run_id, "failed", "disk full")
    assert (store.run(run_id).status, store.run(run_id).error) == ("failed", "disk full")
    assert {record.id: record.status for record in store.runs()} == {run_id: "failed", other: "queued"}
    store.set_status(run_id, "running")
    assert store.run(run_id).status == "running"


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="in the way") as caught:
        Store.open(tmp_path / "file" / "runs")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_every_refusal_of_the_system_names_a_remedy(number: int) -> None:
    with pytest.raises(CannotWrite, match=r"Writing x failed: [^\n]*\. [A-Z][^\n]*\.$"), plainly("Writing x"):
        raise OSError(number, os.strerror(number))


def test_temporary_files_of_a_killed_process_are_swept_away(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        path = store.artefact(new_run(store), "merged.safetensors")
        path.write_bytes(b"whole")
    leftover = path.with_name(".merged.safetensors.x1y2z3")
    leftover.write_bytes(b"half")
    with Store.open(tmp_path):
        assert path.read_bytes() == b"whole"
        assert not leftover.exists()


def test_a_store_on_a_protected_folder_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = filled(tmp_path, runs=1)[0]
    assert sorted(file.name for file in tmp_path.iterdir()) == [FILE, "store.lock"]
    monkeypatch.setattr("core.store.database.os.access", lambda *_: False)
    with Store.open(tmp_path, write=False) as store:
        assert len(store.steps(run_id)) == 12
    assert sorted(file.name for file in tmp_path.iterdir()) == [FILE, "store.lock"]
