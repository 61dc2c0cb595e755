"""The command line as its own process: signals, streams, lazy imports, the default command."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import launch
from core.store import Store

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = [sys.executable, str(ROOT / "launch.py")]
UNHURRIED = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell lets what it starts in the background ignore it.
import launch
from core.store import Store
record = Store.record
Store.record = lambda *step: (record(*step), time.sleep(0.2))[0]
launch.main()
"""
"""The command line with a pause after each step, so that a signal finds the run under way on a busy machine too."""
Cli = Callable[..., Any]


def _wait(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _steps_done(store: Store) -> int:
    return max((record.steps_done for record in store.runs()), default=0)


@pytest.mark.slow
def test_ctrl_c_gives_130_and_a_hint_and_resume_equals_never_having_stopped(
    cli: Cli, tiny_suite: Path, home: Path, tmp_path: Path
) -> None:
    command = ["merge", str(tiny_suite), "--set", "steps=60", "--set", "lr=0.01"]
    whole = cli(*command, "--json", "--runs", tmp_path / "other").data
    Store.open(home / "runs").close()
    process = subprocess.Popen(
        [sys.executable, "-c", UNHURRIED, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with Store.open(home / "runs", write=False) as store:
        _wait(lambda: _steps_done(store) >= 5, process)
    for _ in range(3):  # Some shells and tools send several.
        process.send_signal(signal.SIGINT)
        time.sleep(0.004)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert (out, "Traceback" in err) == ("", False), err
    [run] = cli("runs", "list", "--json").data["runs"]
    assert run["status"] == "interrupted"
    assert 5 <= run["steps_done"] < 60
    hint = err.splitlines()[-1]
    assert f"runs resume {run['id']}" in hint
    resumed = cli("runs", "resume", run["id"], "--report", tmp_path / "report.json", "--json")
    assert resumed.data["coefficients"] == whole["coefficients"]
    assert resumed.data["entropy"] == whole["entropy"]
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == resumed.data


@pytest.mark.slow
def test_a_failure_is_one_line_and_status_2_for_a_shell_too(tiny_suite: Path, tmp_path: Path) -> None:
    command = [*LAUNCH, "merge", str(tiny_suite), "--set", "steps=-1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=180, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_on_a_terminal_a_bar_shows_the_time_left_and_json_stays_clean(tiny_suite: Path) -> None:
    parent, child = pty.openpty()
    command = [*LAUNCH, "merge", str(tiny_suite), "--set", "steps=60", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=child, text=True, env=os.environ | {"TERM": "xterm"}
    )
    os.close(child)
    drawn = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # Linux reports the end of a pseudo-terminal this way.
            break
        if not part:
            break
        drawn += part
    os.close(parent)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out)["steps"] == 60
    assert b"AdaMerging" in drawn
    assert b"/60" in drawn
    assert b"left" in drawn


@pytest.mark.slow
def test_without_a_terminal_no_bar_is_drawn(cli: Cli, tiny_suite: Path) -> None:
    answer = cli("merge", tiny_suite, "--set", "steps=2", "--set", "objective=expert_kl", "--json")
    assert answer.status == 0
    assert answer.err == ""


@pytest.mark.slow
def test_help_and_usage_errors_do_not_load_the_engine() -> None:
    code = (
        "import sys, launch\n"
        "for line in ('--help', 'merge --help', 'runs --help', 'merge x --bogus'):\n"
        "    sys.argv = ['launch.py', *line.split()]\n"
        "    try: launch.main()\n"
        "    except SystemExit as end: print('status:', end.code)\n"
        "heavy = {'torch', 'gradio', 'open_clip', 'sqlalchemy', 'pandas', 'dashboard'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))\n"
        "from core import methods\n"
        "print('for names:', sorted({'scipy'} & set(sys.modules)) if methods.names() else None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=180, check=True
    )
    assert re.findall("^status: (.*)$", done.stdout, re.MULTILINE) == ["0", "0", "0", "2"]
    assert done.stdout.splitlines()[-2:] == ["heavy: []", "for names: []"]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls of a dashboard that only notes how it was called."""
    calls: list[dict[str, Any]] = []
    module = ModuleType("dashboard.app")
    module.__spec__ = ModuleSpec("dashboard.app", None)
    module.serve = lambda **options: calls.append(options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dashboard.app", module)
    return calls


@pytest.mark.parametrize("arguments", [[], ["ui"]])
def test_no_command_means_the_dashboard_on_the_demo_suite(
    served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["launch.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        launch.main()
    assert stopped.value.code == 0
    expected = {"suite": "demo", "host": "127.0.0.1", "port": None, "share": False, "open_browser": True}
    assert served == [{**expected, "read_only": False, "runs": None}]


def test_options_of_the_dashboard_reach_it_without_naming_the_command(
    served: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [
        "--port",
        "7999",
        "--no-browser",
        "--share",
        "--read-only",
        "--host",
        "0.0.0.0",
        "--runs",
        "r",
        "--suite",
        "s",
    ]
    monkeypatch.setattr(sys, "argv", ["launch.py", *given])
    with pytest.raises(SystemExit):
        launch.main()
    expected = {"suite": "s", "host": "0.0.0.0", "port": 7999, "share": True, "open_browser": False}
    assert served == [{**expected, "read_only": True, "runs": Path("r")}]


def test_a_missing_dashboard_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "find_spec", lambda _name: None)
    answer = cli("ui")
    assert answer.status == 1
    assert "dashboard" in answer.err
    assert len(answer.err.splitlines()) == 1


def test_version_is_printed(cli: Cli) -> None:
    answer = cli("--version")
    assert answer.status == 0
    assert answer.out.startswith("mergescope ")
