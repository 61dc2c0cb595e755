"""Nothing dead: what no part of the program calls is found by vulture, by who imports whom, and by who names whom."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dashboard.charts.linker import EXPORT, IMPORT

ROOT = Path(__file__).resolve().parents[1]
REGISTERED = ("core/encoders/families", "core/methods", "core/measures", "core/objectives", "core/studies")
PAGE = re.compile(r"dashboard/pages/\w+/page\.py")
"""Folders in which adding a file is enough: their classes are found by name, as the pages are."""
GRADIO = {"gradio-container", "sidebar-content", "chevron-left", "tab-container", "tab-wrapper", "tabitem"}
GRADIO |= {"overflow-dropdown", "sidebar-parent"}
"""Classes of elements that Gradio makes."""
MADE = re.compile(r"an-kind-|an-row-|mc-kind-|mc-(expert|base|now|ta|merged)$")
"""Classes whose names the scripts put together from a value."""
OPTIONS = {"credentials", "colspan", "onscroll", "behavior", "month", "resizeQuality", "resizeWidth", "maxlength"}
OPTIONS |= {"willReadFrequently", "lenmode", "ypad", "autocomplete", "inputmode", "onsubmit", "onclick", "htmlFor"}
OPTIONS |= {"ArrowDown", "ArrowLeft", "ArrowRight", "ArrowUp", "clearInterval", "extends", "attributeFilter"}
"""Names that the browser or Plotly gives or reads."""


@cache
def sources(*endings: str) -> dict[str, str]:
    """Path -> text of the project's own files, new ones too, tests left out."""
    there = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(there, cwd=ROOT, text=True).split("\n")
    own = [path for path in listed if path.endswith(endings) and not path.startswith("tests/") and ".min." not in path]
    return {path: (ROOT / path).read_text("utf-8") for path in own if (ROOT / path).exists()}


def registered(path: str) -> bool:
    return path.startswith(REGISTERED) or PAGE.fullmatch(path) is not None


@pytest.mark.slow
def test_vulture_finds_nothing() -> None:
    from vulture import Vulture
    from vulture.config import make_config

    config = make_config(["--config", str(ROOT / "pyproject.toml")])
    found = Vulture(ignore_names=config["ignore_names"], ignore_decorators=config["ignore_decorators"])
    found.scavenge([str(ROOT / path) for path in config["paths"]], exclude=["*/node_modules/*"])
    read = set(re.findall(r"\w+", " ".join(sources(".js").values())))
    dead = [
        item
        for item in found.get_unused_code(min_confidence=60)
        if not (item.typ in ("class", "variable") and registered(str(item.filename.relative_to(ROOT))))
        # What an answer to a page has is read by a script.
        if not (item.typ == "variable" and item.name in read and "dashboard" in item.filename.parts)
    ]
    assert [f"{item.filename}:{item.first_lineno} {item.name}" for item in dead] == []


def defined(tree: ast.Module) -> Iterator[str]:
    """Names of functions, classes and constants at the top of a module; what has a decorator is called by its owner."""
    for node in tree.body:
        if (isinstance(node, ast.FunctionDef) and not node.decorator_list) or isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def used(tree: ast.AST) -> set[str]:
    """Every name that is read, reached as an attribute, or imported."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return found | {alias.name for node in imports for alias in node.names}


def imported(tree: ast.AST) -> set[str]:
    """Last parts of the modules that a file imports, or imports from."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name.split(".")[-1] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[-1])
        if isinstance(node, ast.Constant) and re.fullmatch(r"core(\.\w+)+", str(node.value)):
            found.add(str(node.value).split(".")[-1])  # `import_module`, where an import would go round
    return found


@pytest.mark.slow
def test_every_name_of_a_module_is_used_in_it_or_where_it_is_imported() -> None:
    trees = {path: ast.parse(text) for path, text in sources(".py").items()}
    reads = {path: (used(tree), imported(tree)) for path, tree in trees.items()}
    dead = []
    for path, tree in trees.items():
        module = Path(path).parent.name if path.endswith("__init__.py") else Path(path).stem
        for name in defined(tree):
            known = name.startswith("__") or registered(path) or name in reads[path][0]
            if not known and not any(name in names and module in modules for names, modules in reads.values()):
                dead.append(f"{path} {name}")
    assert dead == []


def words(text: str, letters: str) -> Counter[str]:
    """How often each run of such letters occurs."""
    return Counter(re.findall(f"[{letters}]+", text))


@pytest.mark.slow
def test_every_class_of_a_style_sheet_stands_in_a_script_or_a_page() -> None:
    known = words("\n".join(sources(".js", ".py").values()), r"\w-")
    dead = []
    for path, sheet in sources(".css").items():
        selectors = " ".join(re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)))
        names = set(re.findall(r"\.(-?[A-Za-z_][\w-]*)", selectors)) - GRADIO
        dead += [f"{path} .{name}" for name in names if not MADE.match(name) and not known[name]]
    assert dead == []


@pytest.mark.slow
def test_every_name_that_a_script_exports_is_imported_and_only_such_are() -> None:
    exported, imported = set(), set()
    for path, text in sources(".js").items():
        exported |= {(Path(path).name, name) for name in EXPORT.findall(text)}
        for names, address in IMPORT.findall(text):
            imported |= {(Path(address).name, name.split(" as ")[0].strip()) for name in names.split(",")}
    assert {(name, what) for name, what in exported ^ imported if what and name != "given.js"} == set()


@pytest.mark.slow
def test_every_name_of_a_script_is_used() -> None:
    own = {path: text for path, text in sources(".js").items() if not path.endswith("eslint.config.js")}
    scripts = {path: re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL) for path, text in own.items()}
    known = words("\n".join([*scripts.values(), *sources(".py").values()]), r"\w$")
    forms = (
        r"(?:function|const|let|class)\s+([A-Za-z_$][\w$]*)",
        r"^\s+(?:async\s+|get\s+|static\s+)?([A-Za-z_$][\w$]*)\s*\([^)]*\)\s*\{",
        r"[{,]\s*([A-Za-z_$][\w$]*)\s*[:(]",
    )
    dead = []
    for path, text in scripts.items():
        names = {name for form in forms for name in re.findall(form, text, re.MULTILINE)} - OPTIONS
        dead += [f"{path} {name}" for name in names if known[name] < 2]
    assert dead == []
