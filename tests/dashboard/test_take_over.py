"""A second server over the same runs: it only looks, says so, and takes over once the first has gone."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.store import Store
from tests.dashboard.client import Dashboard

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def launched(folder: Path, suite: Path) -> Iterator[tuple[subprocess.Popen[str], Dashboard]]:
    """`python launch.py ui` over the runs in `folder`, and its owner."""
    command = [sys.executable, "launch.py", "ui", "--port", "0", "--no-browser", "--runs", folder, "--suite", suite]
    pipe, environment = subprocess.PIPE, os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"(http://127\.0\.0\.1:\d+)(/open/\S+)", process.stdout.readline())
            assert found
            with httpx.Client(base_url=found[1], timeout=60) as http:
                deadline = time.monotonic() + 180
                while not ready(http):
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
                http.get(found[2])
                yield process, Dashboard(http)
        finally:
            process.kill()


def ready(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return bool(http.get("/health").json()["ready"])
    return False


@pytest.mark.slow
def test_a_second_server_looks_only_until_the_first_has_gone(tmp_path: Path, tiny_suite: Path) -> None:
    folder = tmp_path / "runs"
    wish = {"suite": "tiny", "method": "average"}
    with contextlib.ExitStack() as first:
        first.enter_context(Store.open(folder))
        with launched(folder, tiny_suite) as (process, owner):
            writer = owner.call("runs_list")["writer"]
            assert f"process {os.getpid()}" in writer["text"]
            assert not writer["gone"]
            assert f"process {os.getpid()}" in owner.call("take_over")["error"]
            assert "error" in owner.call("setup_start", **wish)
            first.close()
            assert owner.call("runs_list")["writer"]["gone"]
            assert owner.call("take_over") == {"ok": True}
            again = Dashboard(owner.http)
            assert again.call("take_over") == {"ok": True}  # A second window.
            assert again.call("runs_list")["writer"] is None
            assert "run" in again.call("setup_start", **wish)
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=60)
            assert f"can only be looked at: process {os.getpid()}" in text
            assert process.returncode == 0
