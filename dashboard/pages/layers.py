"""The tab that looks into a run: any step, block or tensor, two runs against each other, and λ changed by hand."""

from __future__ import annotations

from dashboard.charts import service, workshop
from dashboard.context import Context
from dashboard.pages import Calls, Page


def _functions(ctx: Context) -> tuple[Calls, Calls]:
    shop = workshop.Workshop(ctx)
    shown = {"describe": service.describing(ctx), "runs": service.listing(ctx), "facts": shop.facts}
    return shown, {"whatif": shop.whatif, "whatif_save": shop.save}


PAGE = Page("Layers", "layers", "window.mergescope.charts.mount(element, 'layers', server);", _functions)
