"""Who reaches what, through every route; generated from the questions and /config, so that new ones are covered."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.suite.find import available
from core.suite.roots import roots
from dashboard import site
from dashboard.access import Access
from dashboard.door import QUESTIONS
from dashboard.security import guard
from dashboard.security.guard import FIXED
from dashboard.server import Site as WaitingSite
from tests.dashboard.client import Dashboard
from tests.dashboard.conftest import HOST, Site
from tests.dashboard.loops import inside_loop
from tests.dashboard.questions import CHANGING, READING, READING_OF_OWNER

PATHS = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "....//....//etc/passwd",
    "..\\..\\etc\\passwd", "file:///etc/passwd", "access.json", "../access.json", "%00", "a%00.js", ".", "..", "~",
    "C:\\Windows\\win.ini", "\\\\host\\share", "//etc/passwd", "shell.js/../../access.json", "shell.js%2f..%2f..",
    "..;/..;/etc/passwd", "%c0%ae%c0%ae/etc/passwd", "..%252f..%252fetc/passwd", "runs.sqlite3", "../runs.sqlite3",
    "/proc/self/environ", "proc/self/environ", "http://127.0.0.1/", "\u2025/etc/passwd", " ", "shell.js%0a",
)  # fmt: skip


@contextmanager
def unchanged(site: Site) -> Iterator[None]:
    """Asserts that neither runs nor links, sessions, folders and suites change inside the block."""

    def state() -> tuple[Any, ...]:
        runs = [(run.id, run.status, run.name) for run in site.ctx.store.runs()]
        access = site.ctx.access.links(), (site.ctx.store.folder / "access.json").read_bytes()
        return runs, access, roots(), available()

    before = state()
    yield
    assert state() == before


ARGUMENTS = ({"run": "0" * 12, "action": "cancel", "suite": "tiny"}, None, [], "x", {"run": {"a": 1}})


def own_posts(site: Site, prefix: str) -> list[str]:
    """Paths of the site's own routes that take a POST, of one of its two apps."""
    found = [route.path for route in site.app.routes if "POST" in (getattr(route, "methods", None) or ())]
    return [path for path in found if path.startswith("/view/") == bool(prefix)]


def routes(site: Site, http: TestClient, prefix: str, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every way to ask and call an app: (description, answer)."""
    asked = [f"{prefix}/ask/{name}" for name in QUESTIONS]
    for path in [path for path in own_posts(site, prefix) if "{" not in path] + asked:
        for args in ARGUMENTS:
            yield f"{path}({args})", http.post(path, json=args)
    for component in config["components"]:
        for name in (*component["props"].get("server_fns", ()), "share_create"):
            body = {"data": {}, "component_id": component["id"], "fn_name": name, "session_hash": "s"}
            yield f"{component['id']} {name}", http.post(f"{prefix}/gradio_api/component_server", json=body)
    for event in config["dependencies"]:
        body = {"data": [""] * len(event["inputs"]), "fn_index": event["id"], "session_hash": "s"}
        name = event["api_name"]
        for route in (f"run/{name}", "run/predict", f"call/{name}", "queue/join", "api/predict"):
            yield f"event {event['id']} by {route}", http.post(f"{prefix}/gradio_api/{route}", json=body)


@pytest.mark.slow
def test_a_stranger_reaches_no_handler_of_either_app_by_any_route(dashboard_site: Site, short_run: str) -> None:
    owner, viewer = dashboard_site.owner(), dashboard_site.viewer(short_run)
    configs = {"": owner.config, "/view": viewer.config}
    dashboard_site.ctx.access.revoke(viewer.http.cookies[dashboard_site.ctx.access.view_cookie].partition(".")[0])
    stranger = dashboard_site.stranger()
    asked = 0
    with unchanged(dashboard_site):
        for prefix, config in configs.items():
            for what, answer in routes(dashboard_site, stranger, prefix, config):
                asked += 1
                assert answer.status_code in (401, 403), (what, answer.status_code)
    assert asked > 100


def test_every_question_is_known_to_this_test(dashboard_site: Site) -> None:
    assert {name for name, one in QUESTIONS.items() if one.owners} == CHANGING | READING_OF_OWNER
    assert {name for name, one in QUESTIONS.items() if not one.owners} == READING
    assert own_posts(dashboard_site, "") == ["/ask/{name}", "/images-upload"]
    assert own_posts(dashboard_site, "/view") == ["/view/ask/{name}"]


@pytest.mark.slow
def test_a_viewer_reaches_no_handler_of_the_owner(dashboard_site: Site, short_run: str) -> None:
    owner, viewer = dashboard_site.owner(), dashboard_site.viewer(short_run)
    with unchanged(dashboard_site):
        for what, answer in routes(dashboard_site, viewer.http, "", owner.config):
            assert answer.status_code == 401, (what, answer.status_code)


@pytest.mark.parametrize(
    "route",
    [
        "upload",
        "vibe-edit",
        "undo-vibe-edit",
        "vibe-code",
        "cancel",
        "stream/x",
        "process_recording",
        "component_server",
        "queue/join",
        "run/predict",
        "reset",
    ],
)
def test_the_view_knows_no_other_route(dashboard_site: Site, route: str, short_run: str) -> None:
    viewer = dashboard_site.viewer(short_run)
    assert viewer.http.post(f"/view/gradio_api/{route}", json={}).status_code == 401
    assert viewer.http.post(f"/gradio_api/{route}", json={}).status_code == 401


def test_uploads_are_refused_to_guests_and_capped_for_the_owner(dashboard_site: Site) -> None:
    small = {"files": ("a.png", b"x" * 100, "image/png")}
    large = {"files": ("a.png", b"x" * (6 * 1024 * 1024), "image/png")}
    owner = dashboard_site.owner()
    assert dashboard_site.stranger().post("/gradio_api/upload", files=small).status_code == 401
    assert dashboard_site.viewer().http.post("/view/gradio_api/upload", files=small).status_code == 401
    assert owner.http.post("/gradio_api/upload", files=large).status_code == 413
    assert owner.http.post("/gradio_api/upload", files=small).status_code == 200


@pytest.mark.parametrize("route", ["/gradio_api/component_server", "/ask/history", "/ask/share_create"])
def test_a_body_without_a_length_is_cut_off(dashboard_site: Site, route: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 65536

    owner = dashboard_site.owner()
    headers = {"content-type": "application/json"}
    answer = owner.http.post(route, content=endless(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "[::2]", "10.0.0.1"])
def test_a_forged_host_is_refused(dashboard_site: Site, host: str) -> None:
    assert dashboard_site.stranger(host=host).get("/").status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:1234", "localhost", "LOCALHOST:80", "[::1]:80"])
def test_this_machines_names_are_answered(dashboard_site: Site, host: str) -> None:
    assert dashboard_site.stranger(host=host).get("/health").status_code == 200


def test_a_server_on_all_addresses_answers_to_addresses_but_not_to_names(dashboard_site: Site) -> None:
    app = guard.protect(dashboard_site.app, dashboard_site.ctx.access, "0.0.0.0", owner_app=True)
    http = TestClient(app, HOST)
    assert http.get("/health", headers={"host": "192.168.1.7:7860"}).status_code == 200
    assert http.get("/health", headers={"host": "rebound.example"}).status_code == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:7860"])
def test_a_post_from_another_site_is_refused_even_with_the_cookie(dashboard_site: Site, origin: str) -> None:
    owner = dashboard_site.owner()
    with unchanged(dashboard_site):
        answer = owner.http.post("/ask/share_create", json={}, headers={"origin": origin})
    assert answer.status_code == 403


def test_headers_stand_on_every_answer(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    asked = [(owner.http, path) for path in ("/", "/config", "/web/viewer.js", "/no-such-page", "/view/")]
    for http, path in [(dashboard_site.stranger(), "/"), *asked]:
        headers = http.get(path).headers
        assert {name: headers.get(name) for name in FIXED} == FIXED
        assert "access-control-allow-origin" not in headers


@pytest.mark.grid
@pytest.mark.parametrize("path", PATHS)
def test_path_strings_open_nothing_outside_the_roots(dashboard_site: Site, path: str, short_run: str) -> None:
    owner, viewer = dashboard_site.owner(), dashboard_site.viewer(short_run)
    secret = (dashboard_site.ctx.store.folder / "access.json").read_bytes()
    for http, prefix in ((owner.http, ""), (viewer.http, "/view")):
        for route in (f"/web/{path}", f"{prefix}/download/{path}/report", f"{prefix}/download/{short_run}/{path}",
                      f"/s/{path}/{path}", f"{prefix}/gradio_api/file={path}", f"{prefix}/assets/{path}"):  # fmt: skip
            answer = http.get(route, follow_redirects=False)
            assert b"root:" not in answer.content
            assert b"SQLite format" not in answer.content
            assert secret not in answer.content
            refused = answer.status_code in (303, 307, 400, 401, 403, 404, 405)
            assert refused or answer.headers["content-type"].startswith("text/html"), (route, answer.status_code)


def test_absolute_paths_of_the_workspace_are_not_served_as_gradio_files(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    for file in ("access.json", "runs.sqlite3"):
        answer = owner.http.get(f"/gradio_api/file={dashboard_site.ctx.store.folder / file}")
        assert answer.status_code in (403, 404)


def test_the_tunnel_leads_to_the_view_only(dashboard_site: Site, short_run: str) -> None:
    access, tunnel = dashboard_site.ctx.access, dashboard_site.tunnel()
    token = access.one_time_token()
    assert tunnel.get(f"/open/{token}").status_code == 401
    owner = dashboard_site.owner()
    assert tunnel.get("/view/config").status_code == 401
    tunnel.cookies.set(access.owner_cookie, owner.http.cookies[access.owner_cookie])
    assert tunnel.get("/config").status_code == 401
    assert tunnel.post("/gradio_api/component_server", json={}).status_code == 401
    assert tunnel.post("/ask/share_create", json={}).status_code == 401
    tunnel.cookies.clear()
    link = access.create_link(short_run)
    opened = tunnel.get(access.path(link), follow_redirects=False)
    assert opened.status_code == 303
    assert "Secure" in opened.headers["set-cookie"]
    assert tunnel.get("/view/config").status_code == 200
    assert tunnel.get("/", headers={"host": "127.0.0.1.nip.io"}).status_code == 400


def test_cookies_are_kept_from_scripts_and_other_sites(dashboard_site: Site) -> None:
    http = dashboard_site.stranger()
    cookie = http.get(f"/open/{dashboard_site.ctx.access.one_time_token()}").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    link = dashboard_site.ctx.access.create_link()
    cookie = http.get(dashboard_site.ctx.access.path(link), follow_redirects=False).headers["set-cookie"]
    assert "HttpOnly" in cookie


def test_no_secret_shows_in_config_or_logs(dashboard_site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        access = dashboard_site.ctx.access
        token = access.one_time_token()
        http = dashboard_site.stranger()
        http.get(f"/open/{token}")
        session = http.cookies[access.owner_cookie]
        config, page = http.get("/config").text, http.get("/").text
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    key = json.loads((dashboard_site.ctx.store.folder / "access.json").read_text())["key"]
    for secret in (session, token, key):
        assert secret not in config
        assert secret not in page
        assert secret not in ours


def test_documentation_and_monitoring_are_off(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    for path in ("/docs", "/redoc", "/openapi.json", "/monitoring", "/monitoring/summary", "/gradio_api/runs"):
        answer = owner.http.get(path)
        assert answer.status_code in (403, 404) or "analytics" not in answer.text, path
    assert owner.config["analytics_enabled"] is False
    assert all(event["api_visibility"] == "private" for event in owner.config["dependencies"])


@pytest.mark.slow
def test_a_read_only_server_shows_every_run_and_has_no_owner(
    tmp_path: Path, dashboard_site: Site, short_run: str
) -> None:
    ctx = replace(dashboard_site.ctx, readonly=True, jobs=None, access=Access(tmp_path, open_view=True))
    app = inside_loop(lambda: site.build(ctx))
    http = TestClient(guard.protect(app, ctx.access, "127.0.0.1", owner_app=False), HOST)
    assert http.get("/config").status_code == 401
    assert http.get(f"/open/{ctx.access.one_time_token()}").status_code == 401
    assert http.get("/", follow_redirects=False).headers["location"] == "/view/"
    view = Dashboard(http, "/view")
    assert short_run in [run["id"] for run in view.call("runs_list")["runs"]]
    assert all(view.post(name, {"run": short_run}).status_code == 404 for name in CHANGING | READING_OF_OWNER)
    assert http.post("/ask/runs_list", json={}).status_code == 401
    assert http.get(f"/view/download/{short_run}/model").status_code == 404
    assert http.get(f"/download/{short_run}/report").status_code == 401


def test_what_stands_before_the_site_stands_before_the_waiting_page_too() -> None:
    http = TestClient(guard.protect(WaitingSite(), Access(None), "127.0.0.1", owner_app=True), "http://127.0.0.1")
    waiting = http.get("/open/token")
    assert "is starting" in waiting.text
    assert dict(waiting.headers).items() >= (FIXED | {"cache-control": "no-store"}).items()
    assert http.get("/").status_code == 401
    assert http.get("/health", headers={"host": "rebound.example"}).status_code == 400
