"""One module per tab. Each has a `PAGE`; `dashboard.context` says what its functions have to keep to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboard import ui
from dashboard.charts import bundle
from dashboard.context import Context
from dashboard.serving import Call, serving

Calls = Mapping[str, Call]


@dataclass(frozen=True)
class Page:
    """A tab with one component, which a script fills from what server functions answer."""

    title: str
    """The words on the tab."""
    name: str
    """Lower-case letters; stands in `?tab=`."""
    start: str
    """JavaScript that is given the component's `element` and `server`; it follows run and tab by itself."""
    functions: Callable[[Context], tuple[Calls, Calls]]
    """By their names: what everybody may ask, and what exists on the owner's page only and refuses everybody else."""
    template: str = '<div class="mc"></div>'
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    charts: bool = True
    owner_only: bool = False
    """Not in the read-only view at all."""

    def build(self, ctx: Context) -> None:
        """Create the component inside its tab."""
        everybodys, owners = self.functions(ctx)
        served = [serving(name, call) for name, call in everybodys.items()]
        if not ctx.readonly:
            served += [serving(name, call, ctx.owner) for name, call in owners.items()]
        more: dict[str, Any] = {"head": bundle.head()} if self.charts else {}
        ui.drawn(self.template, self.start, elem_id=f"ms-{self.name}", server_functions=served, **more)
