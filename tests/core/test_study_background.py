"""Studies of a server: their runs wait with everybody's, and whatever goes wrong or is stopped comes to an end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import studies
from core.errors import BadInput
from core.problem import loading
from core.problem.problem import Problem
from core.progress import Progress
from core.runs.jobs import Jobs
from core.store import Store
from core.studies.engine.background import Background
from core.studies.engine.scope import StudyOptions
from core.suite.find import find
from tests.core.store_help import asked
from tests.core.study_help import planned
from tests.core.test_jobs import LONG
from tests.waiting import until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


def begin(background: Background, suite: Path, method: str = "task_arithmetic") -> str:
    study, file, options = studies.get("scale"), find(str(suite)), {"quick": True, "methods": [method]}
    cells = planned(study, file, **options)
    return background.start(study, file, StudyOptions(**options), cells)  # type: ignore[arg-type]


def ended(store: Store, study_id: str) -> bool:
    return store.studies.get(study_id).status not in ("queued", "running")


@pytest.mark.slow
def test_a_run_that_is_refused_ends_as_a_failure_and_is_not_asked_for_forever(
    store: Store, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_device: str) -> str:
        raise BadInput("no such device here")

    jobs = Jobs(store)
    study_id = begin(Background(store, jobs, loading.load), tiny_suite)
    monkeypatch.setattr("core.runs.jobs.devices", refuse)
    until(lambda: ended(store, study_id))
    found = store.studies.get(study_id)
    assert found.status == "failed"
    assert "no such device here" in (found.error or "")
    jobs.worker.close()


@pytest.mark.slow
def test_a_study_finds_room_in_a_full_queue_and_leaves_it_when_it_is_cancelled(store: Store, tiny_suite: Path) -> None:
    jobs = Jobs(store, limit=1)
    background = Background(store, jobs, loading.load)
    for seed in range(2):
        jobs.submit(asked(str(tiny_suite), settings=LONG | {"seed": seed}, device="cpu"))
    with pytest.raises(BadInput, match="At most 1 run"):
        jobs.submit(asked(str(tiny_suite), settings=LONG | {"seed": 9}, device="cpu"))
    study_id = begin(background, tiny_suite)
    until(lambda: len(jobs.active()) == 3)
    run_id = jobs.active()[-1]
    assert jobs.position(run_id) == 2
    standing = background.standing(study_id)
    assert standing is not None
    assert (standing.done, standing.total, standing.left) == (0, 3, None)
    background.cancel(study_id)
    until(lambda: ended(store, study_id))
    assert (store.studies.get(study_id).status, store.run(run_id).status) == ("cancelled", "cancelled")
    assert len(jobs.active()) == 2
    jobs.worker.close()


def test_a_study_can_be_stopped_while_its_suite_is_loaded(store: Store, tiny_suite: Path) -> None:
    def load(*_args: Any, progress: Progress | None = None, **_how: Any) -> Problem:
        told, deadline = progress or Progress(), time.monotonic() + 20
        told.start("Decoding images", 1000)
        while time.monotonic() < deadline:
            told.advance(0)
            time.sleep(0.01)
        raise AssertionError("nobody stopped it")

    jobs = Jobs(store)
    background = Background(store, jobs, load)
    study_id = begin(background, tiny_suite)
    time.sleep(0.1)
    background.cancel(study_id)
    until(lambda: ended(store, study_id), 10)
    assert store.studies.get(study_id).status == "cancelled"
    jobs.worker.close()


@pytest.mark.slow
def test_a_server_that_closes_leaves_the_study_and_its_run_to_be_gone_on_with(store: Store, tiny_suite: Path) -> None:
    jobs = Jobs(store)
    jobs.submit(asked(str(tiny_suite), settings=LONG, device="cpu"))
    study_id = begin(Background(store, jobs, loading.load), tiny_suite)
    until(lambda: len(jobs.active()) == 2)
    run_id = jobs.active()[-1]
    began = time.monotonic()
    jobs.worker.close()
    assert time.monotonic() - began < 5
    assert (store.studies.get(study_id).status, store.run(run_id).status) == ("interrupted", "interrupted")
    later = Jobs(store)
    assert begin(Background(store, later, loading.load), tiny_suite) == study_id
    until(lambda: ended(store, study_id))
    assert store.studies.get(study_id).status == "done"
    later.worker.close()
