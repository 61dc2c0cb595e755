"""The page Similarity as its user meets it."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import Server

PLOT = "#ms-similarity .js-plotly-plot"


def open_similarity(page: Any, server: Server, run: str) -> None:
    page.goto(f"{server.url}/?tab=similarity&run={run}")
    page.wait_for_selector(f"{PLOT} .heatmaplayer image")


def values(page: Any) -> list[list[float | None]]:
    return page.evaluate(f"document.querySelector('{PLOT}').data[0].z")


def test_the_matrix_follows_slider_measure_and_theme(page: Any, server: Server, finished_run: str) -> None:
    open_similarity(page, server, finished_run)
    whole = values(page)
    page.get_by_label("Group of tensors").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("embedding", exact=True).first.wait_for()
    page.wait_for_function(f"JSON.stringify(document.querySelector('{PLOT}').data[0].z) !== '{_json(whole)}'")
    page.get_by_role("button", name="All tensors").click()
    page.wait_for_function(f"JSON.stringify(document.querySelector('{PLOT}').data[0].z) === '{_json(whole)}'")
    page.get_by_role("button", name="Sign conflict").click()
    page.wait_for_function(f"document.querySelector('{PLOT}').data[0].z[0][1] > 0.3")
    light = page.evaluate(f"document.querySelector('{PLOT}').data[0].colorscale[5][1]")
    page.evaluate("window.mergescope.setTheme('dark')")
    page.wait_for_function(f"document.querySelector('{PLOT}').data[0].colorscale[5][1] !== '{light}'")


def test_advice_is_given_in_words(page: Any, server: Server, finished_run: str) -> None:
    open_similarity(page, server, finished_run)
    assert page.locator("#ms-similarity .an-advice li strong").first.inner_text()


def test_the_page_fits_a_phone(phone: Any, server: Server, finished_run: str) -> None:
    open_similarity(phone, server, finished_run)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def _json(found: object) -> str:
    import json

    return json.dumps(found, separators=(",", ":"))
