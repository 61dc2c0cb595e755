"""Rules about the source that no linter has: how long files are, what must not stand in them.

Which way imports point is `lint-imports`' business (contracts in `pyproject.toml`); ruff has the other rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "dashboard", "core", "assets", "tests", "launch.py"}
GENERATED = ("__pycache__", "build", "dist")
MAX_LINES = 300


def sources(*folders: str) -> Iterator[Path]:
    """Python files below the folders."""
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Neither for types alone nor inside functions: a circle that runs late is one all the same."""
    graph = grimp.build_graph("core", "dashboard", cache_dir=None)
    try:
        TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


def texts() -> list[Path]:
    """Our own text files: code, documents, configuration; nothing vendored or generated."""
    found = [
        *sources("core", "dashboard", "tests", "assets"),
        *(ROOT / name for name in ("launch.py", "pyproject.toml")),
    ]
    found += [path for suffix in ("js", "css", "yaml", "html") for path in (ROOT / "assets").rglob(f"*.{suffix}")]
    found += [path for path in (ROOT / "dashboard").rglob("*") if path.suffix in (".js", ".css", ".json")]
    found += [
        *ROOT.glob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        ROOT / ".ci" / "run",
        ROOT / ".pre-commit-config.yaml",
    ]
    return [path for path in found if ".min." not in path.name and not {"vendor", "node_modules"} & {*path.parts}]


def test_files_are_short_enough_to_be_one_idea() -> None:
    lengths = {
        path: len(path.read_text("utf-8").splitlines()) for path in texts() if path.suffix in (".py", ".js", ".css")
    }
    assert len(lengths) > 30
    assert {str(path.relative_to(ROOT)): count for path, count in lengths.items() if count > MAX_LINES} == {}


def test_no_path_of_one_machine_and_no_registry_host_stands_in_the_tree() -> None:
    # Put together from pieces, so that this file does not hold what it looks for.
    folders = [f"/{name}/" for name in ("root", "home", "work", "Users", "mnt")] + ["/tm" + "p/[a-z]"]
    hosts = [
        rf"{name}\.{end}"
        for name, end in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))
    ]
    pattern = re.compile("|".join([*(rf"(?<![\w./]){folder}" for folder in folders), *hosts]))
    assert pattern.search(" /home" + "/somebody/x")
    this = Path(__file__)
    found = {
        f"{path.relative_to(ROOT)}: {hit.group()}"
        for path in texts()
        for hit in pattern.finditer(path.read_text("utf-8"))
    }
    assert {line for line in found if not line.startswith(str(this.relative_to(ROOT)))} == set()


def test_the_top_level_holds_only_what_it_should() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    found = {name for name in found if name not in GENERATED and not name.endswith(".egg-info")}
    assert found == TOP_LEVEL
