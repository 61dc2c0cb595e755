"""`--on`: the same commands on a Ray cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import studies
from core.errors import BadInput
from core.problem import loading
from core.runs.jobs import Jobs
from core.store import ACTIVE, Store, StudyRecord
from core.studies.engine.background import Background
from core.studies.engine.scope import StudyOptions
from core.suite.find import find
from tests.core.clusters import Nodes, nodes
from tests.core.study_help import planned
from tests.waiting import until

Cli = Callable[..., Any]
STUDY = ("--methods", "adamerging", "--quick", "--precision", "float32")


@pytest.fixture(scope="module")
def two() -> Iterator[Nodes]:
    with nodes(2) as found:
        yield found


def test_without_ray_one_line_says_what_to_install(
    cli: Cli, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch, files: Callable[[], set[Path]]
) -> None:
    monkeypatch.setattr("core.cluster.connection.find_spec", lambda _name: None)
    cli("study", "scale", tiny_suite, "--on", "ray").refused("--on", "pip install -e '.[cluster]'")
    cli("compare", tiny_suite, "--methods", "average", "--on", "ray://a:1").refused("pip install")
    assert files() == set()


@pytest.mark.parametrize("address", ["slurm", "ray://", "ray://host", "http://host:10001", "ray://host:10001/x", ""])
def test_what_is_no_address_is_refused(address: str, cli: Cli, tiny_suite: Path) -> None:
    cli("study", "scale", tiny_suite, "--on", address).refused("--on", "ray://HOST:PORT")


def test_the_estimate_of_this_machine_is_none_of_a_cluster(cli: Cli, tiny_suite: Path) -> None:
    cli("study", "scale", tiny_suite, "--on", "ray", "--estimate").refused("--estimate", "--on")


@pytest.mark.slow
def test_an_address_where_nobody_answers_is_told_at_once(cli: Cli, tiny_suite: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    cli("study", "scale", tiny_suite, "--on", "ray://127.0.0.1:9").refused("No Ray cluster", "ray://127.0.0.1:9")
    cli("study", "scale", tiny_suite, "--on", "ray://no.such.host.invalid:9").refused("No Ray cluster")


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
    until(lambda: done(runs))
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
def test_a_cluster_of_this_machine_carries_out_a_study_and_leaves_nothing_on_the_terminal(
    cli: Cli, tiny_suite: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    words = ["study", "seeds", tiny_suite, *STUDY, "--seeds", "0,1", "--json", "--runs"]
    here = cli(*words, tmp_path / "here").data
    # In a process of its own: Ray reads the token of such a cluster once.
    command = [sys.executable, "launch.py", *map(str, words), str(tmp_path / "there"), "--on", "ray"]
    there = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(there.stdout)["tables"] == here["tables"]
    assert there.stderr == ""


def heard() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
def test_ctrl_c_stops_a_cluster_of_this_machine_in_one_line_and_keeps_what_is_done(
    tiny_suite: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    runs, seeds = tmp_path / "runs", ",".join(map(str, range(40)))
    words = ["study", "seeds", tiny_suite, *STUDY, "--seeds", seeds, "--runs", runs, "--on", "ray"]
    command = [sys.executable, "launch.py", *map(str, words)]
    stopped = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard)
    until(lambda: done(runs))
    os.killpg(stopped.pid, signal.SIGINT)  # As a terminal does: to the command and what it has started.
    _, told = stopped.communicate()
    assert (stopped.returncode, told.count("\n")) == (130, 1), told
    assert "The same command continues" in told
    with Store.open(runs) as store:
        assert {run.status for run in store.runs()} == {"done", "interrupted"}
        assert store.studies.listing()[0].status == "interrupted"


def done(runs: Path) -> list[str]:
    """The runs of a store that are done, whoever writes there."""
    if not (runs / "runs.sqlite3").exists():
        return []
    try:
        with Store.open(runs, write=False) as store:
            return sorted(run.id for run in store.runs(status="done"))
    except BadInput:  # Its tables are being made.
        return []
