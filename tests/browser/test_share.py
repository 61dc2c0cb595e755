"""Sharing as owner and as guest, and names that would like to be scripts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import Server, at_home, finish

PAYLOADS = (
    "<script>window.__x=1</script>",
    "<img src=x onerror=window.__x=1>",
    '"><svg onload=window.__x=1>',
    "{{value}}",
    "${window.__x=1}",
    "{{constructor.constructor('window.__x=1')()}}",
    "<iframe srcdoc='<script>parent.__x=1</script>'>",
    "javascript:window.__x=1",
    "[a](javascript:window.__x=1)",
    "<a href=javascript:window.__x=1>a</a>",
    "';window.__x=1;'",
    "\\u003cimg src=x onerror=window.__x=1\\u003e",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=__x=1>",
    "<details open ontoggle=window.__x=1>",
    "<b onmouseover=window.__x=1>b</b>",
    "&lt;img src=x onerror=window.__x=1&gt;",
    "<style>@import 'javascript:window.__x=1'</style>",
    "`${window.__x=1}`",
    "<body onload=window.__x=1>",
    "<marquee onstart=window.__x=1>",
)


def test_a_guest_sees_the_shared_run_and_can_change_nothing(
    page: Any, guest: Any, server: Server, finished_run: str
) -> None:
    other = finish(server, method="average", name="not shared")
    page.goto(f"{server.url}/?run={finished_run}&tab=share")
    page.get_by_role("button", name="Create link").click()
    link = page.locator(".ms-link-list .ms-url").first.inner_text()
    assert re.fullmatch(re.escape(server.url) + r"/s/[0-9a-f]{16}/[0-9a-f]{32}", link)
    view = guest.new_page()
    view.goto(link + "?tab=live")
    view.wait_for_selector("#ms-header .ms-pill.done")
    assert view.url.startswith(f"{server.url}/view/?")
    assert view.locator(".ms-run-row").count() == 1
    assert view.evaluate("mergescope.readonly")
    assert view.get_by_role("tab", name="Set up").count() == 0
    for name in ("New merge", "Pause", "Cancel", "Resume", "Share", "Delete run", "Create link", "Rename"):
        assert view.get_by_role("button", name=name, exact=True).count() == 0, name
    view.evaluate("mergescope.open('share')")
    view.wait_for_selector(".ms-file-list li")
    with view.expect_download() as download:
        view.get_by_role("link", name="Download Report").click()
    assert download.value.suggested_filename.endswith(".json")
    guest.watch.allowed.append("401|404")
    for path in ("/", f"/view/?run={other}"):
        view.goto(server.url + path)
        view.wait_for_selector(".ms-run-row")
        assert view.locator(f'[data-run="{other}"]').count() == 0
    page.locator(".ms-link-list li", has=page.locator(".ms-url", has_text=link)).get_by_role(
        "button", name="Revoke"
    ).click()
    page.locator(".ms-toast", has_text="Revoked").wait_for()
    view.goto(f"{server.url}/view/")
    assert "needs a link" in view.locator("h1").inner_text()


def test_a_new_link_opens_where_its_maker_was(page: Any, server: Server, finished_run: str) -> None:
    page.goto(f"{server.url}/?run={finished_run}&tab=layers&step=3")
    page.wait_for_selector("#ms-layers .heatmaplayer image", state="attached")
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("tab", name="Share").click()
    page.get_by_role("button", name="Create link").click()
    page.wait_for_function("window.copied")
    assert page.evaluate("window.copied").endswith("?tab=layers&step=3")


def test_a_stranger_is_told_what_to_do(guest: Any, server: Server) -> None:
    guest.watch.allowed.append("401|403|404")
    stranger = guest.new_page()
    for path, words in (("/", "is private"), ("/view/", "needs a link"), ("/open/nonsense", "no longer works"),
                        ("/s/0123456789abcdef/" + "0" * 32, "no longer works")):  # fmt: skip
        stranger.goto(server.url + path)
        assert words in stranger.locator("h1").inner_text()


def test_a_one_time_link_signs_another_browser_in(page: Any, guest: Any, server: Server) -> None:
    at_home(page)
    page.evaluate("mergescope.open('share')")
    page.get_by_role("button", name="Sign in another browser").click()
    link = page.locator(".ms-device .ms-url").inner_text()
    device = guest.new_page()
    device.goto(link)
    device.wait_for_url(server.url + "/**")
    device.wait_for_selector("#ms-tabs")
    assert device.get_by_role("tab", name="Set up").count() == 1
    assert "/open/" not in device.url


def test_a_run_can_be_renamed_and_deleted(page: Any, server: Server) -> None:
    run = finish(server, method="average")
    page.goto(f"{server.url}/?run={run}&tab=share")
    page.locator("#ms-share").get_by_label("Name of the run").fill("another name")
    page.get_by_role("button", name="Rename").click()
    page.locator(f'[data-run="{run}"] .ms-run-name', has_text="another name").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete run").click()
    page.wait_for_selector(f'[data-run="{run}"]', state="detached")
    assert page.evaluate("mergescope.run") != run


@pytest.mark.slow
def test_names_that_would_like_to_be_scripts_stay_text(page: Any, server: Server, finished_run: str) -> None:
    at_home(page)
    with server.owner() as dashboard:
        for payload in PAYLOADS:
            assert dashboard.call("share_rename", run=finished_run, name=payload[:100]) == {"ok": True}
            page.evaluate("mergescope.frame.refresh()")
            page.locator(f'[data-run="{finished_run}"] .ms-run-name', has_text=payload[:100]).wait_for()
        for tab in page.evaluate("mergescope.tabs"):
            page.goto(f"{server.url}/?run={finished_run}&tab={tab}")
            page.wait_for_selector("#ms-header .ms-pill.done")
            page.wait_for_timeout(600)
            assert page.evaluate("window.__x") is None, tab
        dashboard.call("share_rename", run=finished_run, name="short run")


def test_messages_are_text(page: Any) -> None:
    at_home(page)
    for payload in PAYLOADS:
        page.evaluate("text => mergescope.toast(text, 'error')", payload)
    page.wait_for_timeout(200)
    assert page.locator(".ms-toast").last.inner_text() == PAYLOADS[-1]
    assert page.evaluate("window.__x") is None
