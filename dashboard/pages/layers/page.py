"""The tab that looks into a run: any step, block or tensor, two runs against each other, and λ changed by hand."""

from __future__ import annotations

from dashboard.pages.layers.workshop import Workshop
from dashboard.pages.page import Page

PAGE = Page("Layers", "layers", (Workshop,))
