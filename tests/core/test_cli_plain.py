"""Nothing raw reaches a terminal, and small mistakes are one line each."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import SchemaError, SchemaValidator
from safetensors.torch import load_file, save_file

from core.checkpoints import identify
from core.cli.output import log_plainly, tell
from core.errors import BadCheckpoint, BadSuite
from core.suite import find
from core.suite.parsing import parse_text

ROOT = Path(__file__).resolve().parents[2]
Cli = Callable[..., Any]
ESCAPE = "\x1b[31mred\x1b]0;title\x07\r"


def test_what_is_told_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    tell(f"one {ESCAPE}\ntwo")
    assert capsys.readouterr().out == "one �[31mred�]0;title��\ntwo\n"


def test_what_is_logged_moves_no_cursor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    log_plainly()
    for name in ("core.store.store", "uvicorn.error", "another.library"):
        try:
            raise ValueError(ESCAPE)
        except ValueError:
            logging.getLogger(name).error("Kept as %s.", f"a\n{ESCAPE}", exc_info=True)
    told = capsys.readouterr().err
    assert all(sign.isprintable() or sign == "\n" for sign in told)
    assert [line for line in told.splitlines() if "Kept" in line] == 3 * ["Kept as a �[31mred�]0;title� ."]
    assert told.count("ValueError: �[31mred") == 3


@pytest.mark.slow
def test_names_of_files_are_told_without_their_control_characters(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / f"a{ESCAPE.strip()}"
    folder.mkdir()
    (folder / "x.yaml").write_text("name: [")
    for answer in (
        cli("check", folder / "x.yaml"),
        cli("folders", "add", folder),
        cli("folders", "list"),
        cli("scan", folder),
    ):
        assert "\x1b" not in answer.out + answer.err
        assert answer.out + answer.err


@pytest.mark.slow
@pytest.mark.parametrize("module", ["typer", "core.cli.merge", "sqlalchemy"])
def test_control_c_while_something_is_imported_is_no_traceback(module: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        name == {module!r} and os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    done = subprocess.run(
        [sys.executable, ROOT / "launch.py", "runs", "list"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stderr == ""


def test_control_c_while_a_class_is_built_is_no_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pressed:
        @property
        def value(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(
        find, "available", lambda: SchemaValidator({"type": "enum", "cls": Pressed, "members": [Pressed()]})
    )
    assert cli("suites").status == 130
    monkeypatch.setattr(find, "available", lambda: SchemaValidator({"type": "no such type"}))  # type: ignore[arg-type]
    with pytest.raises(SchemaError):
        cli("suites")


@pytest.mark.parametrize("command", [("runs", "list"), ("runs", "show", "0" * 12), ("merge", "demo")])
def test_a_home_that_is_a_file_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("MERGESCOPE_HOME", str(tmp_path / "home"))
    cli(*command).refused("MERGESCOPE_HOME", "is a file")


@pytest.mark.slow
def test_an_expert_that_is_far_too_large_is_named(cli: Cli, suite: Path) -> None:
    path = suite.parent / "task1.safetensors"
    save_file({name: tensor * 1e30 for name, tensor in load_file(path).items()}, path)
    answer = cli("merge", suite, "--method", "average")
    assert answer.status in (1, 2)
    assert "NULL" not in answer.err
    assert "expert" in answer.err.splitlines()[-1]


def test_a_file_of_the_system_is_no_checkpoint() -> None:
    with pytest.raises(BadCheckpoint, match="can't be read"):
        identify(Path("/proc/self/mem"))


@pytest.mark.slow
def test_a_suite_file_full_of_anchors_is_refused_in_short_time_and_few_words() -> None:
    begin = time.process_time()
    with pytest.raises(BadSuite, match="more mistakes") as caught:
        parse_text("".join(f"key{number}: &a{number} 1\n" for number in range(3000)), "x.yaml")
    assert time.process_time() - begin < 2
    assert len(str(caught.value).splitlines()) < 210
