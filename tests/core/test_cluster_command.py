"""`--on`: what is refused, and clusters of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.store import Store
from tests.core.clusters import require_ray
from tests.core.store_help import done
from tests.waiting import until

Cli = Callable[..., Any]
STUDY = ("--methods", "adamerging", "--quick", "--precision", "float32")


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
    require_ray()
    cli("study", "scale", tiny_suite, "--on", "ray://127.0.0.1:9").refused("No Ray cluster", "ray://127.0.0.1:9")
    cli("study", "scale", tiny_suite, "--on", "ray://no.such.host.invalid:9").refused("No Ray cluster")


@pytest.mark.slow
def test_a_cluster_of_this_machine_carries_out_a_study_and_leaves_nothing_on_the_terminal(
    cli: Cli, tiny_suite: Path, tmp_path: Path
) -> None:
    require_ray()
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
    require_ray()
    runs, seeds = tmp_path / "runs", ",".join(map(str, range(40)))
    words = ["study", "seeds", tiny_suite, *STUDY, "--seeds", seeds, "--runs", runs, "--on", "ray"]
    command = [sys.executable, "launch.py", *map(str, words)]
    stopped = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard)
    until(lambda: done(runs), 300)
    os.killpg(stopped.pid, signal.SIGINT)  # As a terminal does: to the command and what it has started.
    _, told = stopped.communicate()
    assert (stopped.returncode, told.count("\n")) == (130, 1), told
    assert "The same command continues" in told
    with Store.open(runs) as store:
        assert {run.status for run in store.runs()} == {"done", "interrupted"}
        assert store.studies.listing()[0].status == "interrupted"
