"""Several devices of one machine: each has its own queue, and runs go where the fewest wait."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from core.encoders import precision
from core.runs.jobs import Jobs
from core.runs.spec import RunSpec
from core.store import Store
from tests.core.store_help import asked
from tests.core.test_jobs import LONG, reaches
from tests.waiting import until


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


@pytest.mark.slow
def test_several_devices_each_have_a_run(opened: Store, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, store = Jobs(opened), opened
    monkeypatch.setattr(precision, "devices", lambda _name: ("cpu", "cpu:0"))
    monkeypatch.setattr("core.runs.jobs.devices", precision.devices)
    how = {"suite": str(tiny_suite), "device": "cpu", "precision": "float32"}
    ids = [jobs.submit(asked(**how, settings=LONG | {"seed": seed})) for seed in range(3)]
    assert [store.run(run_id).device for run_id in ids] == ["cpu", "cpu:0", "cpu"]
    assert [jobs.position(run_id) for run_id in ids] == [0, 0, 1]
    until(lambda: all(store.run(run_id).steps_done > 1 for run_id in ids[:2]))
    records = [store.run(run_id) for run_id in ids]
    assert [record.device for record in records] == ["cpu", "cpu:0", "cpu"]
    # Which of several devices it was does not tell two runs apart.
    one, other = (RunSpec.stored(record) for record in records[:2])
    assert dataclasses.replace(one, settings=other.settings).key == other.key
    jobs.cancel(ids[1])
    reaches(store, ids[1], "cancelled")
    assert jobs.restart(ids[0]).lane.of == "cpu"
    for run_id in (ids[0], ids[2]):
        jobs.cancel(run_id)
    jobs.worker.close()


def test_a_name_means_one_device_or_all_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision.devices("cpu") == ("cpu",)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(precision, "choose_device", lambda name: torch.device("cuda" if name == "auto" else name))
    assert precision.devices("auto") == precision.devices("cuda") == ("cuda:0", "cuda:1", "cuda:2")
    assert precision.devices("cuda:1") == ("cuda:1",)
