"""The tab that shows a run while it goes on: λ, entropy, accuracy, warnings.

Pause, Resume and Cancel stand in the header above the tabs (`dashboard.pages.sidebar`), where they can be reached from
every tab. What it asks, Layers asks too (`dashboard.charts.service`).
"""

from __future__ import annotations

from dashboard.pages.page import Page

PAGE = Page("Live", "live")
