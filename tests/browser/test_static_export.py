"""The exported files in a browser without a network: they draw, scrub, and ask for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.problem.method import Step
from core.store import Store
from dashboard.static_export.export import export
from tests.browser.conftest import TITLES, wait_for
from tests.dashboard import synthetic

NAME = "<img src=x onerror=window.__x=1>"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with run.html and figures.html of a made-up run, and plain.html of one without coefficients."""
    folder = tmp_path_factory.mktemp("exported")
    with Store.open(folder / "runs") as store:
        run_id = synthetic.finished(store, tasks=4, blocks=3, steps=60, name=NAME)
        export("page", store, run_id, folder / "run.html", titles={"digits": NAME})
        export("figures", store, run_id, folder / "figures.html", titles={"digits": NAME})
        plain = synthetic.create(store, tasks=2, steps=0, method="ties")
        store.record(plain, Step(0))
        synthetic.measure(store, plain, 0, 1, full=True)
        synthetic.finish(store, plain)
        export("figures", store, plain, folder / "plain.html")
    return folder


@pytest.fixture
def offline(chromium: Any) -> Iterator[Any]:
    """A page without a network; at the end nothing went wrong and nothing was asked for."""
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda asked: wrong.append(asked.url) if not asked.url.startswith(("file:", "data:", "blob:")) else None,
    )
    yield page
    executed = page.evaluate("window.__x")
    context.close()
    assert executed is None
    assert not wrong


def until(page: Any, expression: str) -> None:
    """Playwright's own waiting evaluates a string in the page, which the file's policy refuses."""
    wait_for(lambda: page.evaluate(expression), 30, expression)


def cells(page: Any) -> str:
    return str(page.evaluate("JSON.stringify([...document.querySelector('#live .js-plotly-plot').data[0].z[0]])"))


def test_steps_can_be_scrubbed_without_a_network(offline: Any, exported: Path) -> None:
    offline.goto(f"{(exported / 'run.html').as_uri()}")
    offline.wait_for_selector("#live .js-plotly-plot .heatmaplayer image")
    slider = offline.locator("#live input[type=range]").first
    until(offline, "document.querySelector('#live input[type=range]').max === '60'")
    last = cells(offline)
    slider.focus()
    offline.keyboard.press("Home")
    until(offline, "document.querySelector('#live .mc-step').textContent === '0'")
    until(offline, f"JSON.stringify([...document.querySelector('#live .js-plotly-plot').data[0].z[0]]) !== '{last}'")
    offline.keyboard.press("End")
    until(offline, f"JSON.stringify([...document.querySelector('#live .js-plotly-plot').data[0].z[0]]) === '{last}'")


def test_the_file_opens_at_a_step_and_view(offline: Any, exported: Path) -> None:
    offline.goto(f"{(exported / 'run.html').as_uri()}#step=12&view=layers")
    offline.wait_for_selector("#layers .js-plotly-plot .heatmaplayer image")
    until(offline, "document.querySelector('#layers .mc-step').textContent === '12'")
    assert offline.locator("#live").is_hidden()
    offline.get_by_role("button", name="Results").click()
    assert offline.get_by_role("cell", name="Average").is_visible()
    assert NAME in offline.locator("#results").inner_text()


def test_a_figure_is_saved_as_svg_by_the_browser_itself(offline: Any, exported: Path) -> None:
    offline.goto((exported / "figures.html").as_uri())
    offline.wait_for_selector(".js-plotly-plot .main-svg")
    with offline.expect_download() as waiting:
        offline.get_by_role("button", name="Save as SVG").first.click()
    assert waiting.value.suggested_filename.endswith(".svg")
    assert "<svg" in waiting.value.path().read_text("utf-8")[:500]


def test_every_figure_that_the_run_has_data_for_is_drawn(offline: Any, exported: Path) -> None:
    found = {}
    for file in ("figures.html", "plain.html"):
        offline.goto((exported / file).as_uri())
        until(offline, "document.querySelectorAll('.mc-plot:not(.js-plotly-plot)').length === 0")
        found[file] = offline.locator("main h3").all_inner_texts()
        assert offline.get_by_role("button", name="Save as").count() == 2 * len(found[file])
        traces = "[...document.querySelectorAll('.mc-plot')].every((one) => one.data.length > 0)"
        assert offline.evaluate(traces)
    drawn = ("coefficients", "change", "accuracy", "accuracyOverSteps", "entropy", "depth", "spread")
    assert found["figures.html"] == [TITLES[name] for name in drawn]
    assert found["plain.html"] == [TITLES["accuracy"], TITLES["accuracyOverSteps"]]
