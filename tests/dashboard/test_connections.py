"""Callers who hold connections and send no request, or none that is HTTP."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from dashboard import server
from dashboard.security import connections
from dashboard.security.gate import GUEST_BODY_BYTES
from dashboard.security.guests import Guests
from tests.dashboard.conftest import Site

MOST = 8


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that holds `MOST` connections and has a short answer to everything."""
    monkeypatch.setattr(connections, "MOST", MOST)
    sock = server.bind("127.0.0.1", 0)
    serving = server._uvicorn(PlainTextResponse("here"))
    thread = threading.Thread(target=serving.run, args=([sock],))
    thread.start()
    yield sock.getsockname()[1]
    serving.should_exit = True
    thread.join()


def opened(port: int, sent: bytes = b"") -> socket.socket:
    """A connection to it; whatever was sent."""
    made = socket.create_connection(("127.0.0.1", port))
    made.settimeout(10)
    made.sendall(sent)
    return made


def asked(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/", timeout=10).status_code


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"], ids=["nothing", "half a request"])
def test_silent_connections_keep_nobody_out(port: int, sent: bytes) -> None:
    silent = []
    for _ in range(3 * MOST):
        silent.append(opened(port, sent))
        time.sleep(0.005)
    assert asked(port) == 200
    assert [one.recv(1) for one in silent[:MOST]] == [b""] * MOST
    silent[-1].sendall(b"\r\n" if sent else b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert silent[-1].recv(12) == b"HTTP/1.1 200"
    for one in silent:
        one.close()


def test_what_is_no_http_is_answered_without_a_traceback(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        with opened(port, b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n") as broken:
            assert broken.recv(12) == b"HTTP/1.1 400"
            while broken.recv(1000):
                pass
        assert asked(port) == 200
    assert caplog.records == []


@pytest.mark.parametrize("route", ["/web/images-upload", "/s/a/images-upload", "/s/a/gradio_api/upload", "/health"])
def test_nobody_but_the_owner_sends_a_body_to_what_everybody_may_get(dashboard_site: Site, route: str) -> None:
    """The ends of these paths once gave strangers the owner's cap, 4 GiB that were kept in memory."""
    assert dashboard_site.stranger().post(route, content=b"x").status_code == 401
    answer = dashboard_site.viewer().http.post("/view/ask/runs_list", content=b"x" * (GUEST_BODY_BYTES + 1))
    assert answer.status_code == 413


def test_cookies_that_somebody_made_up_make_no_more_guests_of_them(
    dashboard_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, serve = [], Guests.serve

    async def noted(self: Guests, *args: Any, who: Any) -> None:
        seen.append(who)
        await serve(self, *args, who=who)

    monkeypatch.setattr(Guests, "serve", noted)
    http = dashboard_site.viewer().http
    for value in ("a", "b"):
        http.cookies["other"] = value
        assert http.get("/view/config").status_code == 200
    assert seen[-1] == seen[-2]
