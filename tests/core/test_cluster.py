"""Runs and commands on a Ray cluster: bits of local ones, one result whatever dies, one line for what can't be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from core import methods, studies
from core.cluster import worker
from core.cluster.connection import Cluster, connected
from core.cluster.driver import TRIES, Driver
from core.cluster.queued import elsewhere
from core.control import Control
from core.errors import BadInput, Cancelled, RunFailed
from core.problem import loading
from core.problem.problem import Problem
from core.progress import SILENT
from core.runs.jobs import Jobs
from core.runs.places import Place, here
from core.runs.spec import RunSpec, settings_for
from core.store import ACTIVE, Store, StudyRecord
from core.studies.engine.background import Background
from core.studies.engine.scope import StudyOptions
from core.suite.find import find
from tests.core.clusters import Nodes, nodes
from tests.core.store_help import asked, done, same_run
from tests.core.study_help import planned
from tests.waiting import until

Cli = Callable[..., Any]
STUDY = ("--methods", "adamerging", "--quick", "--precision", "float32")
LONG = "100000"
"""Steps that no test waits for."""


@pytest.fixture(scope="module")
def two() -> Iterator[Nodes]:
    with nodes(2) as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


def queued(store: Store, problem: Problem, place: Place, method: str, **given: str) -> str:
    chosen = methods.get(method)
    settings = settings_for(chosen, find(problem.suite), given)
    return RunSpec.of(problem, chosen, settings, **place.how).create(store)


def load(suite: Path) -> Problem:
    problem = loading.load(find(str(suite)), device="cpu", precision="float32")
    problem.suite = str(suite)  # So that `queued` finds it again.
    return problem


@pytest.mark.slow
def test_a_device_that_the_cluster_lacks_is_refused(two: Nodes, cli: Cli, tiny_suite: Path) -> None:
    command = ("compare", tiny_suite, "--methods", "average", "--on", two.address)
    cli(*command, "--device", "cuda").refused("cuda", "Found 2 CPU, 0 GPU")
    cli(*command, "--device", "cuda:1").refused("auto, cpu or cuda")


@pytest.mark.slow
def test_a_table_made_on_a_cluster_is_that_made_here(two: Nodes, cli: Cli, tiny_suite: Path, tmp_path: Path) -> None:
    wanted = "average,adamerging,adamerging:group=task,ties,fw_soft:rounds=2:select_by=cross_entropy"
    command = ("compare", tiny_suite, "--methods", wanted, "--set", "steps=4", "--precision", "float32", "--json")
    here = cli(*command, "--runs", tmp_path / "here").data
    there = cli(*command, "--runs", tmp_path / "there", "--on", two.address).data
    own = {"run", "seconds", "seconds_per_step", "peak_memory_mb", "reused"}
    plain = [[{key: row[key] for key in row.keys() - own} for row in told["rows"]] for told in (here, there)]
    assert plain[0] == plain[1]
    assert here["missing"] == there["missing"]
    again = cli(*command, "--runs", tmp_path / "here", "--on", two.address).data
    assert [row["run"] for row in again["rows"]] == [row["run"] for row in here["rows"]]


@pytest.mark.slow
def test_a_study_whose_command_is_killed_continues_and_computes_nothing_twice(
    two: Nodes, cli: Cli, tiny_suite: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    words = ["study", "seeds", tiny_suite, *STUDY, "--seeds", "0,1,2,3,4,5", "--runs", runs, "--on", two.address]
    killed = subprocess.Popen([sys.executable, "launch.py", *map(str, words)], stdout=subprocess.DEVNULL)
    until(lambda: done(runs), 300)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = done(runs)
    assert 1 <= len(before) < 6
    assert cli(*words, "--json").status == 0
    assert len(done(runs)) == 6
    assert set(before) <= set(done(runs))


@pytest.mark.slow
def test_a_study_of_a_server_runs_on_a_cluster(two: Nodes, tiny_suite: Path, tmp_path: Path) -> None:
    study, file, chosen = studies.get("scale"), find(str(tiny_suite)), {"quick": True, "methods": ("task_arithmetic",)}
    options = StudyOptions(**chosen)  # type: ignore[arg-type]
    with Store.open(tmp_path / "runs") as store:
        background = Background(store, Jobs(store), loading.load)

        def ended(on: str) -> StudyRecord:
            study_id = background.start(study, file, options, planned(study, file, **chosen), on)
            until(lambda: store.studies.get(study_id).status not in ACTIVE)
            return store.studies.get(study_id)

        with pytest.raises(BadInput, match="ray://HOST:PORT"):
            background.start(study, file, options, planned(study, file, **chosen), "somewhere")
        nobody = ended("ray://127.0.0.1:9")
        assert (nobody.status, store.runs()) == ("failed", [])
        assert "No Ray cluster" in (nobody.error or "")
        found = ended(two.address)
        assert (found.id, found.status, found.error) == (nobody.id, "done", None)
        assert [run.status for run in store.runs()] == ["done"] * len(found.cells)


@pytest.mark.slow
def test_a_run_of_a_server_goes_to_a_cluster_and_has_the_bits_of_one_here(
    two: Nodes, tiny_suite: Path, tmp_path: Path
) -> None:
    spec = asked(tiny_suite, settings={"steps": 3}, tasks=("task0", "task2"), precision="float32", name="mine")
    with Store.open(tmp_path / "runs") as store:
        jobs, load = Jobs(store), partial(loading.load, find(str(tiny_suite)), spec.tasks)

        def submit(address: str) -> str:
            return jobs.submit(spec, elsewhere=elsewhere(address, "auto", store, load))

        nobody = submit("ray://127.0.0.1:9")
        there, again = submit(two.address), submit(two.address)
        here = jobs.submit(spec)
        assert (there == again, len({nobody, there, here})) == (True, 3)
        until(lambda: not jobs.active())
        same_run(store, there, here)
        assert store.run(there).name == "mine"
        assert "No Ray cluster" in (store.run(nobody).error or "")


@pytest.fixture(scope="module")
def cluster(two: Nodes) -> Iterator[Cluster]:
    """For the tests from here on: a process has one connection at a time, and those above make their own."""
    with connected(two.address) as found:
        yield found


@pytest.mark.slow
def test_a_run_on_a_cluster_has_the_bits_of_one_here_and_needs_no_files_there(
    cluster: Cluster, store: Store, suite: Path
) -> None:
    problem = load(suite)
    place = Driver(cluster, problem, "float32").place(store, Control(), SILENT)
    wanted = {"adamerging": {"steps": "7"}, "multi_task": {"steps": "3"}, "ties": {}, "surgery": {"steps": "4"}}
    local = here(store, problem, Control(), SILENT)
    ours = [queued(store, problem, local, name, **given) for name, given in wanted.items()]
    theirs = [queued(store, problem, place, name, **given) for name, given in wanted.items()]
    for task in problem.tasks:
        assert problem.found(task, "train") is not None  # The driver has it by now.
    for file in suite.parent.glob("task*"):
        file.unlink()
    assert dict(place.carry_out(theirs)) == dict.fromkeys(theirs)
    assert dict(local.carry_out(ours)) == dict.fromkeys(ours)
    for one, other in zip(ours, theirs, strict=True):
        same_run(store, one, other)
        assert RunSpec.stored(store.run(one)).key == RunSpec.stored(store.run(other)).key


@pytest.mark.slow
def test_a_run_that_was_stopped_here_goes_on_there(cluster: Cluster, store: Store, tiny_suite: Path) -> None:
    problem, control = load(tiny_suite), Control()
    place = here(store, problem, control, SILENT)
    whole = queued(store, problem, place, "adamerging", steps="8")
    parted = queued(store, problem, place, "adamerging", steps="8")

    class Stopped(type(SILENT)):  # type: ignore[misc]
        def advance(self, units: int = 1) -> None:
            if store.run(parted).steps_done == 4:
                control.interrupt()

    with pytest.raises(Cancelled):
        list(here(store, problem, control, Stopped()).carry_out([parted]))
    assert (store.run(parted).status, store.run(parted).steps_done) == ("interrupted", 4)
    there = Driver(cluster, problem, "float32").place(store, Control(), SILENT)
    assert dict(there.carry_out([parted])) == {parted: None}
    list(here(store, problem, Control(), SILENT).carry_out([whole]))
    same_run(store, whole, parted)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_run_again_and_leaves_one_result(
    two: Nodes, cluster: Cluster, store: Store, tiny_suite: Path
) -> None:
    problem = load(tiny_suite)
    driver = Driver(cluster, problem, "float32")
    place = driver.place(store, Control(), SILENT)
    runs = [queued(store, problem, place, "adamerging", steps="150", seed=str(seed)) for seed in (0, 1)]
    killer = threading.Thread(target=two.kill_worker)
    killer.start()
    assert dict(place.carry_out(runs)) == dict.fromkeys(runs)
    killer.join()
    again = queued(store, problem, place, "adamerging", steps="150")
    list(here(store, problem, Control(), SILENT).carry_out([again]))
    same_run(store, runs[0], again)
    assert len(store.runs(status="done")) == 3


@pytest.mark.slow
def test_a_run_whose_workers_die_each_time_fails_in_one_line(
    two: Nodes, cluster: Cluster, store: Store, tiny_suite: Path
) -> None:
    problem = load(tiny_suite)
    place = Driver(cluster, problem, "float32").place(store, Control(), SILENT)
    doomed = queued(store, problem, place, "adamerging", steps=LONG)
    ended = threading.Event()

    def kill() -> None:
        while not ended.is_set():
            two.kill_worker()
            until(lambda: ended.wait(1.0) or True)

    threading.Thread(target=kill, daemon=True).start()
    [(run_id, failure)] = place.carry_out([doomed])
    ended.set()
    assert (run_id, str(failure)) == (doomed, store.run(doomed).error)
    assert f"workers died, {TRIES} times" in str(failure)
    assert store.run(doomed).status == "failed"
    fine = queued(store, problem, place, "average")
    assert dict(place.carry_out([fine])) == {fine: None}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cancel", "interrupt"])
def test_whoever_stops_runs_on_a_cluster_stops_those_that_go_on(
    how: str, cluster: Cluster, store: Store, tiny_suite: Path
) -> None:
    problem, control = load(tiny_suite), Control()
    place = Driver(cluster, problem, "float32").place(store, control, SILENT)
    runs = [queued(store, problem, place, "adamerging", steps=LONG, seed=str(seed)) for seed in (0, 1)]
    threading.Timer(2.0, getattr(control, how)).start()
    with pytest.raises(Cancelled):
        list(place.carry_out(runs))
    assert {store.run(run_id).status for run_id in runs} == {"cancelled" if how == "cancel" else "interrupted"}
    until(lambda: cluster.ray.available_resources().get("CPU") == 2)


@pytest.mark.slow
def test_workers_of_other_versions_are_refused_in_one_line(
    cluster: Cluster, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = worker.versions()
    monkeypatch.setattr(worker, "versions", lambda: ours | {"PyTorch": "1.0"})
    with pytest.raises(
        BadInput, match=r"^The workers should have .* PyTorch 1\.0\. Found .* Install the same on all\.$"
    ):
        Driver(cluster, load(tiny_suite), "float32")


@pytest.mark.slow
def test_a_failure_of_one_run_is_told_and_the_others_are_done(cluster: Cluster, store: Store, tiny_suite: Path) -> None:
    problem = load(tiny_suite)
    problem.task_vectors.deltas[0] = torch.nan
    place = Driver(cluster, problem, "float32").place(store, Control(), SILENT)
    broken = queued(store, problem, place, "adamerging", steps="5")
    refused = queued(store, problem, place, "fw_soft", adapt_on="test", select_by="cross_entropy")
    sound = replace(problem, task_vectors=problem.task_vectors.part(problem.tasks[1:]))
    fine = queued(store, sound, place, "average")
    ended = dict(place.carry_out([broken, refused, fine]))
    assert ended[fine] is None
    assert isinstance(ended[refused], BadInput)
    assert isinstance(ended[broken], RunFailed)
    assert "should be finite" in str(ended[broken])
    assert [store.run(run_id).error for run_id in (broken, refused)] == [str(ended[broken]), str(ended[refused])]
