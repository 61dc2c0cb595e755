"""The page "Checkpoints": own files become a suite by clicking, published suites are fetched. For the owner only."""

from __future__ import annotations

from typing import Any

from dashboard import ui
from dashboard.context import Context
from dashboard.workbench.service import Workbench

TITLE = "Checkpoints"
TAB_ID = "checkpoints"
OWNER_ONLY = True
SCRIPTS = ("bench_parts.js", "bench_files.js", "bench_suite.js", "bench.js")
STYLES = ("bench.css",)


def build(ctx: Context) -> Any:
    """One component, filled by its script."""
    return ui.drawn(
        '<div class="ms-bench ms-form"></div>',
        "window.mergescopeBench.open(element.querySelector('.ms-bench'), server);",
        elem_id="ms-bench",
        server_functions=Workbench(ctx).functions(),
    )
