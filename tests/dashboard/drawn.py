"""A figure as the page gives it to Plotly."""

from __future__ import annotations

from typing import Any

from dashboard.charts import palette
from dashboard.charts.palette import ThemeName


def complete(figure: dict[str, Any], theme: ThemeName) -> dict[str, Any]:
    """The figure with the theme's colours and template and a size, so that `plotly.graph_objects` checks all of it."""
    size = {"width": 960, "height": figure["layout"].get("height", 420), "autosize": False}
    data, layout = coloured(figure["data"], theme), coloured(figure["layout"], theme)
    return {"data": data, "layout": {"template": palette.template(theme), **layout, **size}}


def coloured(value: Any, theme: ThemeName, key: str = "") -> Any:
    """What `charts.coloured` makes of a figure in the browser."""
    if isinstance(value, str) and key in ("color", "fillcolor", "colorscale"):
        name, _, alpha = value.removeprefix("@").partition(" ")
        word = name.rstrip("0123456789")
        colours = palette.THEMES[theme]
        found = (vars(colours) | colours.page)[word]
        if alpha:
            return f"rgba({','.join(str(int(found[at : at + 2], 16)) for at in (1, 3, 5))},{alpha})"
        if key == "colorscale":
            return palette.colourscale(found)
        return found[int(name.removeprefix(word))] if word != name else found
    if isinstance(value, dict):
        return {name: coloured(one, theme, name) for name, one in value.items()}
    return [coloured(one, theme) for one in value] if isinstance(value, list | tuple) else value
