"""On a full disk a person can free space: a run that is deleted makes the room that noting this takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, DiskFull
from core.store import Store, database
from core.store.runs import Runs
from tests.core.store_help import new_run

MODEL = "merged.safetensors"


@pytest.fixture
def runs(home: Path) -> list[str]:
    """An ended run and a queued one, each with a file."""
    with Store.open(home / "runs") as store:
        ids = [new_run(store), new_run(store)]
        for run_id in ids:
            store.artefact(run_id, MODEL).write_bytes(b"large")
            store.set_status(run_id, "failed", "")
    return ids


def full_until(gone: Path, work: Callable[..., Any]) -> Callable[..., Any]:
    """`work` that finds no room while a file is there."""

    def tried(*given: Any) -> Any:
        if gone.exists():
            raise DiskFull
        return work(*given)

    return tried


def test_the_files_of_a_deleted_run_make_room(home: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(home / "runs") as store:
        monkeypatch.setattr(Runs, "_forget", full_until(store.artefact(runs[0], MODEL), Runs._forget))
        store.set_status(runs[0], "running")
        with pytest.raises(BadInput, match="still running"):
            store.delete(runs[0])
        assert store.artefacts(runs[0]) == [MODEL]
        store.set_status(runs[0], "failed")
        store.delete(runs[0])
        assert [record.id for record in store.runs()] == runs[1:]
        assert store.artefacts(runs[1]) == [MODEL]


def test_the_command_makes_room_where_runs_can_not_even_be_opened(
    cli: Callable[..., Any], home: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = home / "runs" / "artefacts" / runs[0] / MODEL
    monkeypatch.setattr(database, "write_text", full_until(model, database.write_text))
    assert cli("runs", "delete", runs[0]).status == 0
    with Store.open(home / "runs", wait=0) as store:
        assert [record.id for record in store.runs()] == runs[1:]
