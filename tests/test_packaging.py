"""What is installed without a checkout: the wheel's content works from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, as an installer would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_the_wheel_holds_code_and_assets_but_no_tests(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if "dist-info" not in path.name} == {
        "core",
        "dashboard",
        "assets",
        "launch.py",
    }
    assert (installed / "core" / "cli" / "app.py").is_file()
    here, there = (
        {
            str(path.relative_to(root)): path.stat().st_size
            for path in (root / "assets").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        for root in (ROOT, installed)
    )
    assert here == there
    assert list(installed.rglob("__pycache__")) == []


@pytest.mark.slow
def test_the_bundled_suite_is_found_and_merges_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(installed / "launch.py"),
        "merge",
        "demo",
        "--method",
        "average",
        "--tasks",
        "digits",
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [task["name"] for task in json.loads(done.stdout)["tasks"]] == ["digits"]
    where = "import core; print(core.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(installed)
