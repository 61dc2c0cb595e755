"""Rules about the source itself: which way imports point, how long files are, what must not stand in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "dashboard", "core", "assets", "tests", "launch.py"}
GENERATED = ("__pycache__", "build", "dist")
MAX_LINES = 300

RANKS = (
    ("launch",),
    ("dashboard",),
    ("core.cli",),
    ("core.studies",),
    ("core.jobs", "core.whatif"),
    ("core.runner",),
    ("core.session",),
    ("core.publish",),
    ("core.export", "core.measures", "core.card"),
    ("core.report", "core.titles"),
    ("core.store",),
    ("core.methods",),
    ("core.objectives", "core.tasks", "core.checkpoints"),
)
"""From top to bottom; a module never imports one of a higher row. Modules of `core` that are not named have no rank
of their own: they must not import anything above `core.methods`."""
ENGINE = len(RANKS) - 2


def sources(*folders: str) -> Iterator[Path]:
    """Python files below the folders."""
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    """`core/cli/__init__.py` -> `core.cli`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in [ROOT / "launch.py", *sources("core", "dashboard")]}


def imports(path: Path, *, everywhere: bool = True) -> set[str]:
    """Modules that a file imports when it runs, also inside functions unless not `everywhere`; types do not count."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not everywhere:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; say core.… or dashboard.…"
            # `from core import methods` imports the module core.methods.
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & set(MODULES) or {str(node.module)}
        waiting += ast.iter_child_nodes(node)
    return found


def rank(module: str) -> int:
    """Row in RANKS; the engine's for unranked modules of core."""
    for row, prefixes in enumerate(RANKS):
        if any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes):
            return row
    return ENGINE + 1


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] in ("core", "dashboard", "launch")])
def test_nothing_imports_upwards(module: str) -> None:
    # The package's own front door and the runner's helpers of the same row are free to meet.
    if module == "core":
        return
    own = rank(module)
    above = {
        name
        for name in imports(MODULES[module])
        if name in MODULES and name != "core" and rank(name) < min(own, ENGINE)
    }
    assert above == set()


def test_the_rule_above_sees_an_upward_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from core import runner\n    import core.cli.app\n")
    assert imports(bad) == {"core.runner", "core.cli.app"}
    assert rank("core.runner") < rank("core.methods.ties")
    assert rank("core.cli.app") < rank("core.store.tables") < rank("core.merged")


def test_imports_have_no_cycles() -> None:
    graph = {
        name: {i for i in imports(path, everywhere=False) if i in MODULES and i != name}
        for name, path in MODULES.items()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")
    assert set(order) >= set(MODULES)


@pytest.mark.parametrize("path", list(sources("core")), ids=module_name)
def test_the_engine_knows_nothing_of_the_page(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    assert roots.isdisjoint({"gradio", "gradio_client", "plotly", "dashboard", "launch"})


def test_only_the_command_line_and_the_entry_use_typer_and_rich() -> None:
    users = {name for name, path in MODULES.items() if {"typer", "rich"} & {i.split(".")[0] for i in imports(path)}}
    assert users
    assert {name for name in users if not name.startswith(("core.cli", "launch"))} == set()


def texts() -> list[Path]:
    """Our own text files: code, documents, configuration; nothing vendored or generated."""
    found = [
        *sources("core", "dashboard", "tests", "assets"),
        *(ROOT / name for name in ("launch.py", "pyproject.toml")),
    ]
    found += [path for suffix in ("js", "css", "yaml", "html") for path in (ROOT / "assets").rglob(f"*.{suffix}")]
    found += [path for path in (ROOT / "dashboard").rglob("*") if path.suffix in (".js", ".css")]
    found += [
        *ROOT.glob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        ROOT / ".ci" / "run",
        ROOT / ".pre-commit-config.yaml",
    ]
    return [path for path in found if ".min." not in path.name and "vendor" not in str(path)]


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


def handlers(path: Path) -> Iterator[ast.ExceptHandler]:
    """All `except` clauses of a file."""
    yield from (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ExceptHandler))


def _hands_over(handler: ast.ExceptHandler) -> bool:
    """Whether a thread gives its failure to the one that waits for it: keeps it, or sets it on a future."""
    for node in ast.walk(handler):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == handler.name:
            return True
        if isinstance(node, ast.Call) and ".set_exception" in ast.unparse(node):
            return True
    return False


@pytest.mark.parametrize("path", [ROOT / "launch.py", *sources("core", "dashboard")], ids=module_name)
def test_no_failure_is_caught_without_a_name(path: Path) -> None:
    for handler in handlers(path):
        caught = ast.unparse(handler.type) if handler.type else "everything"
        passes_on = any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))
        assert (
            passes_on or _hands_over(handler) or not re.search(r"\b(everything|Exception|BaseException)\b", caught)
        ), f"line {handler.lineno}"


@pytest.mark.parametrize("path", [ROOT / "launch.py", *sources("core", "dashboard")], ids=module_name)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_the_top_level_holds_only_what_it_should() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    found = {name for name in found if name not in GENERATED and not name.endswith(".egg-info")}
    assert found == TOP_LEVEL
