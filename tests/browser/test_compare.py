"""The page Compare as its user meets it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Server, finish, start_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_suite: Path) -> Iterator[Server]:
    """A server of its own: what is missing and what a filter finds depends on every run in its store."""
    running = start_server(tmp_path_factory.mktemp("compare") / "runs", tiny_suite)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def finished_run(server: Server) -> str:
    """Id of a short AdaMerging run that is done."""
    return finish(server, method="adamerging", settings={"steps": 12, "batch": 4}, evaluate_every=4, name="short run")


@pytest.fixture(scope="module")
def runs(server: Server, finished_run: str) -> list[str]:
    """Two finished runs, one of them with a name that a careless page would execute."""
    other = finish(server, method="task_arithmetic", settings={}, name="=<img src=x onerror=window.__x=1>")
    return [finished_run, other]


def open_compare(page: Any, server: Server, run: str) -> None:
    page.goto(f"{server.url}/?tab=compare&run={run}")
    page.wait_for_selector("#ms-compare .an-table tr[data-row]")


def rows(page: Any) -> list[str]:
    return page.eval_on_selector_all("#ms-compare tr[data-row]", "rows => rows.map(row => row.dataset.row)")


def test_runs_can_be_compared_sorted_filtered_and_drawn(page: Any, server: Server, runs: list[str]) -> None:
    open_compare(page, server, runs[0])
    assert set(runs) <= set(rows(page))
    page.wait_for_selector("#ms-compare .js-plotly-plot .barlayer .point")
    page.get_by_role("button", name="Run", exact=True).click()
    classes = page.locator("#ms-compare tbody")
    for place in range(classes.count()):
        names = classes.nth(place).locator(".an-run").all_inner_texts()
        assert names == sorted(names, key=str.lower)
    page.get_by_label("Filter runs").fill("short run")
    assert rows(page) == [runs[0]]
    page.get_by_label("Filter runs").fill("no such run")
    assert page.get_by_text("No run matches the filter.").is_visible()
    page.get_by_label("Filter runs").fill("")
    for name, mark in (("Radar", ".scatterlayer .js-line"), ("Accuracy and seconds", ".scatterlayer .point")):
        page.get_by_role("button", name=name).click()
        page.wait_for_selector(f"#ms-compare {mark}")
    assert page.evaluate("window.__x") is None


def test_the_table_can_be_taken_along_as_csv(page: Any, server: Server, runs: list[str]) -> None:
    open_compare(page, server, runs[0])
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    content = waiting.value.path().read_text("utf-8")
    found = {row["run"]: row for row in csv.DictReader(io.StringIO(content))}
    assert found[runs[1]]["name"].startswith("'=<img")
    assert 0 <= float(found[runs[0]]["task0"]) <= 1


def test_rows_stand_in_the_class_they_compete_in_and_say_what_they_saw(
    page: Any, server: Server, runs: list[str]
) -> None:
    supervised = finish(server, method="adamerging", settings={"steps": 2, "batch": 4, "objective": "cross_entropy"})
    experts = finish(server, method="individual", settings={})
    open_compare(page, server, runs[0])
    page.wait_for_selector(f"tr[data-row='{experts}']")

    def stands(run: str) -> str:
        its_class = page.locator("#ms-compare tbody", has=page.locator(f"[data-row='{run}']"))
        return str(its_class.locator(".an-class").inner_text())

    assert stands(runs[0]).startswith("A single model, made without labels")
    assert stands(supervised).startswith("A single model, learned with labels")
    assert stands(experts).startswith("Several models")
    assert "needs labels" in page.locator(f"tr[data-row='{supervised}']").inner_text()
    assert "test images, 144 seen" in page.locator(f"tr[data-row='{runs[0]}']").inner_text()
    assert "no images" in page.locator(f"tr[data-row='{runs[1]}']").inner_text()


def test_the_table_shows_the_chosen_measure(page: Any, server: Server, runs: list[str]) -> None:
    open_compare(page, server, runs[0])
    card, menu = page.locator("#ms-compare .mc-wide").first, page.get_by_label("Measure", exact=True)
    assert "accuracy in per cent" in card.inner_text()
    accuracy = page.locator(f"tr[data-row='{runs[0]}'] .an-average").inner_text()
    menu.select_option("Calibration error")
    page.wait_for_function("document.querySelector('#ms-compare .mc-help').textContent.includes('the lowest')")
    page.wait_for_selector("#ms-compare h3:has-text('Calibration error by task')")
    assert page.locator(f"tr[data-row='{runs[0]}'] .an-average").inner_text() != accuracy
    assert "95 % intervals" not in card.inner_text()
    averages = page.locator("#ms-compare tbody").first.locator(".an-average").all_inner_texts()
    found = [float(text.strip("✓≈⚠ \n")) for text in averages]
    assert found == sorted(found)
    page.get_by_role("button", name="Radar").click()
    page.get_by_text("A radar chart needs a share of which more is better.").wait_for()
    menu.select_option("Accuracy")
    page.wait_for_selector("#ms-compare h3:has-text('Accuracy by task')")
    assert page.locator(f"tr[data-row='{runs[0]}'] .an-average").inner_text() == accuracy


def test_a_row_opens_its_run(page: Any, server: Server, runs: list[str]) -> None:
    open_compare(page, server, runs[0])
    page.locator(f"tr[data-row='{runs[1]}'] .an-run").click()
    page.wait_for_function(f"window.mergescope.run === '{runs[1]}'")
    assert f"run={runs[1]}" in page.url


def test_the_page_fits_a_phone(phone: Any, server: Server, runs: list[str]) -> None:
    open_compare(phone, server, runs[0])
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.get_by_label("Measure", exact=True).select_option("Macro F1")
    phone.wait_for_selector("#ms-compare h3:has-text('Macro F1 by task')")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_missing_methods_are_ticked_before_they_are_queued(page: Any, server: Server, runs: list[str]) -> None:
    open_compare(page, server, runs[0])
    page.get_by_role("button", name="missing methods").click()
    panel = page.locator(".an-missing-panel")
    panel.get_by_role("button", name="None", exact=True).click()
    assert panel.get_by_role("button", name="Queue 0 runs").is_disabled()
    panel.get_by_label("Weight averaging").check()
    before = len(rows(page))
    panel.get_by_role("button", name="Queue 1 run", exact=True).click()
    page.wait_for_function(f"document.querySelectorAll('#ms-compare tr[data-row]').length > {before}")
    assert not panel.is_visible()
    assert "Weight averaging" in page.locator("#ms-compare .an-table").inner_text()


def test_the_name_stays_in_sight_while_the_table_scrolls(phone: Any, server: Server, runs: list[str]) -> None:
    open_compare(phone, server, runs[0])
    assert phone.locator(".an-frame.an-more").count() == 1
    phone.evaluate("document.querySelector('.ms-scroll').scrollLeft = 5000")
    phone.wait_for_selector(".an-frame:not(.an-more)")
    place = "document.querySelector('[data-row] .an-name').getBoundingClientRect().left"
    edge = "document.querySelector('.ms-scroll').getBoundingClientRect().left"
    assert abs(phone.evaluate(place) - phone.evaluate(edge)) < 1
