"""The page "Checkpoints": own files become a suite by clicking, published suites are fetched. For the owner only."""

from __future__ import annotations

from dashboard.pages.checkpoints.service import Workbench
from dashboard.pages.page import Page

PAGE = Page(
    "Checkpoints",
    "checkpoints",
    (Workbench,),
    template='<div class="ms-bench ms-form ms-stack"></div>',
    styles=("checkpoints.css",),
    charts=False,
    owner_only=True,
)
