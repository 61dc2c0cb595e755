"""The page Studies as its user meets it: start a small study, watch it, read and take the result."""

from __future__ import annotations

import csv
from typing import Any

from tests.browser.conftest import Server


def open_studies(page: Any, server: Server) -> None:
    page.goto(f"{server.url}/?tab=studies")
    page.wait_for_selector("#ms-studies .st-card")


def test_a_study_is_started_watched_read_and_taken_along(page: Any, server: Server) -> None:
    open_studies(page, server)
    page.click("#ms-studies [data-study=scale]")
    assert page.get_by_text("No result on this suite yet").is_visible()
    page.wait_for_function("document.querySelector('#ms-studies .st-start .mc-facts').textContent.includes('6 runs')")
    assert page.get_by_label("Quick: fewer steps, seeds and values").is_checked()
    page.get_by_role("button", name="Start", exact=True).click()
    card = "#ms-studies [data-study=scale]"
    page.wait_for_selector(f"{card}.running, {card}.done")
    page.wait_for_selector("#ms-studies .st-result .js-plotly-plot .scatterlayer .point")
    page.wait_for_selector(f"{card}.done", timeout=180_000)
    page.wait_for_function("document.querySelector('#ms-studies .st-status').textContent.includes('6 of 6 runs')")
    page.wait_for_function("document.querySelectorAll('#ms-studies .st-result tbody tr').length >= 7")
    assert page.get_by_text("Published, not measured here").is_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(waiting.value.path().read_text("utf-8").splitlines()))
    assert {row["origin"] for row in rows} > {"measured"}
    assert {row["row"] for row in rows if row["origin"] == "measured"} == {"0", "0.5", "1"}


def test_the_guide_names_every_method(page: Any, server: Server) -> None:
    open_studies(page, server)
    page.get_by_role("button", name="Method guide").click()
    page.wait_for_selector("#ms-studies [data-method=adamerging]")
    assert page.get_by_text("What you have, what to use").is_visible()
    assert page.locator("#ms-studies .st-method").count() >= 7


def test_the_page_fits_a_phone(phone: Any, server: Server) -> None:
    open_studies(phone, server)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.click("#ms-studies [data-study=accuracy]")
    phone.get_by_role("button", name="← All studies").click()
    assert phone.locator("#ms-studies [data-study=accuracy]").is_visible()
    phone.get_by_role("button", name="Method guide").click()
    phone.wait_for_selector("#ms-studies [data-method=adamerging]")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    table = "document.querySelector('#ms-studies .st-decide').parentElement"
    assert phone.evaluate(f"{table}.scrollWidth <= {table}.clientWidth")
    # Its last row can be reached without scrolling inside the card.
    assert phone.evaluate(f"{table}.scrollHeight <= {table}.clientHeight + 1")
