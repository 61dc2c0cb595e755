"""A run that was judged: its sentence on every page, the method that does better, and the step that it kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.store import Store
from tests.browser.conftest import Server, start_server
from tests.dashboard import synthetic
from tests.tiny import make_suite

BELOW = {"code": "below base", "sentence": "Worse than the base. `tsv_m` does better.", "remedy": {"method": "tsv_m"}}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server over a run on one of two tasks, worse than its base, that kept step 7 of 20."""
    folder = tmp_path_factory.mktemp("judged")
    suite = make_suite(folder / "suite", name="synthetic", names=("digits", "letters"))
    with Store.open(folder / "runs") as store:
        run = synthetic.finished(store, tasks=1, blocks=1, steps=20, kept=7, verdict=BELOW)
    running = start_server(folder / "runs", suite)
    yield running, run
    running.stop()


@pytest.fixture
def server(judged: tuple[Server, str]) -> Server:
    return judged[0]


@pytest.fixture
def run(judged: tuple[Server, str]) -> str:
    return judged[1]


def opened(page: Any, run: str, tab: str) -> Any:
    page.goto(f"/?run={run}&tab={tab}")
    page.wait_for_selector("#ms-header .ms-notice.error")
    return page


def test_a_result_below_its_base_says_so_wherever_its_accuracy_stands(page: Any, run: str) -> None:
    opened(page, run, "compare")
    assert (
        page.locator("#ms-header .ms-notice").inner_text().startswith("Worse than the base. “TSV-Merge” does better.")
    )
    assert "80.0 % · below base" in page.locator(".ms-run-row.worse .ms-run-meta").inner_text()
    mark = page.locator(f"[data-row='{run}'] .an-verdict.an-worse")
    mark.wait_for()
    assert mark.get_attribute("title") == mark.get_attribute("aria-label") == "Verdict: below base"


def test_the_better_method_is_set_up_on_the_same_tasks_by_one_click(page: Any, run: str) -> None:
    opened(page, run, "live")
    page.get_by_role("button", name="Set up TSV-Merge").click()
    page.wait_for_selector("input[name=method][value=tsv_m]:checked", state="attached")
    page.wait_for_selector(".ms-start:enabled")
    assert page.locator(".ms-task.chosen .ms-task-title").count() == 1
    # A second time, with the form already there.
    page.locator("input[name=method][value=average]").check(force=True)
    page.get_by_role("button", name="Set up TSV-Merge").click()
    page.wait_for_selector("input[name=method][value=tsv_m]:checked", state="attached")


def test_viewers_are_told_but_offered_nothing(server: Server, guest: Any, run: str) -> None:
    with server.owner() as owner:
        link = owner.call("share_create", run=run, days=1)["link"]
    page = guest.new_page()
    page.goto(server.url + link["path"])
    page.wait_for_selector("#ms-header .ms-notice.error")
    assert page.locator("#ms-header .ms-notice button").count() == 0


def test_the_scrubber_begins_at_the_kept_step_and_finds_back_to_it(page: Any, run: str) -> None:
    for tab in ("live", "layers"):
        opened(page, run, tab)
        scrubber = page.locator(f"#ms-{tab} .mc-scrub")
        page.wait_for_function(f"document.querySelector('#ms-{tab} .mc-step')?.textContent === '7, kept'")
        slider = scrubber.get_by_role("slider")
        assert slider.input_value() == "7"
        slider.focus()
        page.keyboard.press("End")
        page.wait_for_function(f"document.querySelector('#ms-{tab} .mc-step').textContent === '20'")
        scrubber.get_by_role("button", name="kept step").click()
        page.wait_for_function(f"document.querySelector('#ms-{tab} .mc-step').textContent === '7, kept'")


def test_a_what_if_begins_at_the_kept_step(page: Any, run: str) -> None:
    opened(page, run, "layers")
    page.get_by_role("button", name="Add change").click()
    with page.expect_request(lambda request: request.url.endswith("/ask/whatif")) as sent:
        page.get_by_role("button", name="Measure").click()
    assert '"step":7' in sent.value.post_data.replace(" ", "")
