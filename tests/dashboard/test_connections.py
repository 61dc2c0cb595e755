"""Callers who hold connections and send no request, or none that is HTTP."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.responses import PlainTextResponse

from dashboard import server
from dashboard.security import connections

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
