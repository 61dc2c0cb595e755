"""The tab that shows a run while it goes on: λ, entropy, accuracy, warnings.

Pause, Resume and Cancel stand in the header above the tabs (`dashboard.pages.sidebar`), where they can be reached from
every tab.
"""

from __future__ import annotations

from dashboard.charts.service import describing
from dashboard.pages import Page

PAGE = Page(
    "Live",
    "live",
    "window.mergescope.charts.mount(element, 'live', server);",
    lambda ctx: ({"describe": describing(ctx)}, {}),
)
