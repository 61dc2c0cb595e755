"""What is kept is held against its hash before it is used: refused, set aside, and made again where possible."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save, save_file

from core.runs.model import MERGED
from core.store import Damaged, Store
from tests.core.store_help import new_run, step

WHOLE = save({"x": torch.arange(40.0)})
Cli = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


@pytest.mark.slow
def test_every_flipped_or_cut_file_is_refused_and_set_aside(store: Store) -> None:
    run_id, dice = new_run(store), random.Random(0)
    for trial in range(200):
        store.keep(run_id, MERGED, lambda path: path.write_bytes(WHOLE))
        path = store.kept(run_id, MERGED)
        damaged = bytearray(WHOLE)
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged if trial % 2 else WHOLE[: dice.randrange(len(WHOLE))])
        with pytest.raises(Damaged, match=f"run {run_id} is damaged.*kept in"):
            store.kept(run_id, MERGED)
        assert not path.exists()
        with pytest.raises(Damaged, match="is missing"):
            store.kept(run_id, MERGED)
        assert store.artefacts(run_id) == [MERGED]
    assert len(list(store.folder.glob(f"quarantine/*/{run_id}/{MERGED}"))) == 200


@pytest.mark.slow
def test_every_flipped_lambda_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id, dice = new_run(store), random.Random(0)
        store.record(run_id, step(0))
    with closing(sqlite3.connect(tmp_path / "runs.sqlite3")) as connection:
        whole = connection.execute("SELECT data FROM coefficients").fetchone()[0]
        for _ in range(20):
            data = bytearray(whole)
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            connection.execute("UPDATE coefficients SET data = ?", (bytes(data),))
            connection.commit()
            with Store.open(tmp_path, write=False) as store, pytest.raises(Damaged, match="λ of step 0"):
                store.steps(run_id)


def test_what_an_earlier_version_kept_without_a_hash_is_used_unless_it_is_cut(store: Store) -> None:
    run_id = new_run(store)
    path = store.artefact(run_id, MERGED)
    save_file({"visual.proj": torch.zeros(4)}, path)
    assert store.kept(run_id, MERGED) == path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match="damaged"):
        store.kept(run_id, MERGED)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [("average",), ("adamerging", "--set", "steps=2", "--set", "batch=2")], ids=lambda x: x[0]
)
def test_a_damaged_model_is_made_again_where_the_run_allows(
    cli: Cli, suite: Path, home: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    assert cli("merge", suite, "--method", *how).status == 0
    run_id = cli("runs", "list", "--json").data["runs"][0]["id"]
    path, out = home / "runs" / "artefacts" / run_id / MERGED, tmp_path / "out.safetensors"
    whole = path.read_bytes()
    for damage in (lambda: path.write_bytes(whole[: len(whole) // 2]), path.unlink):
        damage()
        assert cli("runs", "export", run_id, "--out", out).status == 0
        assert out.read_bytes() == path.read_bytes()
        assert save(load_file(out)) == save(load(whole))
        out.unlink()
    path.write_bytes(whole[:-1] + b"?")
    (suite.parent / "task0.safetensors").unlink()
    answer = cli("runs", "export", run_id, "--out", out)
    assert (answer.status, len(answer.err.splitlines())) == (1, 1)
    assert "can't be made again" in answer.err
    assert not out.exists()
