"""axe-core, the usual checker of accessibility, finds nothing on any tab, light or dark."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

READY = {
    "setup": ".ms-start:enabled",
    "live": "#ms-live .heatmaplayer image",
    "layers": "#ms-layers .heatmaplayer image",
    "similarity": "#ms-similarity .an-advice li",
    "compare": "#ms-compare .js-plotly-plot .barlayer .point",
    "playground": "#ms-playground .js-plotly-plot .main-svg",
    "share": ".ms-file-list li",
}
OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "resultTypes": ["violations"],
}


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(page: Any, finished_run: str, theme: str) -> None:
    page.goto(f"/?run={finished_run}")
    page.wait_for_selector("#ms-header .ms-pill.done")
    page.evaluate("theme => mergescope.setTheme(theme)", theme)
    found = {}
    for tab in page.evaluate("mergescope.tabs"):
        page.evaluate("tab => mergescope.open(tab)", tab)
        page.wait_for_selector(READY.get(tab, f"#ms-tab-{tab} *"), state="attached")
        page.wait_for_timeout(900)
        for rule in Axe().run(page, options=OPTIONS).response["violations"]:
            found[f"{tab} {rule['id']}"] = [node["html"][:160] for node in rule["nodes"]][:4]
    assert found == {}
