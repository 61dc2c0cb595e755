"""The layers tab in a real browser: scrub, group, compare, follow a cell, change λ and keep it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import Server, finish
from tests.browser.test_live import ALREADY, open_run

MAP = "document.querySelector('#ms-layers .mc-plot')"


@pytest.fixture
def layers(page: Any, finished_run: str) -> Any:
    """The tab with a finished run."""
    open_run(page, finished_run, "layers")
    page.wait_for_function(f"{ALREADY}.complete")
    page.wait_for_timeout(300)
    return page


def press(page: Any, name: str) -> None:
    """Press a button of the tab."""
    page.locator("#ms-layers").get_by_role("button", name=name, exact=True).click()


def drawn(page: Any) -> list[list[float]]:
    """The matrix of the picture."""
    return page.evaluate(f"{MAP}.data[0].z.map((row) => Array.from(row))")


def wait_for_map(page: Any, condition: str) -> None:
    """Until the picture is as it should be."""
    page.wait_for_function(f"(() => {{ const map = {MAP}; return {condition}; }})()")


def test_slider_shows_any_step_and_keeps_the_address(layers: Any) -> None:
    slider = layers.locator("#ms-layers input[type=range]").first
    slider.focus()
    layers.keyboard.press("Home")
    wait_for_map(layers, "map.data[0].z.every((row) => row.every((value) => Math.abs(value - 0.3) < 1e-6))")
    layers.keyboard.press("ArrowRight")
    layers.wait_for_function("new URLSearchParams(location.search).get('step') === '1'")
    first = drawn(layers)
    layers.keyboard.press("End")
    wait_for_map(layers, f"Math.abs(map.data[0].z[0][0] - {first[0][0]}) > 1e-5")


def test_play_runs_through_all_steps(layers: Any) -> None:
    layers.locator("#ms-layers").get_by_role("button", name="Play all steps").click()
    layers.wait_for_function("mergescope.charts.hub.step !== null && mergescope.charts.hub.step < 11")
    layers.wait_for_function("mergescope.charts.hub.step === 12")
    layers.locator("#ms-layers").get_by_role("button", name="Play all steps").wait_for()


def test_groups_are_means_of_their_tensors(layers: Any) -> None:
    tensors = drawn(layers)
    press(layers, "Blocks")
    wait_for_map(layers, "map.data[0].z[0].length < 10")
    blocks = layers.evaluate(
        "mergescope.charts.groups(mergescope.charts.hub.run.columns, 'block').map((group) => group.members)"
    )
    expected = [[sum(row[place] for place in members) / len(members) for members in blocks] for row in tensors]
    assert drawn(layers) == [pytest.approx(row, abs=1e-6) for row in expected]
    press(layers, "Kinds")
    wait_for_map(layers, "map.data[0].x.includes('attention')")


def test_change_since_step_0_is_zero_at_step_0(layers: Any) -> None:
    press(layers, "Change since step 0")
    wait_for_map(layers, "map.data[0].zmin === -map.data[0].zmax && map.data[0].z.flat !== undefined")
    assert any(abs(value) > 1e-4 for row in drawn(layers) for value in row)
    layers.evaluate("mergescope.charts.hub.setStep(0)")
    wait_for_map(layers, "map.data[0].z.every((row) => row.every((value) => value === 0))")


def test_two_runs_beside_each_other_and_subtracted(layers: Any, server: Server) -> None:
    finish(server, method="adamerging", settings={"steps": 12, "batch": 4, "seed": 5}, name="other seed")
    press(layers, "Against another run")
    menu = layers.locator("#ms-layers").get_by_label("Run", exact=True)
    layers.wait_for_function("document.querySelectorAll('#ms-layers select[aria-label=Run] option').length > 1")
    menu.select_option(index=1)
    layers.wait_for_function("mergescope.charts.hub.second?.complete")
    layers.wait_for_function("document.querySelectorAll('#ms-layers .heatmaplayer').length >= 2")
    press(layers, "Difference")
    wait_for_map(layers, "map.data[0].zmin === -map.data[0].zmax")
    own = layers.evaluate("Array.from(mergescope.charts.hub.run.values(null))")
    others = layers.evaluate(
        "Array.from(mergescope.charts.align(mergescope.charts.hub.second, mergescope.charts.hub.second.values(null), "
        "mergescope.charts.hub.run))"
    )
    flat = [value for row in drawn(layers) for value in row]
    assert flat == pytest.approx([a - b for a, b in zip(own, others, strict=True)], abs=1e-6)
    assert any(abs(value) > 1e-4 for value in flat)


def test_cell_tells_norm_and_sign_conflict(layers: Any) -> None:
    layers.locator("#ms-layers .mc-plot").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"):
        layers.keyboard.press(key)
    facts = layers.locator("#ms-layers .mc-list")
    facts.get_by_text("sign conflict").wait_for(timeout=60_000)
    text = facts.inner_text()
    assert "‖τ‖" in text
    assert "conv1.weight" in text
    layers.wait_for_function("document.querySelectorAll('#ms-layers .mc-plot')[2].data?.length >= 3")


def test_changed_coefficients_are_measured_and_kept_as_a_run(layers: Any, finished_run: str) -> None:
    panel = layers.locator("#ms-layers")
    panel.get_by_label("Task", exact=True).select_option(index=1)
    panel.get_by_label("Value").fill("0.9")
    press(layers, "Add change")
    wait_for_map(layers, "map.data[0].z[0].every((value) => Math.abs(value - 0.9) < 1e-6)")
    press(layers, "Measure")
    panel.locator(".mc-table").wait_for(timeout=90_000)
    rows = panel.locator(".mc-table tbody tr").all_inner_texts()
    assert len(rows) == 4
    assert rows[-1].startswith("mean")
    panel.get_by_label("Name of the new run").fill("by hand")
    press(layers, "Save as a run")
    layers.wait_for_function(f"mergescope.run && mergescope.run !== '{finished_run}'", timeout=90_000)
    layers.wait_for_function(f"{ALREADY}?.complete")
    assert layers.evaluate(f"{ALREADY}.about.name") == "by hand"
    assert layers.evaluate(f"{ALREADY}.tasks.map((task, row) => {ALREADY}.track(row, [0]).y[0])[0]") == pytest.approx(
        0.9
    )


def test_undo_brings_the_learned_coefficients_back(layers: Any) -> None:
    before = drawn(layers)
    press(layers, "Add change")
    wait_for_map(layers, "map.data[0].z[0].every((value) => Math.abs(value - 0.3) < 1e-6)")
    press(layers, "Undo all")
    wait_for_map(layers, f"Math.abs(map.data[0].z[0][0] - {before[0][0]}) < 1e-6")
    assert drawn(layers) == before


def test_a_method_without_coefficients_says_so(page: Any, server: Server) -> None:
    run = finish(server, method="average", settings={}, name="plain mean")
    page.goto(f"{server.url}/?run={run}&tab=layers")
    page.locator("#ms-layers").get_by_text("No coefficients in this run").wait_for()


def test_guest_can_look_but_not_change(server: Server, guest: Any, finished_run: str) -> None:
    with server.owner() as owner:
        path = owner.call("share_create", run=finished_run, days=1)["link"]["path"]
    page = guest.new_page()
    page.goto(server.url + path)
    open_run(page, finished_run, "layers")
    assert page.get_by_text("What if?").count() == 0
    asked = {
        name: guest.request.post(f"{server.url}/view/ask/{name}", data={"run": finished_run, "step": 0}).status
        for name in ("describe", "whatif", "whatif_save")
    }
    assert asked == {"describe": 200, "whatif": 404, "whatif_save": 404}
