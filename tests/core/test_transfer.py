"""A run that moves from one store to another and back: nothing of it changes, and nothing is left beside it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cluster.parcel import Parcel
from core.problem import loading
from core.store import Store, state
from core.suite.find import find
from tests.core.store_help import new_run, step


def same(one: Store, other: Store, run_id: str) -> None:
    for left, right in zip(one.steps(run_id), other.steps(run_id), strict=True):
        assert (left.losses, left.entropies, left.seconds) == (right.losses, right.entropies, right.seconds)
        np.testing.assert_array_equal(left.coefficients, right.coefficients)
    first, second = one.last_state(run_id), other.last_state(run_id)
    assert first is not None
    assert second is not None
    assert first[0] == second[0]
    torch.testing.assert_close(first[1], second[1], rtol=0, atol=0)
    assert one.evaluations(run_id) == other.evaluations(run_id)


@pytest.mark.parametrize("limit", [state.LIMIT, 8], ids=["small states", "large states"])
def test_a_run_that_goes_on_elsewhere_and_returns_is_as_if_it_had_stayed(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "LIMIT", limit)
    with Store.open(tmp_path / "here") as here, Store.open(tmp_path / "there") as there:
        other = new_run(here)
        run_id = new_run(here, name="first", cell="key")
        here.record(other, step(0))
        for number in (0, 1):
            here.record(run_id, step(number))
        assert there.take(pickle.loads(pickle.dumps(here.packed(run_id)))) == run_id
        same(here, there, run_id)
        there.record(run_id, step(2))
        there.keep(run_id, "note.txt", lambda path: path.write_text("made there"))
        there.finish(run_id, {"average_accuracy": 0.5})
        here.rename(run_id, "second")
        here.take(there.packed(run_id))
        record = here.run(run_id)
        assert (record.name, record.cell, record.status, record.steps_done) == ("second", "key", "done", 2)
        assert record.report == {"average_accuracy": 0.5}
        assert here.kept(run_id, "note.txt").read_text() == "made there"
        assert here.artefacts(run_id) == ["note.txt"]
        files = {file.name for file in (tmp_path / "here" / "artefacts" / run_id).iterdir()}
        assert files == {"note.txt"}
        assert len(here.steps(other)) == 1


def test_what_is_taken_in_twice_is_there_once(tmp_path: Path) -> None:
    with Store.open(tmp_path / "here") as here, Store.open(tmp_path / "there") as there:
        run_id = new_run(here)
        here.record(run_id, step(0))
        packed = here.packed(run_id)
        assert there.take(packed) == there.take(packed) == run_id
        same(here, there, run_id)
        assert len(there.runs()) == 1


@pytest.mark.parametrize("deltas", ["float32", "bfloat16", "int8", "int4"])
def test_task_vectors_arrive_as_they_are_held(deltas: str, tiny_suite: Path) -> None:
    problem = loading.load(find(str(tiny_suite)), device="cpu", precision="float32", deltas=deltas)
    sent = pickle.loads(pickle.dumps(Parcel.of(problem, "cpu", "float32")))
    found = sent.problem(problem.load_images)
    rows = torch.rand(1, len(problem.tasks))
    row_of = [0] * len(problem.task_vectors.names)
    merged = [one.task_vectors.combine(rows, row_of) for one in (problem, found)]
    assert torch.equal(*merged)
    assert torch.equal(*(one.task_vectors.contract(merged[0], row_of, 1) for one in (problem, found)))
    assert found.execution == problem.execution
