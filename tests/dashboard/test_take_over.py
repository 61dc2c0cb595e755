"""A second server over the same runs: it only looks, says so, and takes over once the first has gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from core.store import Store
from tests.browser.conftest import start_server
from tests.dashboard.client import Dashboard


@pytest.mark.slow
def test_a_second_server_looks_only_until_the_first_has_gone(tmp_path: Path, tiny_suite: Path) -> None:
    folder = tmp_path / "runs"
    wish = {"suite": "tiny", "method": "average"}
    first = Store.open(folder)
    server = start_server(folder, tiny_suite)
    try:
        with server.owner() as owner:
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
        os.kill(server.process.pid or 0, signal.SIGINT)
        assert f"view-only: process {os.getpid()}" in server.printed.read()
    finally:
        first.close()
        server.stop()
