"""Images without labels: merging works by clicking, and where accuracy would stand the page says why there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import TITLES, Server, at_home, start_server
from tests.core.suite_edits import said
from tests.tiny import make_suite

STATED = (0.9, 0.8, 0.6)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Nobody knows what the images show, but how good each expert is."""
    folder = tmp_path_factory.mktemp("unlabelled")
    suite = make_suite(folder / "suite", labelled=False)
    for place, accuracy in enumerate(STATED):
        said(suite.parent, place, expert={"weights": f"task{place}.safetensors", "accuracy": accuracy})
    running = start_server(folder / "runs", suite)
    yield running
    running.stop()


def test_a_merge_without_labels_explains_itself_on_every_page(page: Any) -> None:
    at_home(page)
    page.evaluate("mergescope.open('setup')")
    page.wait_for_selector(".ms-start:enabled")
    assert "no labels: λ and entropy, but no accuracy" in page.locator(".ms-task").first.inner_text()
    page.locator('.ms-field[data-name="steps"] input').fill("8")
    page.wait_for_selector(".ms-start:enabled")
    page.locator(".ms-start").click()
    page.wait_for_selector("#ms-header .ms-pill.done")
    page.get_by_text(
        "The test images have no labels, so accuracy can't be measured; agreement is shown instead"
    ).wait_for()
    assert not page.get_by_role("heading", name=TITLES["accuracy"]).is_visible()
    chart = f"document.querySelector('[aria-label=\"{TITLES['AGREEMENT']}\"]').data"
    page.wait_for_function(f"{chart}?.length === 4")
    page.locator(".mc-help").filter(has_text=re.compile(r"so accuracy lies in \d+\.\d % to \d+\.\d %")).wait_for()
    page.evaluate("mergescope.open('compare')")
    page.get_by_text("Nothing to draw: the test images have no labels").wait_for()
    shown = page.locator("td.an-missing").all_inner_texts()
    assert all(re.fullmatch(r"\d+\.\d–\d+\.\d", text) for text in shown[:3])
    for low, high in ((float(end) for end in text.split("–")) for text in shown[:3]):
        assert 0 <= low < high <= 100
    assert "–" in page.locator("td.an-average").first.inner_text()  # No average of what nobody measured.
    page.evaluate("mergescope.open('layers')")
    page.wait_for_selector("#ms-layers .heatmaplayer image", state="attached")
