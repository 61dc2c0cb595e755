"""The tab that shows a run while it goes on: λ, entropy, accuracy, warnings.

Pause, Resume and Cancel stand in the header above the tabs (`dashboard.pages.sidebar`), where they can be reached from
every tab.
"""

from __future__ import annotations

from typing import Any

from dashboard.charts.component import charts
from dashboard.charts.service import describing
from dashboard.context import Context

TITLE = "Live"
TAB_ID = "live"


def build(ctx: Context) -> Any:
    """One component; it polls while its tab is open."""
    return charts("live", [describing(ctx)], elem_id="ms-live")
