"""A repair keeps all that can be read, says what was saved and what was not, and takes nothing sound for damaged."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.export.weights import metadata
from core.runs.model import MERGED
from core.store import Store
from tests.core.store_help import new_run, step

FILE, RUNS, STEPS = "runs.sqlite3", 9, 6


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with nine runs, two of them with merged models, and a study."""
    folder = tmp_path_factory.mktemp("whole")
    with Store.open(folder) as store:
        for number in range(RUNS):
            run_id = new_run(store, name=f"run {number}")
            for at in range(STEPS):
                store.record(run_id, step(at))
            if number < 2:
                told = metadata(store.run(run_id))
                store.keep(
                    run_id, MERGED, lambda path, told=told: save_file({"visual.proj": torch.ones(4)}, path, told)
                )
        store.studies.create(name="seeds", suite="tiny", origin="tiny", options={"quick": True}, cells=[{"key": "k"}])
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "runs")


def sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize("more", ["ANALYZE", "CREATE INDEX mine ON runs (name)", "CREATE TABLE mine (x)", "VACUUM"])
def test_what_another_program_adds_is_no_damage(folder: Path, more: str) -> None:
    sql(folder, more)
    with Store.open(folder) as store:
        assert store.notices == ()
        assert len(store.runs()) == RUNS
    assert not (folder / "quarantine").exists()


def write(at: int, data: bytes) -> Callable[[Path], None]:
    """Damage that overwrites bytes of the database's file."""

    def damage(folder: Path) -> None:
        with (folder / FILE).open("r+b") as file:
            file.seek(at)
            file.write(data)

    return damage


NOTHING_LOST: dict[str, Callable[[Path], None]] = {
    "first page": write(0, b"\xa5" * 4096),
    "header": write(0, b"\0" * 100),
    "schema": write(3000, b"\xa5" * 1000),
    "no version": lambda folder: sql(folder, "DELETE FROM schema_version"),
    "version is text": lambda folder: sql(folder, "UPDATE schema_version SET version = 'x'"),
    "version is another": lambda folder: sql(folder, "UPDATE schema_version SET version = 1"),
    "no table of versions": lambda folder: sql(folder, "DROP TABLE schema_version"),
    "an index is gone": lambda folder: sql(folder, "DROP INDEX runs_by_status"),
    "a column more": lambda folder: sql(folder, "ALTER TABLE runs ADD COLUMN mine TEXT"),
    "log of nonsense": lambda folder: (folder / f"{FILE}-wal").write_bytes(b"nonsense" * 999) and None,
    "name of the writer": lambda folder: (folder / "store.holder").write_bytes(b"\0\xff") and None,
}


@pytest.mark.grid
@pytest.mark.parametrize("what", NOTHING_LOST)
def test_damage_that_takes_nothing_away_loses_nothing(folder: Path, what: str) -> None:
    NOTHING_LOST[what](folder)
    with Store.open(folder) as store:
        assert [record.name for record in store.runs()] == [f"run {number}" for number in reversed(range(RUNS))]
        assert all(len(store.steps(record.id)) == STEPS for record in store.runs())
        assert all((store.last_state(record.id) or (0,))[0] == STEPS - 1 for record in store.runs())
        assert [study.options for study in store.studies.listing()] == [{"quick": True}]
        for notice in store.notices:
            assert "9 runs, 1 study could be recovered; nothing is known to be lost" in notice
    with Store.open(folder) as store:
        assert store.notices == ()


@pytest.mark.slow
def test_a_log_without_its_database_is_read(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    pid = os.fork()
    if pid == 0:
        store = Store.open(folder)
        store.record(new_run(store), step(0))
        os._exit(0)
    os.waitpid(pid, 0)
    (folder / FILE).unlink()
    with Store.open(folder) as store:
        assert "its log is not" in store.notices[0]
        assert len(store.steps(store.runs()[0].id)) == 1


def test_what_is_lost_is_said_and_never_less(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'").fetchone()[0]
    write((page - 1) * 4096, b"\xa5" * 4096)(folder)
    with Store.open(folder) as store:
        records = store.runs()
        told = store.notices[0]
    lost = RUNS - len([record for record in records if "Quarantined" not in (record.error or "")])
    assert lost >= 7
    assert "could not" in told or "can't be told" in told
    assert "0 could not" not in told
    assert "1 study" in told


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b""], ids=["deleted", "empty"])
def test_runs_whose_records_are_lost_are_offered_again(folder: Path, content: bytes | None) -> None:
    with Store.open(folder) as store:
        before = {record.id: record for record in store.runs() if MERGED in store.artefacts(record.id)}
    (folder / FILE).unlink()
    if content is not None:
        (folder / FILE).write_bytes(content)
    (folder / "artefacts" / ("0" * 12)).mkdir()
    (folder / "artefacts" / ("0" * 12) / "other.safetensors").write_bytes(b"nonsense")
    with Store.open(folder) as store:
        assert "missing or empty. Of 2 more, the merged models are intact" in store.notices[0]
        assert "belong to no known run: 1." in store.notices[0]
        for record in store.runs():
            known = before.pop(record.id)
            assert (record.method, record.suite, record.settings) == (known.method, known.suite, known.settings)
            assert (record.tasks, record.seed, record.hashes) == (known.tasks, known.seed, known.hashes)
            assert store.kept(record.id, MERGED).exists()
        assert before == {}
    with Store.open(folder) as store:
        assert store.notices == ()


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A repair that ends before its last step."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("core.store.recovery._copy_run", stop)
        yield


@pytest.mark.usefixtures("stopped")
def test_a_repair_that_is_interrupted_leaves_what_it_began_with(folder: Path) -> None:
    write(0, b"\xa5" * 4096)(folder)
    before = (folder / FILE).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        Store.open(folder)
    assert (folder / FILE).read_bytes() == before
