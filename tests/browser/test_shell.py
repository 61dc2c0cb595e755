"""The frame around the pages: finding a run again, addresses, dark mode, phone, keyboard, pausing, a killed server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import DESKTOP, Server, Watch, at_home, finish, start_server, wait_for


def start_long(server: Server, **settings: Any) -> str:
    """Start a run that goes on until it is cancelled."""
    with server.owner() as dashboard:
        wish = {"suite": "tiny", "method": "adamerging", "settings": {"steps": 100_000, "batch": 4} | settings}
        return str(dashboard.call("setup_start", **wish)["run"])


def cancel(server: Server, run: str) -> None:
    with server.owner() as dashboard:
        dashboard.call("run_action", run=run, action="cancel")


def status_of(server: Server, run: str) -> str:
    with server.owner() as dashboard:
        answer = dashboard.call("runs_list", run=run)
    listed = [*answer["runs"], *filter(None, [answer["current"]])]
    return str(next(item["status"] for item in listed if item["id"] == run))


def test_the_address_restores_run_tab_and_step(page: Any, server: Server, finished_run: str) -> None:
    page.goto(f"{server.url}/?run={finished_run}&tab=share&step=3")
    page.wait_for_selector(".ms-file-list li")
    assert page.evaluate("[mergescope.run, mergescope.tab, mergescope.step]") == [finished_run, "share", 3]
    page.get_by_role("tab", name="Set up").click()
    page.wait_for_url(re.compile("tab=setup"))
    assert f"run={finished_run}" in page.url


@pytest.mark.slow
def test_a_slow_browser_opens_the_tab_of_the_address(page: Any, server: Server, finished_run: str) -> None:
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 8})
    for tab in ("similarity", "compare"):
        page.goto(f"{server.url}/?run={finished_run}&tab={tab}")
        page.wait_for_function("tab => document.getElementById('ms-tab-' + tab)?.offsetParent", arg=tab)
        page.wait_for_timeout(1500)
        assert page.evaluate("[mergescope.tab, mergescope.shows(mergescope.tab)]") == [tab, True]
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.get_by_role("tab", name="Live").click()
    page.wait_for_function("mergescope.tab === 'live'")


def test_a_click_on_a_run_makes_it_current_everywhere(page: Any, server: Server, finished_run: str) -> None:
    at_home(page)
    row = page.locator(f'.ms-run-row[data-run="{finished_run}"] .ms-run')
    row.click()
    page.wait_for_selector("#ms-header .ms-pill.done")
    assert row.get_attribute("aria-current") == "true"
    assert page.locator("#ms-header h1").inner_text() == "short run"
    assert f"run={finished_run}" in page.url
    assert page.evaluate("mergescope.tab") == "live"


def test_an_unknown_run_in_the_address_is_told_and_another_is_shown(
    page: Any, server: Server, finished_run: str
) -> None:
    page.goto(f"{server.url}/?run=000000000000")
    page.get_by_text("The run in this link is not here").wait_for()
    assert page.evaluate("mergescope.run") != "000000000000"


@pytest.mark.parametrize("run", ["../../etc/passwd", "<img src=x onerror=alert(1)>", "%00", "a" * 500])
def test_strange_addresses_do_no_harm(page: Any, server: Server, run: str) -> None:
    at_home(page)
    page.evaluate("run => { location.search = '?run=' + encodeURIComponent(run) + '&tab=<b>&step=-1' }", run)
    page.wait_for_selector("#ms-tabs")
    assert page.evaluate("mergescope.step") is None
    assert page.evaluate("mergescope.tabs.includes(mergescope.tab)")


def test_pause_resume_and_cancel_from_the_header(page: Any, server: Server) -> None:
    run = start_long(server, lr=0.002)
    page.goto(f"{server.url}/?run={run}&tab=live")
    page.wait_for_selector("#ms-header .ms-pill.running")
    header = page.locator("#ms-header")
    header.get_by_role("button", name="Pause").click()
    page.wait_for_selector("#ms-header .ms-pill.paused")
    wait_for(lambda: status_of(server, run) == "paused", 5, "the run to pause")
    header.get_by_role("button", name="Resume").click()
    page.wait_for_selector("#ms-header .ms-pill.running")
    header.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("#ms-header .ms-pill.cancelled")
    assert status_of(server, run) == "cancelled"


def test_a_refresh_a_second_tab_and_a_phone_find_the_running_run(page: Any, phone: Any, server: Server) -> None:
    run = start_long(server, lr=0.003)
    try:
        page.goto(f"{server.url}/?run={run}&tab=live")
        page.wait_for_selector("#ms-header .ms-pill.running")
        page.reload()
        page.wait_for_selector("#ms-header .ms-pill.running")
        second = page.context.new_page()
        second.goto(server.url)
        second.wait_for_selector("#ms-header .ms-pill.running")
        phone.goto(server.url)
        phone.wait_for_selector("#ms-header .ms-pill.running")
        assert (
            page.evaluate("mergescope.run")
            == second.evaluate("mergescope.run")
            == phone.evaluate("mergescope.run")
            == run
        )
    finally:
        cancel(server, run)


def test_two_starts_queue_up_and_show_their_place(page: Any, server: Server) -> None:
    first, second = start_long(server, lr=0.004), start_long(server, lr=0.005)
    try:
        page.goto(f"{server.url}/?run={second}&tab=live")
        page.wait_for_selector("#ms-header .ms-pill.queued")
        assert "place 1" in page.locator("#ms-header .ms-words").inner_text()
    finally:
        cancel(server, second)
        cancel(server, first)


def test_the_theme_button_switches_and_is_remembered(page: Any) -> None:
    at_home(page)
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.locator(".ms-theme").click()
    assert page.evaluate("mergescope.theme") == "dark"
    dark = page.evaluate(background)
    assert light != dark
    page.reload()
    page.wait_for_selector("#ms-tabs")
    page.wait_for_function("mergescope.theme === 'dark'")
    assert page.evaluate(background) == dark


def test_nothing_is_wider_than_a_phone(phone: Any, server: Server, finished_run: str) -> None:
    phone.goto(f"{server.url}/?run={finished_run}")
    phone.wait_for_selector("#ms-header .ms-pill.done")
    for tab in phone.evaluate("mergescope.tabs"):
        phone.evaluate("tab => mergescope.open(tab)", tab)
        phone.wait_for_function("tab => document.getElementById('ms-tab-' + tab)?.offsetParent !== null", arg=tab)
        phone.wait_for_timeout(700)
        wide = phone.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 1, f"tab {tab} is {wide} px too wide"


def test_what_tells_runs_of_one_name_apart_can_be_read_whole(page: Any, phone: Any, server: Server) -> None:
    for steps, lr, group in ((2, 0.005, "tensor"), (3, 0.25, "block")):
        settings = {"steps": steps, "batch": 4, "lr": lr, "group": group}
        finish(server, method="adamerging", settings=settings, name="twins")
    for where in (page, phone):
        where.goto(server.url)
        where.wait_for_selector("html.ms-settled")
        if where is phone:
            where.locator(".toggle-button").click()
            where.wait_for_selector(".sidebar.open")
            where.wait_for_timeout(600)
        texts = where.locator(".ms-run-name small").filter(has_text="group=")
        assert texts.count() >= 2
        for text in texts.all():
            text.scroll_into_view_if_needed()
            whole = "node => [node, node.parentNode].every((one) => one.scrollWidth <= one.clientWidth)"
            assert text.evaluate(whole), text.inner_text()


def test_on_a_phone_the_list_of_runs_opens_and_closes(phone: Any, server: Server, finished_run: str) -> None:
    at_home(phone)
    phone.wait_for_selector("html.ms-mounted")
    assert not phone.locator(".ms-new").is_visible() or phone.locator(".sidebar.open").count() == 0
    phone.locator(".toggle-button").click()
    phone.wait_for_selector(".sidebar.open")
    phone.locator(f'.ms-run-row[data-run="{finished_run}"] .ms-run').click()
    phone.wait_for_selector(".sidebar:not(.open)", state="attached")
    assert phone.evaluate("mergescope.run") == finished_run


def test_everything_can_be_reached_by_keyboard(page: Any, finished_run: str) -> None:
    at_home(page)
    missing = {"ms-theme", "ms-new", "ms-run", "preset", "task0", "steps", "ms-start"}
    page.wait_for_selector(".ms-start:enabled")
    presses = page.evaluate("document.querySelectorAll('a, button, input, select, summary, [tabindex]').length")
    for _ in range(presses):
        page.keyboard.press("Tab")
        reached = page.evaluate("document.activeElement.className + ' ' + (document.activeElement.name || '')")
        missing = {name for name in missing if name not in reached}
        if not missing:
            break
    assert missing == set()


def test_every_control_has_a_name(page: Any, server: Server, finished_run: str) -> None:
    page.goto(f"{server.url}/?run={finished_run}")
    page.wait_for_selector(".ms-start:enabled")
    nameless = """() => [...document.querySelectorAll('button,input,select,a[href]')].filter((el) => el.offsetParent
        && !(el.getAttribute('aria-label') || el.title || el.textContent.trim() || el.labels?.length
             || el.getAttribute('aria-labelledby') || el.placeholder)).map((el) => el.outerHTML.slice(0, 120))"""
    for tab in ("setup", "share"):
        page.evaluate("tab => mergescope.open(tab)", tab)
        page.wait_for_timeout(500)
        assert page.evaluate(nameless) == []


def test_a_page_of_everything_is_light_and_stays_here(page: Any, server: Server) -> None:
    page.goto("about:blank")
    page.goto(server.url)
    page.wait_for_selector(".ms-start:enabled")
    sizes = "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
    total = page.evaluate(f"{sizes}.reduce((sum, entry) => sum + (entry.transferSize || 0), 0)")
    assert total <= 8 * 1024 * 1024, f"{total / 2**20:.1f} MiB"


@pytest.mark.slow
def test_a_killed_server_is_missed_and_comes_back_with_the_run_interrupted(
    chromium: Any, tmp_path: Path, tiny_suite: Path
) -> None:
    def page_of(server: Server) -> Any:
        context = chromium.new_context(viewport=DESKTOP, base_url=server.url)
        context.set_default_timeout(90_000)
        context.watch = Watch(context, server.url)
        context.add_cookies([{"name": n, "value": v, "url": server.url} for n, v in server.cookies.items()])
        return context.new_page()

    server = start_server(tmp_path / "runs", tiny_suite)
    try:
        run = start_long(server)
        page = page_of(server)
        page.goto(f"/?run={run}")
        page.wait_for_selector("#ms-header .ms-pill.running")
    finally:  # Its run would go on beside all other tests.
        server.process.kill()
        server.stop()
    page.get_by_text("The server does not answer").wait_for(timeout=60_000)
    assert page.locator("#ms-header .ms-pill.running").is_visible()
    page.context.close()
    again = start_server(tmp_path / "runs", tiny_suite)
    page = page_of(again)
    try:
        page.goto("/")
        page.wait_for_selector("#ms-header .ms-pill.interrupted", timeout=10_000)
        assert "Resume continues" in page.locator("#ms-header .ms-notice").inner_text()
        page.locator("#ms-header").get_by_role("button", name="Resume").click()
        page.wait_for_selector("#ms-header .ms-pill.running")
        page.locator("#ms-header").get_by_role("button", name="Cancel").click()
        page.wait_for_selector("#ms-header .ms-pill.cancelled")
    finally:
        page.context.close()
        again.stop()
    assert not page.context.watch.found
