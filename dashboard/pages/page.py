"""What every tab is: a `Page`, called `PAGE` in its `page.py`; `dashboard.door` says what its desks have to keep to.

A style sheet beside it, called like the page, is found by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard import ui
from dashboard.charts import bundle
from dashboard.door import Desk


@dataclass(frozen=True)
class Page:
    """A tab with one component, which `mergescope.pages.<name>` fills; it follows run and tab by itself."""

    title: str
    """The words on the tab."""
    name: str
    """Lower-case letters; stands in `?tab=`."""
    desks: tuple[type[Desk], ...] = ()
    """What answers the questions that no other page asks."""
    template: str = '<div class="mc"></div>'
    charts: bool = True
    """Whether it draws figures: Plotly is loaded with it then. Cards, tables and their styles are there in any case."""
    owner_only: bool = False
    """Not in the read-only view at all."""

    def build(self) -> None:
        """Create the component inside its tab."""
        more: dict[str, Any] = {"head": bundle.head()} if self.charts else {}
        start = f"window.mergescope.pages.{self.name}(element.querySelector('.mc, .ms-form'));"
        ui.drawn(self.template, start, elem_id=f"ms-{self.name}", **more)
