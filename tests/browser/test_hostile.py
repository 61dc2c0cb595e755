"""Names that would like to be scripts: in titles, classes, a run's name, errors, and the files made of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser.conftest import DESKTOP, Server, Watch, finish, start_server
from tests.tiny import make_suite

PAYLOADS = (
    "<img src=x onerror=window.__x=1>",
    "<svg onload=window.__x=1>",
    "<script>window.__x=1</script>",
    "</script><script>window.__x=1</script>",
    "{{constructor.constructor('window.__x=1')()}}",
    "${window.__x=1}",
    "`${window.__x=1}`",
    "\"onmouseover='window.__x=1'",
    "'onfocus=window.__x=1 autofocus='",
    "<a href=javascript:window.__x=1>x</a>",
    "javascript:window.__x=1",
    "<iframe srcdoc='<script>parent.__x=1</script>'>",
    "%{customdata[0]}<b onclick=window.__x=1>",
    "<style onload=window.__x=1></style>",
    "=HYPERLINK(\"javascript:window.__x=1\")",
)  # fmt: skip
READY = {
    "setup": ".ms-strip img",
    "live": "#ms-live .heatmaplayer image",
    "layers": "#ms-layers .heatmaplayer image",
    "similarity": "#ms-similarity .an-advice li",
    "compare": "#ms-compare .js-plotly-plot .barlayer .point",
    "playground": "#ms-playground .js-plotly-plot .main-svg",
    "share": ".ms-file-list li",
}
INERT = """() => [window.__x, document.querySelectorAll(
    'img[src="x"], svg[onload], iframe[srcdoc], [onmouseover], [onfocus], a[href^="javascript"], style[onload]'
).length]"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose suite is made of payloads wherever text is free."""
    path = make_suite(tmp_path_factory.mktemp("hostile"))
    suite = yaml.safe_load(path.read_text())
    names = iter(PAYLOADS * 2)
    suite |= {"title": next(names), "description": next(names)}
    for task in suite["tasks"]:
        task["title"] = next(names)
        task["classes"] = [f"{next(names)} {place}" for place, _ in enumerate(task["classes"])]
    path.write_text(yaml.safe_dump(suite, sort_keys=False))
    server = start_server(tmp_path_factory.mktemp("hostile-runs") / "runs", path)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def run(hostile: Server) -> str:
    """A short run of that suite with a name like that."""
    settings = {"steps": 6, "batch": 4}
    return finish(hostile, method="adamerging", settings=settings, evaluate_every=3, name=PAYLOADS[0])


@pytest.mark.slow
def test_names_of_every_kind_are_shown_as_text_on_every_tab(chromium: Any, hostile: Server, run: str) -> None:
    context = chromium.new_context(viewport=DESKTOP)
    watch = Watch(context, hostile.url)
    context.add_cookies([{"name": n, "value": v, "url": hostile.url} for n, v in hostile.cookies.items()])
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(hostile.url)
    page.wait_for_selector("#ms-tabs")
    for tab in page.evaluate("mergescope.tabs"):
        page.goto(f"{hostile.url}/?run={run}&tab={tab}")
        page.wait_for_selector(READY.get(tab, f"#ms-tab-{tab} *"), state="attached")
        page.mouse.move(600, 320)
        page.wait_for_timeout(400)
        assert page.evaluate(INERT) == [None, 0], tab
    page.goto(f"{hostile.url}/?run={run}&tab=setup")
    page.wait_for_selector(".ms-start")
    for text in PAYLOADS:
        page.evaluate("text => mergescope.toast(text, 'error')", text)
    page.locator('.ms-field[data-name="steps"] input').fill(PAYLOADS[0])
    page.wait_for_timeout(1000)
    assert page.evaluate(INERT) == [None, 0]
    context.close()
    assert not watch.found


def test_files_made_of_such_names_run_nothing_either(chromium: Any, hostile: Server, run: str, tmp_path: Path) -> None:
    with hostile.owner() as dashboard:
        files = {item["title"]: item["url"] for item in dashboard.call("share_offer", run=run)["files"]}
        for title in ("Page in one file", "Figures"):
            (tmp_path / f"{title}.html").write_bytes(dashboard.http.get(files[title]).content)
    context = chromium.new_context(viewport=DESKTOP, offline=True)
    for file in tmp_path.glob("*.html"):
        page = context.new_page()
        page.goto(file.as_uri())
        page.wait_for_selector(".main-svg", state="attached")
        assert page.evaluate(INERT) == [None, 0], file.name
    context.close()
