"""Joins the modules of the page's scripts into one classic script, so that a browser loads one file and nobody builds.

A module imports by `import { a, b as c } from "./x.js";` and exports what has `export` before it: functions, classes,
constants. In the program each is a function that runs once, after those it imports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:const|(?:async )?function|class) (\w+))", re.MULTILINE)


def link(entry: Path, given: Mapping[str, str] | None = None) -> str:
    """The program that starts at `entry`; `given` has the text of modules that are no files, by name.

    Raises `ValueError` that names them where modules import each other in a circle.
    """
    texts = dict(given or {})
    needs: dict[str, list[str]] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path.name in needs:
            continue
        if path.name not in texts:
            texts[path.name] = path.read_text("utf-8")
        found = [path.parent / address for _, address in IMPORT.findall(texts[path.name])]
        needs[path.name] = [each.name for each in found]
        waiting += found
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise ValueError(f"Scripts import each other in a circle: {' -> '.join(error.args[1])}.") from error
    return "\n".join(["(() => {", '"use strict";', *(_scope(name, texts[name]) for name in order), "})();"])


def _scope(name: str, text: str) -> str:
    """The module as a constant: a function of its own that returns what it exports."""
    exports = ", ".join(EXPORT.findall(text))
    body = EXPORT.sub("", IMPORT.sub(lambda found: f"const {{{_renamed(found[1])}}} = {_constant(found[2])};\n", text))
    return f"const {_constant(name)} = (() => {{\n{body}return {{ {exports} }};\n}})();"


def _renamed(names: str) -> str:
    return re.sub(r"(\w+) as (\w+)", r"\1: \2", names)


def _constant(address: str) -> str:
    return f"${Path(address).stem}"
