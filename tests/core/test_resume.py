"""SIGKILL at any point: no acknowledged step is lost, none is stored twice, and λ ends with the same bits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.store import Store

STEPS = 15
pytestmark = pytest.mark.slow


class Forge:
    """Speaks with `kill_child.py`."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-m", "tests.core.kill_child"]
        variables = os.environ | {"MERGESCOPE_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self._pid = 0
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables
        )

    def send(self, *words: object) -> None:
        """Start a child; one that a failed test left behind goes first."""
        assert self._process.stdin is not None
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            list(self.lines())
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def lines(self) -> Iterator[tuple[str, str]]:
        """What the child says, word and value, until it is gone."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, _, value = line.strip().partition(" ")
            if word == "dead":
                self._pid = 0
                return
            if word == "pid":
                self._pid = int(value)
            yield word, value
        pytest.fail("kill_child.py ended")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(120)


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    forge = Forge(tmp_path_factory.mktemp("home"))
    yield forge
    forge.close()


def facts(store: Store, run_id: str) -> list[tuple[Any, ...]]:
    """Every bit of the steps that must not depend on interruptions."""
    return [
        (s.number, s.losses, s.entropies, s.samples, None if s.coefficients is None else s.coefficients.tobytes())
        for s in store.steps(run_id)
    ]


def result(store: Store, run_id: str) -> dict[str, Any]:
    """The report without its times."""
    report = store.run(run_id).report
    assert report is not None
    return {k: v for k, v in report.items() if k not in ("seconds", "seconds_per_step", "peak_memory_mb")}


def never_stopped(forge: Forge, suite: Path, folder: Path, steps: int) -> tuple[Path, str]:
    """Store and id of a run that nobody stopped."""
    forge.send("run", folder, suite, steps, "none", 0)
    said = list(forge.lines())
    assert said[-1] == ("end", "")
    return folder, dict(said)["id"]


@pytest.fixture(scope="module")
def whole(forge: Forge, tiny_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An uninterrupted run of `STEPS` steps."""
    return never_stopped(forge, tiny_suite, tmp_path_factory.mktemp("whole"), STEPS)


def assert_same(folder: Path, run_id: str, whole: tuple[Path, str]) -> None:
    with Store.open(folder, write=False) as store, Store.open(whole[0], write=False) as other:
        assert facts(store, run_id) == facts(other, whole[1])
        assert result(store, run_id) == result(other, whole[1])
        model, expected = (
            load_file(s.artefact(i, "merged.safetensors")) for s, i in ((store, run_id), (other, whole[1]))
        )
        assert model.keys() == expected.keys()
        assert all(np.array_equal(model[name], expected[name]) for name in expected)


def check_after_death(folder: Path, run_id: str, acknowledged: int, steps: int) -> int:
    """What the next process sees; returns the last stored step."""
    with Store.open(folder, wait=5) as store:
        assert not store.read_only
        assert store.notices == ()
        found = store.run(run_id)
        numbers = [s.number for s in store.steps(run_id)]
        assert found.status == "interrupted"
        assert numbers == list(range(len(numbers)))
        last = len(numbers) - 1
        assert acknowledged <= last <= acknowledged + 1
        assert found.steps_done == max(last, 0)
        state = store.last_state(run_id)
        assert (state[0] if state else -1) == min(last, steps - 1)
    return last


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.nightly)])
def test_a_run_killed_again_and_again_ends_with_the_same_bits(
    forge: Forge, tiny_suite: Path, tmp_path: Path, kills: int
) -> None:
    steps, folder = 3 * kills + 5, tmp_path / "killed"
    whole = never_stopped(forge, tiny_suite, tmp_path / "whole", steps)
    dice, acknowledged, run_id = random.Random(0), -1, ""
    order: list[object] = ["run", folder, tiny_suite, steps]
    for death in range(kills):
        pid, wait, patience = 0, dice.choice((1, 1, 2)), dice.random() * 0.02
        forge.send(*order, "linger", wait)
        for word, value in forge.lines():
            if word == "pid":
                pid = int(value)
            elif word == "id":
                run_id = value
            elif word == "step":
                acknowledged, wait = int(value), wait - 1
                if wait == 0:
                    if death == 0:
                        with Store.open(folder, wait=0.1) as second:
                            assert (second.read_only, f"process {pid}" in str(second.holder)) == (True, True)
                            assert second.run(run_id).status == "running"
                    time.sleep(patience)
                    os.kill(pid, signal.SIGKILL)
            assert word != "end"
        acknowledged = check_after_death(folder, run_id, acknowledged, steps)
        order = ["resume", folder, run_id]
    assert kills <= acknowledged + 1 < steps
    forge.send(*order, "none", 0)
    assert list(forge.lines())[-1] == ("end", "")
    assert_same(folder, run_id, whole)


POINTS = [
    *(("before_cursor_execute", count) for count in (1, 4, 11, 12, 13, 15)),
    *(("after_cursor_execute", count) for count in (9, 14)),
    *(("commit", count) for count in (1, 3, STEPS + 3, STEPS + 4, STEPS + 5)),
    ("evaluate", 2),
    ("export", 1),
]


@pytest.mark.parametrize(("point", "count"), POINTS)
def test_a_kill_at_any_write_is_survived(
    forge: Forge, whole: tuple[Path, str], tiny_suite: Path, tmp_path: Path, point: str, count: int
) -> None:
    forge.send("run", tmp_path, tiny_suite, STEPS, point, count)
    said = list(forge.lines())
    assert ("end", "") not in said
    run_id = dict(said)["id"]
    steps = [int(value) for word, value in said if word == "step"]
    check_after_death(tmp_path, run_id, steps[-1] if steps else -1, STEPS)
    forge.send("resume", tmp_path, run_id, "none", 0)
    again = list(forge.lines())
    assert again[-1] == ("end", "")
    assert_same(tmp_path, run_id, whole)
    assert not list(tmp_path.glob("artefacts/*/.*"))
