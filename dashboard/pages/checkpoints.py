"""The page "Checkpoints": own files become a suite by clicking, published suites are fetched. For the owner only."""

from __future__ import annotations

from dashboard.pages import Page
from dashboard.workbench.service import Workbench

PAGE = Page(
    "Checkpoints",
    "checkpoints",
    (Workbench,),
    template='<div class="ms-bench ms-form ms-stack"></div>',
    scripts=("bench_parts.js", "bench_files.js", "bench_suite.js", "bench.js"),
    styles=("bench.css",),
    charts=False,
    owner_only=True,
)
