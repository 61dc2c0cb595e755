"""What README, the guide, CONTRIBUTING and the CI script say is true of this tree."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from core.cli.app import app
from core.store import Store
from core.studies.guide import bundled, markdown
from core.suite.find import find
from tests.tiny import make_suite

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
GUIDE = (ROOT / ".github" / "GUIDE.md").read_text("utf-8")
Cli = Callable[..., Any]

UNATTENDED = ("ui", "doctor", "fetch")
"""Commands that the tests do not carry out."""
STABLE = """
merge SUITE --method adamerging --tasks a,b --set steps=500 --set group=tensor --seed 1 --device auto --precision auto
merge SUITE --out merged.safetensors --report report.json --runs DIR --json
merge SUITE --metric FILE.py:NAME
ui --suite demo --host 127.0.0.1 --port 7860 --share --no-browser --read-only --runs DIR
evaluate SUITE --weights merged.safetensors --json
evaluate SUITE --expert NAME
evaluate SUITE --base
similarity SUITE --json
compare SUITE --methods a,b,c --set steps=5 --json
compare SUITE --methods all
compare SUITE --methods all --on ray
methods --json
suites --json
tasks SUITE --json
inspect CHECKPOINT --json
study NAME SUITE --quick --seeds 0,1 --methods a,b --tasks a,b --set steps=5 --out DIR --json
study NAME SUITE --estimate --json
study NAME SUITE --on ray://HOST:PORT --device cuda
study --from recipe.yaml
runs list --json
runs show ID --report report.json
runs resume ID --report report.json
runs export ID --report report.json
runs delete ID
doctor --json
check SUITE --json
fetch SUITE --tasks a,b --json
scan FOLDER --json
folders add FOLDER
"""
"""Forms that scripts rely on; a change here is a change for users."""


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def documented(text: str = README + GUIDE) -> list[list[str]]:
    """Arguments of every `python launch.py …` in the code of README and guide."""
    lines = [part for block in blocks(text, "bash") for part in re.split(r"\n|&&", block)]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[2:] for line in words if line[:2] == ["python", "launch.py"]]


def parse(arguments: list[str]) -> None:
    """Let the command line understand `arguments` without carrying them out; raises for anything unknown."""
    import launch  # noqa: F401  (adds `ui`)

    command: Any = typer.main.get_command(app)
    while hasattr(command, "resolve_command"):
        context = command.make_context(
            "mergescope", [*arguments], resilient_parsing=False, allow_interspersed_args=False
        )
        name, command, arguments = command.resolve_command(context, arguments)
    command.make_context(name, [*arguments])


@pytest.mark.parametrize("line", STABLE.strip().splitlines())
def test_a_stable_command_is_understood(line: str) -> None:
    parse(line.split())


def test_the_check_above_notices_unknown_options() -> None:
    for line in ("merge SUITE --bogus", "runs frobnicate ID", "evaluate", "frobnicate"):
        with pytest.raises(typer.TyperException):
            parse(line.split())


def test_the_readme_shows_every_command() -> None:
    import launch  # noqa: F401

    shown = {" ".join(command[:1]) for command in documented(README)}
    group: Any = typer.main.get_command(app)
    assert set(group.commands) <= shown


@pytest.mark.slow
def test_the_commands_of_readme_and_guide_run_as_documented(
    cli: Cli, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person's own suites win over bundled ones: a random `demo` makes this a test of the commands, not of the suite.
    names = [task.name for task in find("demo").tasks]
    make_suite(home / "suites", name="demo", names=names)
    monkeypatch.chdir(tmp_path)
    [metric] = [block for block in blocks(GUIDE, "python") if "def kappa" in block]
    (tmp_path / "my_metrics.py").write_text(metric)
    commands = [command for command in documented() if command and command[0] not in UNATTENDED]
    assert len(commands) > 10
    for command in commands:
        if "ID" in command:
            runs = cli("runs", "list", "--json").data["runs"]
            run_id = next(run["id"] for run in runs if run["method"] == "adamerging")
            command = [run_id if word == "ID" else word for word in command]
            if command[1] == "resume":
                with Store.open(home / "runs") as store:
                    store.set_status(run_id, "interrupted")
        answer = cli(*command)
        assert answer.status == 0, (command, answer.err)
        assert answer.out
    assert {"merged.safetensors", "report.json", "coefficients.csv"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_the_readme_s_python_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_suite(home / "suites", name="demo", names=["digits", "letters"])
    [code] = blocks(README, "python")
    exec(compile(code, "README.md", "exec"), {})
    *losses, accuracy = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in losses] == [str(number) for number in range(51)]
    assert 0 <= float(accuracy) <= 1


@pytest.mark.parametrize("command", [c for c in documented() if c and c[0] in UNATTENDED], ids=" ".join)
def test_commands_that_need_a_hub_or_do_not_end_by_themselves_are_understood(command: list[str]) -> None:
    parse(command)


def test_the_guide_s_suite_files_are_valid(tmp_path: Path, cli: Cli) -> None:
    found = {}
    for text in blocks(GUIDE, "yaml"):
        path = tmp_path / "mine.yaml"
        path.write_text(text, "utf-8")
        data = cli("tasks", path, "--json").data
        found[data["suite"]] = data["tasks"][0]
    assert found["mine"]["classes"] == ["zero", "one", "two"]
    assert found["pets-and-cars"]["templates"] == []


def test_ci_runs_the_readme_s_own_test_command() -> None:
    [command] = [line for block in blocks(README, "bash") for line in block.splitlines() if "pytest" in line]
    script = ROOT / ".ci" / "run"
    assert command in script.read_text("utf-8").splitlines()
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("README.md", 3),
        (".github/CONTRIBUTING.md", 3),
        (".github/GUIDE.md", 1),
        (".github/BENCHMARKS.md", 2),
        (".github/SCALE.md", 3),
    ],
)
def test_named_files_exist(name: str, least: int) -> None:
    prose = re.sub(r"^```.*?^```", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`((?:core|dashboard|assets|tests|\.ci|\.github)/[\w./-]*|launch\.py)`", prose)
    links = [link for link in re.findall(r"\]\(([\w./-]+)\)", prose) if not link.startswith("http")]
    assert len(named) + len(links) >= least
    assert [one for one in named if not (ROOT / one).exists()] == []
    assert [one for one in links if not ((ROOT / name).parent / one).exists() and not (ROOT / one).exists()] == []


def test_the_method_guide_is_the_one_that_the_command_prints() -> None:
    printed = markdown(bundled()).rstrip("\n") + "\n"
    told = "run `python launch.py methods --guide > .github/METHODS.md`"
    assert (ROOT / ".github" / "METHODS.md").read_text("utf-8") == printed, told


def test_the_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 170
