"""The page "Set up" as a newcomer uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser.conftest import Server, at_home
from tests.core.clusters import require_ray


def opened(page: Any) -> Any:
    """The page with its form ready."""
    at_home(page)
    page.evaluate("mergescope.open('setup')")
    page.wait_for_selector(".ms-start:enabled")
    return page


def set_field(page: Any, name: str, value: str) -> None:
    page.locator(f'.ms-field[data-name="{name}"] input').fill(value)


def choose_method(page: Any, name: str) -> None:
    page.locator(f'.ms-chip input[value="{name}"]').check()


@pytest.mark.slow
def test_one_click_starts_a_run_and_follows_it(page: Any, server: Server) -> None:
    opened(page)
    set_field(page, "steps", "400")
    page.wait_for_selector(".ms-start:enabled")
    page.locator(".ms-start").click()
    page.wait_for_function("mergescope.tab === 'live' && mergescope.status && mergescope.status.status !== 'queued'")
    page.wait_for_function("mergescope.status.steps_done > 0")
    page.wait_for_selector("#ms-header .ms-pill.done", timeout=120_000)
    assert re.search(r"run=[0-9a-f]{12}", page.url)
    assert "% on average" in page.locator("#ms-header .ms-words").inner_text()


def test_a_double_click_starts_one_run(page: Any, server: Server) -> None:
    opened(page)
    before = page.evaluate("mergescope.frame.runs.length")
    choose_method(page, "average")
    page.wait_for_selector(".ms-start:enabled")
    page.locator(".ms-start").dblclick()
    page.wait_for_selector("#ms-header .ms-pill.done")
    page.evaluate("mergescope.frame.refresh()")
    page.wait_for_timeout(1000)
    assert page.evaluate("mergescope.frame.runs.length") == before + 1


def test_task_cards_show_images_classes_counts_and_accuracies(page: Any) -> None:
    opened(page)
    cards = page.locator(".ms-task")
    assert cards.count() == 3
    first = cards.first
    page.wait_for_function("document.querySelector('.ms-strip img')?.naturalWidth > 0")
    assert "red, green, blue, grey" in first.inner_text()
    assert "4 classes" in first.inner_text()
    assert "32 test" in first.inner_text()
    first.get_by_text(re.compile(r"base [\d.]+ % → expert [\d.]+ %")).wait_for(timeout=60_000)


def test_the_trust_check_names_tasks_and_offers_remedies(page: Any) -> None:
    opened(page)
    page.get_by_text(re.compile("likely to lose accuracy|stays close to every expert")).wait_for(timeout=60_000)
    if page.locator(".ms-plan .ms-note.warning").count():
        assert page.locator(".ms-task.caution").count() >= 1
        page.get_by_role("button", name="Use the experts instead").click()
        page.wait_for_function("document.querySelector('.ms-field[data-name=objective] select').value === 'expert_kl'")
        page.wait_for_selector(".ms-plan .ms-note.warning", state="detached")
        assert page.locator(".ms-task.caution").count() == 0


def test_a_wrong_value_is_told_beside_its_field_and_start_is_off(page: Any) -> None:
    opened(page)
    set_field(page, "steps", "-3")
    page.wait_for_selector(".ms-start:disabled")
    assert "should be 1 or more" in page.locator('.ms-field[data-name="steps"] .ms-wrong').inner_text()
    assert page.locator('.ms-field[data-name="steps"] input').get_attribute("aria-invalid") == "true"
    page.get_by_text(re.compile("`steps` of adamerging should be")).wait_for()
    set_field(page, "steps", "20")
    page.wait_for_selector(".ms-start:enabled")


def test_without_a_task_nothing_can_be_started(page: Any) -> None:
    opened(page)
    page.get_by_role("button", name="None", exact=True).click()
    page.wait_for_selector(".ms-start:disabled")
    page.get_by_text("Choose at least one task").wait_for()
    page.get_by_role("button", name="All", exact=True).click()
    page.wait_for_selector(".ms-start:enabled")


def test_presets_change_the_form_and_the_forecast(page: Any) -> None:
    opened(page)
    page.locator(".ms-presets label", has_text="Fast").click()
    assert page.locator('.ms-field[data-name="steps"] input').input_value() == "60"
    page.get_by_text(re.compile("60 (quick )?steps")).wait_for(timeout=60_000)
    page.locator(".ms-presets label", has_text="Paper settings").click()
    assert page.locator('.ms-field[data-name="steps"] input').input_value() == "500"


def test_every_default_names_its_source(page: Any) -> None:
    opened(page)
    sources = page.locator(".ms-source").all_inner_texts()
    assert len(sources) >= 8
    assert all("Default" in text and "(" in text for text in sources if text)


def test_settings_go_out_and_come_back_as_yaml(page: Any, tmp_path: Path) -> None:
    opened(page)
    set_field(page, "steps", "77")
    page.locator('.ms-task input[name="task1"]').uncheck()
    page.wait_for_selector(".ms-start:enabled")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save settings").click()
    file = tmp_path / "settings.yaml"
    download.value.save_as(file)
    saved = yaml.safe_load(file.read_text())
    assert (saved["settings"]["steps"], saved["tasks"]) == (77, ["task0", "task2"])
    saved["settings"]["steps"] = 88
    file.write_text(yaml.safe_dump(saved))
    page.set_input_files('.ms-plan input[type="file"]', str(file))
    page.get_by_text("Settings loaded.").wait_for()
    page.wait_for_function("document.querySelector('.ms-field[data-name=steps] input')?.value === '88'")
    assert not page.locator('.ms-task input[name="task1"]').is_checked()
    file.write_text("suite: nowhere")
    page.set_input_files('.ms-plan input[type="file"]', str(file))
    page.get_by_text("Unknown suite").wait_for()


def test_a_cluster_is_an_address_that_survives_a_refresh(page: Any) -> None:
    require_ray()
    opened(page)
    page.get_by_text("More options").click()
    page.get_by_label("Where").select_option(label="A Ray cluster")
    page.get_by_text("should be `ray` for this machine, or `ray://HOST:PORT`").wait_for()
    page.wait_for_selector(".ms-start:disabled")
    page.get_by_label("Address of the Ray cluster").fill("ray://127.0.0.1:9")
    page.wait_for_selector(".ms-start:enabled")
    page.reload()
    page.wait_for_selector(".ms-start:enabled")
    assert page.get_by_label("Address of the Ray cluster").input_value() == "ray://127.0.0.1:9"
    page.locator(".ms-start").click()
    page.wait_for_selector("#ms-header .ms-pill.failed")
    page.get_by_text("No Ray cluster could be reached").first.wait_for()


def test_choices_survive_a_refresh(page: Any) -> None:
    opened(page)
    set_field(page, "steps", "123")
    page.reload()
    page.wait_for_selector(".ms-start:enabled")
    assert page.locator('.ms-field[data-name="steps"] input').input_value() == "123"


def test_every_method_can_be_chosen(page: Any) -> None:
    opened(page)
    names = page.locator(".ms-chip input").evaluate_all("inputs => inputs.map((input) => input.value)")
    assert {"adamerging", "average", "ties"} <= set(names)
    for name in names:
        choose_method(page, name)
        page.wait_for_selector(".ms-start:enabled")
        assert page.locator(".ms-facts dd").count() >= 3


def test_methods_are_searched_by_what_they_do(page: Any) -> None:
    opened(page)
    shown = "[...document.querySelectorAll('.ms-chip')].filter((chip) => chip.offsetParent).length"
    search = page.locator(".ms-method-search")
    everything = page.evaluate(shown)
    search.fill("ties")
    assert 0 < page.evaluate(shown) < everything
    search.fill("no such method")
    assert page.get_by_text("No method matches.").is_visible()
    search.fill("")
    assert page.evaluate(shown) == everything
