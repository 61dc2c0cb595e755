"""The shell without a browser: addresses, the waiting page, start and stop, what pages may contain, colours."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from core.errors import BadInput, StoreReadOnly
from core.export.titles import title_of
from dashboard import page, theme
from dashboard.charts import bundle
from dashboard.context import NotOwner, NotVisible
from dashboard.pages import sidebar
from dashboard.security import notices
from dashboard.server import PORTS_TRIED, Server, Site, bind
from dashboard.tunnel import Tunnel
from tests.dashboard.conftest import Site as Dashboard
from tests.dashboard.loops import apart

ROOT = Path(__file__).resolve().parents[2]
TEXT_ON = {
    "text": ("surface", "card", "raised", "accent_soft", "bad_soft", "warn_soft"),
    "muted": ("surface", "card", "raised"),
    "accent": ("surface", "card", "accent_soft"),
    "on_accent": ("accent", "accent_hover"),
    "bad": ("card", "surface", "bad_soft"),
    "warn": ("card", "surface", "warn_soft"),
    "good": ("card", "accent_soft"),
    "warm": ("card",),
}


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two hex colours, WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_every_text_is_legible_on_every_ground_it_stands_on(colours: dict[str, str]) -> None:
    for text, grounds in TEXT_ON.items():
        for ground in grounds:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["strong_line"], colours["card"]) >= 3, "borders of controls"
    assert contrast(colours["accent"], colours["card"]) >= 3, "focus ring"


def test_no_colour_stands_beside_the_theme_and_the_palette() -> None:
    # Black and white are those of a drawing, whose ground is white or black in both modes.
    written = {
        path: path.read_text("utf-8")
        for folder in (ROOT / "dashboard", theme.WEB)
        for path in folder.rglob("*")
        if path.suffix in (".css", ".js", ".svg", ".html")
        and "node_modules" not in path.parts
        and ".min." not in path.name
    }
    found = {
        path.name: set(re.findall(r"(?<![\w&])#[0-9a-fA-F]{3,8}\b", text)) - {"#000", "#fff"}
        for path, text in written.items()
    }
    assert len(found) > 50
    assert {name: colours for name, colours in found.items() if colours} == {}
    assert re.findall("#[0-9a-f]{6}", theme.icon()) == [theme.LIGHT["accent"], theme.DARK["accent"]]


def test_the_contrast_formula_knows_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_style_sheets_name_no_colour_and_no_font_of_their_own() -> None:
    for sheet in ("mergescope.css", "setup.css", "share.css"):
        text = bundle.files()[sheet].plain.decode()
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?![\w-]*\s*[{,.>:])", re.sub(r"#ms-[\w-]+", "", text)), sheet
        assert "@font-face" not in text
        assert "url(" not in text


def test_every_custom_property_that_is_used_is_defined() -> None:
    defined = set(re.findall(r"(--ms-[\w-]+):", theme.colours()))
    for name, file in bundle.files().items():
        if name.endswith(".css"):
            assert set(re.findall(r"var\((--ms-[\w-]+)", file.plain.decode())) <= defined, name


def test_scripts_put_text_into_the_page_as_text_only() -> None:
    for name, file in bundle.files().items():
        if name.endswith(".js") and name != "plotly.js":
            text = file.plain.decode()
            assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name


def test_no_component_is_a_subclass_that_gradio_writes_a_file_for() -> None:
    assert not list((ROOT / "dashboard").rglob("*.pyi"))


@pytest.mark.slow
def test_the_page_has_no_permanent_connection_and_records_nothing(dashboard_site: Dashboard) -> None:
    for config in (dashboard_site.owner().config, dashboard_site.viewer().config):
        types = {component["type"] for component in config["components"]}
        assert not types & {"state", "timer", "plot", "fileexplorer", "browserstate"}
        assert config["connect_heartbeat"] is False
        assert not any(target[1] == "unload" for event in config["dependencies"] for target in event["targets"])


def test_the_page_starts_with_our_head_and_without_outside_addresses(dashboard_site: Dashboard) -> None:
    html = dashboard_site.owner().http.get("/").text
    head = html[: html.index("window.gradio_config")]
    assert head.index('id="ms-settings"') < head.index("/web/owner.js")
    assert "og:" not in head
    assert "twitter:" not in head
    outside = [url for url in re.findall(r"https?://[^\s\"'<>\\]+", html) if not url.startswith("http://127.0.0.1")]
    assert outside == []


def test_the_view_has_no_set_up_page_and_says_so_to_its_scripts(dashboard_site: Dashboard) -> None:
    owner, viewer = dashboard_site.owner().http.get("/").text, dashboard_site.viewer().http.get("/view/").text
    assert '"readonly": false' in owner
    assert '"readonly": true' in viewer
    assert bundle.url("owner.js") in owner
    assert "owner.js" not in viewer
    assert "setup_start" in bundle.files()["owner.js"].plain.decode()
    assert "setup_start" not in bundle.files()["viewer.js"].plain.decode()
    assert "setup" not in [shown.name for shown in page.pages(True)]


def test_own_files_are_cached_for_ever_under_an_address_that_changes(dashboard_site: Dashboard) -> None:
    http = dashboard_site.stranger()
    answer = http.get(bundle.url("viewer.js"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert http.get("/web/viewer.js").headers["cache-control"] == "no-cache"
    assert http.get("/web/plotly.js", headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_a_context_tells_who_may_do_what(dashboard_site: Dashboard, short_run: str) -> None:
    ctx, stranger = dashboard_site.ctx, httpx.Request("GET", "http://x/")
    with pytest.raises(NotOwner, match="owner's link"):
        ctx.owner(stranger)
    with pytest.raises(NotVisible):
        ctx.run(short_run, stranger)
    assert ctx.runs(stranger) == []
    assert not ctx.visible(["x"], stranger)
    with pytest.raises(StoreReadOnly, match="--runs"):
        replace(ctx, jobs=None).writing_jobs()


def test_the_list_of_runs_is_cut_and_still_finds_the_current_run(dashboard_site: Dashboard, short_run: str) -> None:
    owner = dashboard_site.owner()
    facts = {"suite": "tiny", "method": "average", "settings": {}, "seed": 0, "tasks": ["task0"], "steps": 0}
    made = [dashboard_site.ctx.store.create(**facts, execution={}, hashes={}, adapted_on="") for _ in range(3)]
    answer = owner.call("runs_list", limit=2, run=short_run)
    assert [run["id"] for run in answer["runs"]] == [made[2], made[1]]
    assert answer["more"] is True
    assert answer["current"]["id"] == short_run
    assert short_run in [run["id"] for run in answer["known"]]
    for run_id in made:
        dashboard_site.ctx.store.set_status(run_id, "cancelled")
        dashboard_site.ctx.store.delete(run_id)


def test_words_for_a_run(dashboard_site: Dashboard, short_run: str) -> None:
    record = dashboard_site.ctx.store.run(short_run)
    assert sidebar.notice(record) == ""
    assert "Resume" in sidebar.notice(replace(record, status="interrupted"))
    assert sidebar.notice(replace(record, status="failed", error="λ is NaN")) == "λ is NaN"
    assert "thread" in sidebar.machine(record)
    assert sidebar.ago("not a time") == ""
    assert title_of("forgotten") == "forgotten"


def test_a_taken_port_is_passed_over_and_a_bad_address_is_named() -> None:
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    if port + PORTS_TRIED < 65536:
        with pytest.raises(BadInput, match="free port"):
            bind("127.0.0.1", port)
        second = bind("127.0.0.1", port, others=True)
        assert port < second.getsockname()[1] < port + PORTS_TRIED
        second.close()
    first.close()
    with pytest.raises(BadInput, match="--port 0"):
        bind("203.0.113.7", 0)


def test_while_loading_a_page_waits_and_data_is_refused() -> None:
    http = TestClient(Site())
    assert "is starting" in http.get("/open/token").text
    assert 'http-equiv="refresh"' in http.get("/").text
    assert http.get("/health").json() == {"name": "mergescope", "ready": False}
    assert http.post("/").status_code == 503


def test_the_server_serves_what_was_loaded_and_stops() -> None:
    sock = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    site = Site()
    server = Server(site, [(sock, site)])
    seen: list[str] = []

    def load() -> FastAPI:
        seen.append(httpx.get(url).text)
        app = FastAPI()
        app.add_api_route("/", lambda: PlainTextResponse("loaded"), response_model=None)
        return app

    def opened() -> None:
        seen.append(httpx.get(url).text)
        server.stop()

    runner = threading.Thread(target=server.run, args=(load, opened))
    runner.start()
    runner.join(30)
    assert not runner.is_alive()
    assert "is starting" in seen[0]
    assert seen[1] == "loaded"


def test_what_fails_while_loading_ends_the_server_and_is_raised() -> None:
    site = Site()
    server = Server(site, [(bind("127.0.0.1", 0), site)])

    def load() -> FastAPI:
        raise BadInput("no such suite")

    with pytest.raises(BadInput, match="no such suite"):
        apart(lambda: server.run(load, lambda: None))


def test_without_a_way_out_the_tunnel_says_what_else_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr("gradio.networking.setup_tunnel", refuse)
    tunnel = Tunnel(wanted=True, port=1)
    tunnel.open()
    assert tunnel.url == ""
    assert "No public link" in tunnel.problem
    assert "HTML file" in tunnel.problem


def test_notices_are_complete_pages() -> None:
    for text in (notices.not_owner(), notices.no_link(), notices.bad_link(), notices.starting(), notices.forward("/")):
        assert text.startswith("<!doctype html>")
        assert "</html>" in text
        assert 'name="viewport"' in text


@pytest.mark.parametrize("wanted", ["nowhere", "missing.yaml", "empty.yaml"])
def test_a_bad_suite_is_told_before_gradio_is_loaded_and_the_site_built(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    (tmp_path / "empty.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "gradio", None)  # Importing it would fail.
    told = cli("ui", "--suite", wanted, "--port", "0", "--no-browser", "--runs", tmp_path / "runs")
    assert told.status == 2
    assert len(told.err.splitlines()) == 1
    assert wanted in told.err
