"""The bundled suites whose files are on the hub, and how much of each is on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.hub.listing import is_hub
from core.paths import ASSETS
from core.suite.find import SuiteFile


def rows(suites: Mapping[str, SuiteFile]) -> list[dict[str, Any]]:
    """One row per published suite, for the page."""
    bundled = [suite for suite in suites.values() if suite.path.parent == ASSETS / "suites"]
    wanted = [suite for suite in bundled if is_hub(suite.entry.base.weights)]
    return [_row(suite) for suite in sorted(wanted, key=lambda suite: (suite.entry.base.arch, len(suite.tasks)))]


def _row(suite: SuiteFile) -> dict[str, Any]:
    missing = suite.missing()
    return {
        "name": suite.name,
        "title": suite.title,
        "tasks": len(suite.tasks),
        "ready": not missing,
        "missing": len(missing),
        "parts": 1 + sum(1 + (task.expert is not None) for task in suite.tasks),
    }
