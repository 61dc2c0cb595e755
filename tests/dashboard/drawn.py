"""A figure as the page gives it to Plotly."""

from __future__ import annotations

from typing import Any

from dashboard.charts import palette
from dashboard.charts.palette import ThemeName


def complete(figure: dict[str, Any], theme: ThemeName) -> dict[str, Any]:
    """The figure with the theme's template and a size, so that `plotly.graph_objects` checks all of it."""
    size = {"width": 960, "height": figure["layout"].get("height", 420), "autosize": False}
    return {"data": figure["data"], "layout": {"template": palette.template(theme), **figure["layout"], **size}}
