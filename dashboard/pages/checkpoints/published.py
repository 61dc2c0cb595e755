"""The bundled suites whose files are on the hub, and how much of each is on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypedDict

from core.hub.listing import is_hub
from core.paths import ASSETS
from core.suite.find import SuiteFile


class Row(TypedDict):
    """A published suite: whether all of it is here, and how many of its parts are not."""

    name: str
    title: str
    tasks: int
    ready: bool
    missing: int
    parts: int


def rows(suites: Mapping[str, SuiteFile]) -> list[Row]:
    """One row per published suite, for the page."""
    bundled = [suite for suite in suites.values() if suite.path.parent == ASSETS / "suites"]
    wanted = [suite for suite in bundled if is_hub(suite.entry.base.weights)]
    return [_row(suite) for suite in sorted(wanted, key=lambda suite: (suite.entry.base.arch, len(suite.tasks)))]


def _row(suite: SuiteFile) -> Row:
    missing = suite.missing()
    return {
        "name": suite.name,
        "title": suite.title,
        "tasks": len(suite.tasks),
        "ready": not missing,
        "missing": len(missing),
        "parts": 1 + sum(1 + (task.expert is not None) for task in suite.tasks),
    }
