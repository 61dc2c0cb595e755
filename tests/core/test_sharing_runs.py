"""Runs over several processes: stored, interrupted and resumed with another number of them; launchers; bad input."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import methods
from core.cli import running
from core.errors import BadInput, ProcessLost
from core.problem.loading import load
from core.problem.sharing.launch import started
from core.runs import runner
from core.runs.spec import RunSpec
from core.settings import parse
from core.step import Step
from core.store import Store
from core.suite.find import find
from tests.tiny import make_suite

Cli = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
STEPS = 8
SETTINGS = {"steps": STEPS, "batch": 5, "lr": 0.05}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_suite(tmp_path_factory.mktemp("sharing"), 3)


@pytest.fixture
def store(tmp_path: Path, warm: Path, home: Path) -> Iterator[Store]:
    (home / "cache").symlink_to(warm)
    with Store.open(tmp_path / "runs") as store:
        yield store


def learned(store: Store, run_id: str) -> list[np.ndarray]:
    found = [step.coefficients for step in store.steps(run_id)]
    assert all(one is not None for one in found)
    return [one for one in found if one is not None]


def begun(store: Store, place: Path, processes: int, on_step: Callable[[Step], None] | None = None) -> str:
    """The id of a run of AdaMerging, which is over."""
    method = methods.get("adamerging")
    settings = parse(method.Settings, dict(SETTINGS), "adamerging")
    if processes == 1:
        problem = load(find(str(place)), precision="float64")
        run_id = RunSpec.of(problem, method, settings, origin=str(place)).create(store)
        runner.execute(store, run_id, problem, RunSpec.of(problem, method, settings, origin=str(place)))
        return run_id
    with started(processes, "cpu") as team:
        problem = load(find(str(place)), precision="float64", team=team)
        spec = RunSpec.of(problem, method, settings, origin=str(place))
        run_id = spec.create(store)
        runner.execute(store, run_id, problem, spec, on_step=on_step)
    return run_id


def kill_one(step: Step) -> None:
    if step.number == 3:
        child = multiprocessing.active_children()[0]
        child.kill()
        child.join()


@pytest.mark.parametrize("then", [1, 2])
def test_a_run_that_loses_a_process_is_interrupted_and_resumes_with_any_number(
    store: Store, place: Path, then: int
) -> None:
    whole = begun(store, place, 1)
    with pytest.raises(ProcessLost, match=r"Process \d \(signal 9\) of 3"):
        begun(store, place, 3, kill_one)
    assert multiprocessing.active_children() == []
    [lost] = [record for record in store.runs() if record.status != "done"]
    assert (lost.status, lost.steps_done) == ("interrupted", 3)
    assert "signal 9" in str(lost.error)
    assert lost.execution.processes == 3
    running.resume(store, lost.id, then, {})
    assert store.run(lost.id).status == "done"
    for one, other in zip(learned(store, lost.id), learned(store, whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_a_finished_run_is_the_one_of_one_process_but_for_its_key(store: Store, place: Path) -> None:
    one, two = begun(store, place, 1), begun(store, place, 2)
    for here, there in zip(learned(store, one), learned(store, two), strict=True):
        np.testing.assert_allclose(here, there, rtol=0, atol=1e-6)
    records = store.run(one), store.run(two)
    assert [record.execution.processes for record in records] == [None, 2]
    assert RunSpec.stored(records[0]).key != RunSpec.stored(records[1]).key
    reports = [record.report for record in records]
    assert all(report is not None for report in reports)
    assert [[task["accuracy"] for task in report["tasks"]] for report in reports if report] == [
        [task["accuracy"] for task in report["tasks"]] for report in reversed(reports) if report
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--processes", "0"], ["`--processes`", "positive", "0"]),
        (["--processes", "-2"], ["`--processes`", "positive", "-2"]),
        (["--processes", "x"], ["--processes", "integer"]),
        (["--processes", "4"], ["`--processes`", "3", "tasks", "4"]),
        (["--processes", "3", "--tasks", "task0,task2"], ["`--processes`", "2", "3"]),
        (["--processes", "2", "--method", "fw_hard"], ["`--processes`", "adamerging, ", "best", "`fw_hard`"]),
        (["--processes", "2", "--set", "start=ties"], ["`--processes`", "tsv_m", "`ties`"]),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(
    cli: Cli, place: Path, arguments: list[str], words: list[str]
) -> None:
    answer = cli("merge", place, *arguments)
    assert answer.status == 2
    assert len(answer.err.splitlines()) == 1
    assert all(word in answer.err for word in words), answer.err
    assert multiprocessing.active_children() == []


def test_what_a_study_has_altered_is_resumed_by_one_process(store: Store, place: Path) -> None:
    method, altered = methods.get("adamerging"), {"corruption": "gaussian_noise", "severity": 1}
    asked = RunSpec.asked(find(str(place)), method, parse(method.Settings, dict(SETTINGS), "adamerging"))
    run_id = replace(asked, execution=replace(asked.execution, images=altered)).create(store)
    with pytest.raises(BadInput, match="without"):
        running.resume(store, run_id, 2, {})


def test_another_number_than_the_launchers_is_refused(cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    answer = cli("merge", place, "--processes", "3")
    assert (answer.status, "2 that the launcher" in answer.err) == (2, True)


def test_a_launchers_processes_find_each_other(place: Path, home: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, str(ROOT / "launch.py"), "merge", str(place), "--set", "steps=3", "--json"]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    (first, told), (second, silent) = (process.communicate(timeout=180) for process in processes)
    assert [process.returncode for process in processes] == [0, 0], (told, silent)
    assert (json.loads(first)["steps"], second, silent) == (3, "", "")
    with Store.open(home / "runs") as store:
        assert [(run.status, run.execution.processes) for run in store.runs()] == [("done", 2)]


UNHURRIED = """
import time
import launch
from core.store import Store
record = Store.record
Store.record = lambda *step: (record(*step), time.sleep(0.2))[0]
if __name__ == "__main__":
    launch.main()
"""


def test_ctrl_c_interrupts_the_run_and_leaves_no_process(cli: Cli, place: Path, home: Path, tmp_path: Path) -> None:
    Store.open(home / "runs").close()
    program = tmp_path / "unhurried.py"
    program.write_text(UNHURRIED)
    process = subprocess.Popen(
        [sys.executable, str(program), "merge", str(place), "--processes", "2", "--set", "steps=60"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # A shell lets what it starts in the background ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    with Store.open(home / "runs", write=False) as store:
        deadline = time.monotonic() + 180
        while max((record.steps_done for record in store.runs()), default=0) < 5:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does it: to all of them.
    out, err = process.communicate(timeout=60)  # Which waits until no process has its error stream any more.
    assert (process.returncode, out) == (130, ""), err
    [line] = err.splitlines()
    [run] = cli("runs", "list", "--json").data["runs"]
    assert run["status"] == "interrupted"
    assert f"runs resume {run['id']} --processes 2" in line


def test_the_environment_is_as_before_and_cores_are_shared_out() -> None:
    before, threads = dict(os.environ), torch.get_num_threads()
    with started(2, "cpu"):
        assert torch.get_num_threads() == max(1, threads // 2)
    assert dict(os.environ) == before
    assert torch.get_num_threads() == threads
