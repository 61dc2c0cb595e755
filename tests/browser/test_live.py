"""The live tab in a real browser: a run is watched from start to end, left and found again."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dashboard.settings import POLL_SECONDS
from tests.browser.conftest import TITLES, Server, finish, wait_for

HEATMAP = "#ms-live .heatmaplayer image"
ALREADY = "mergescope.charts.hub.run"


def open_run(page: Any, run: str, tab: str = "live") -> None:
    """Show a run as a link to it does, and wait for its heatmap."""
    here = page.url.partition("?")[0]  # A guest stays in the view that the link opened.
    page.goto(f"{here if here.startswith('http') else '/'}?run={run}&tab={tab}")
    page.wait_for_selector(f"#ms-{tab} .heatmaplayer image", state="attached")
    page.wait_for_function(f"{ALREADY}?.frames.length > 0")


def start(server: Server, steps: int = 400, **wish: Any) -> str:
    """Start a run that goes on for a while."""
    with server.owner() as owner:
        settings = {"steps": steps, "batch": 4, "group": "tensor", "keep_step": "last"}
        answer = owner.call("setup_start", suite="tiny", method="adamerging", settings=settings, **wish)
    assert "run" in answer, answer
    return str(answer["run"])


def act(server: Server, run: str, action: str) -> None:
    """Pause, resume or cancel as the header's buttons do."""
    with server.owner() as owner:
        assert owner.call("run_action", run=run, action=action) == {"ok": True}


@pytest.fixture
def running(server: Server) -> Any:
    """Id of a run that goes on; cancelled afterwards."""
    run = start(server, steps=20_000, evaluate_every=200)
    yield run
    with server.owner() as owner:
        owner.call("run_action", run=run, action="cancel")


def test_a_run_is_drawn_from_its_first_steps_to_its_end(page: Any, server: Server) -> None:
    run = start(server, steps=60, evaluate_every=20)
    open_run(page, run)
    page.wait_for_function(f"{ALREADY}.complete")
    assert page.evaluate(f"{ALREADY}.frames.map((frame) => frame.number)") == list(range(61))
    assert page.locator("#ms-live .mc-step").first.text_content() == "60"
    page.wait_for_function("document.querySelectorAll('#ms-live .scatterlayer .trace').length > 3")
    assert "all test images" in page.locator("#ms-live").inner_text()


def test_agreement_is_drawn_while_the_run_goes_on(page: Any, running: str) -> None:
    open_run(page, running)
    looks = f"{ALREADY}.agreements.filter((one) => one.half === 'choosing')"
    page.wait_for_function(f"{looks}.length > 2 && {ALREADY}.status === 'running'")
    chart = f"document.querySelector('[aria-label=\"{TITLES['AGREEMENT']}\"]').data"
    page.wait_for_function(f"{chart}?.[0].x.length > 2")
    assert page.evaluate(f"{chart}.length") == 4
    assert page.evaluate(f"{chart}[0].y.every((value) => value >= 0 && value <= 1)")


def test_what_is_drawn_is_what_is_stored(page: Any, server: Server, finished_run: str) -> None:
    open_run(page, finished_run)
    with server.owner() as owner:
        answer = owner.call("history", run=finished_run)
    shown = page.evaluate(f"Array.from({ALREADY}.origin)")
    drawn = page.evaluate("document.querySelector('#ms-live .mc-plot').data[0].z.map((row) => Array.from(row))")
    assert len(drawn) == 3
    assert len(drawn[0]) == len(answer["columns"])
    assert shown == pytest.approx([0.3] * len(shown))
    assert any(abs(value - 0.3) > 1e-4 for row in drawn for value in row)


def test_zoom_survives_new_steps(page: Any, running: str) -> None:
    open_run(page, running)
    plot = page.locator("#ms-live .mc-plot").first
    plot.scroll_into_view_if_needed()
    zoom = "document.querySelector('#ms-live .mc-plot').layout.xaxis.range.map((x) => Math.round(10 * x))"
    whole = page.evaluate(f"10 * {ALREADY}.columns.length - 5")

    def drag() -> bool:
        box = plot.bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 62, steps=8)
        page.mouse.up()
        page.wait_for_timeout(300)
        return bool(page.evaluate(f"{zoom}[1] < {whole}"))

    # A busy machine may paint between two movements of the mouse; a person would drag again, too.
    wait_for(drag, 30, "a drag to zoom")
    before, last = page.evaluate(zoom), page.evaluate(f"{ALREADY}.last")
    page.wait_for_function(f"{ALREADY}.last > {last} + 3")
    page.wait_for_timeout(500)
    assert page.evaluate(zoom) == before


def test_pause_holds_the_run_within_a_second_and_resume_goes_on(page: Any, server: Server, running: str) -> None:
    open_run(page, running)
    page.wait_for_function(f"{ALREADY}.last > 2")
    act(server, running, "pause")
    with server.owner() as owner:
        page.wait_for_timeout(1000)
        held = owner.call("history", run=running, since=10**6)["steps_done"]
        page.wait_for_timeout(1500)
        assert owner.call("history", run=running, since=10**6)["steps_done"] == held
        page.wait_for_function(f"{ALREADY}.status === 'paused'")
        act(server, running, "resume")
        wait_for(lambda: owner.call("history", run=running, since=10**6)["steps_done"] > held, 30, "further steps")
    page.wait_for_function(f"{ALREADY}.last > {held}")


def test_step_in_the_address_is_found_again_after_a_reload(page: Any, finished_run: str) -> None:
    open_run(page, finished_run)
    page.evaluate("mergescope.charts.hub.setStep(5)")
    page.wait_for_function("new URLSearchParams(location.search).get('step') === '5'")
    page.reload()
    page.wait_for_selector(HEATMAP, state="attached")
    page.wait_for_function("document.querySelector('#ms-live .mc-step').textContent === '5'")
    assert page.evaluate("mergescope.charts.hub.id") == finished_run


def test_nothing_is_asked_while_another_tab_is_open(page: Any, running: str) -> None:
    open_run(page, running)
    page.evaluate("mergescope.open('setup')")
    page.wait_for_timeout(1500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert not [url for url in asked if url.endswith("/ask/history")]
    page.evaluate("mergescope.open('live')")
    page.wait_for_timeout(2500)
    assert [url for url in asked if url.endswith("/ask/history")]


def test_polls_pause_between_answers(page: Any, running: str) -> None:
    open_run(page, running)
    page.wait_for_timeout(1500)
    page.evaluate("""() => {
        const source = mergescope.charts.hub.source, history = source.history;
        let rested = Infinity; // when the last answer came, unless it said that there is more
        window.pauses = [];
        source.history = async (args) => {
            if (Number.isFinite(rested)) window.pauses.push(performance.now() - rested);
            const answer = await history(args);
            rested = answer.more ? Infinity : performance.now();
            return answer;
        };
    }""")
    page.wait_for_function("window.pauses.length >= 5")
    # The page measures, so its machine may be slow. A change of the layout wakes the poller: that may happen once.
    early = [pause for pause in page.evaluate("window.pauses") if pause < 990 * POLL_SECONDS]
    assert len(early) <= 1, early


def test_a_lost_connection_is_told_and_healed(owner_context: Any, page: Any, running: str) -> None:
    open_run(page, running)
    owner_context.watch.allowed.append("Failed to load resource|net::|fetch|component server")
    broken = re.compile("/ask/")
    page.route(broken, lambda route: route.abort())
    page.wait_for_function("mergescope.charts.hub.failures > 1")
    last = page.evaluate(f"{ALREADY}.last")
    page.unroute(broken)
    page.wait_for_function(f"{ALREADY}.last > {last} && mergescope.charts.hub.failures === 0")


def test_colours_follow_the_theme(page: Any, finished_run: str) -> None:
    open_run(page, finished_run)
    scale = "document.querySelector('#ms-live .mc-plot').data[0].colorscale[0][1]"
    page.evaluate("mergescope.setTheme('light')")
    page.wait_for_function(f"{scale} === mergescope.charts.palette.themes.light.sequential[0][1]")
    page.evaluate("mergescope.setTheme('dark')")
    page.wait_for_function(f"{scale} === mergescope.charts.palette.themes.dark.sequential[0][1]")


def test_clicked_cell_is_followed_over_time(page: Any, finished_run: str) -> None:
    open_run(page, finished_run)
    plot = page.locator("#ms-live .mc-plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 30)
    page.wait_for_selector("#ms-live .hoverlayer .hovertext", state="attached")
    assert "λ = 0." in page.locator("#ms-live .hoverlayer").first.text_content()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 30)
    page.get_by_text(TITLES["cell"]).wait_for()
    page.wait_for_function("document.querySelectorAll('#ms-live .mc-plot')[1].data?.length >= 3")


def test_markup_in_a_name_stays_text(page: Any, server: Server) -> None:
    bad = "<img src=x onerror=window.__x=1>"
    run = finish(server, method="adamerging", settings={"steps": 3, "batch": 4}, name=bad)
    open_run(page, run)
    page.evaluate("mergescope.open('layers')")
    page.wait_for_selector("#ms-layers .heatmaplayer image", state="attached")
    assert page.evaluate("window.__x") is None
    assert page.locator("img[src=x]").count() == 0


def test_phone_shows_everything_without_scrolling_sideways(phone: Any, finished_run: str) -> None:
    open_run(phone, finished_run)
    phone.wait_for_timeout(500)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    widths = phone.evaluate(
        "[...document.querySelectorAll('#ms-live .mc-plot')].filter((plot) => plot.offsetParent)"
        ".map((plot) => [plot.clientWidth, plot.querySelector('.main-svg')?.clientWidth ?? plot.clientWidth])"
    )
    assert widths
    assert all(0 < drawn <= place <= 390 for place, drawn in widths)


def test_guest_sees_the_run_of_the_link_and_no_other(server: Server, guest: Any, finished_run: str) -> None:
    other = finish(server, method="adamerging", settings={"steps": 3, "batch": 4}, name="private")
    with server.owner() as owner:
        link = owner.call("share_create", run=finished_run, days=1)["link"]
    page = guest.new_page()
    page.goto(server.url + link["path"])
    open_run(page, finished_run)
    answer = page.evaluate("(run) => mergescope.charts.hub.source.history({ run })", other)
    assert "error" in answer
    assert "coefficients" not in answer
    assert page.evaluate("mergescope.charts.hub.source.whatif") is None
