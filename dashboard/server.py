"""Runs the site: answers at once with a waiting page, loads the engine beside it, and opens a tunnel where asked to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

import uvicorn
from fastapi import FastAPI
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import BadInput
from dashboard.security import notices
from dashboard.security.connections import Connection

PORTS_TRIED = 20
T = TypeVar("T")


def bind(host: str, port: int, *, others: bool = False) -> socket.socket:
    """A listening socket on `host` and `port`; where that is taken, on the first free one above it if `others` do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last: OSError | None = None
    for candidate in range(port, port + (PORTS_TRIED if others else 1)) if port else (0,):
        # With the protocol named, asyncio sends what is small at once; else every answer waits 40 ms for the caller.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, candidate))
            sock.listen(128)
            return sock
        except (OSError, OverflowError) as error:
            sock.close()
            last = error if isinstance(error, OSError) else None
    raise BadInput(
        f"`--host {host} --port {port}` should be an address of this machine with a free port. "
        f"Found: {last or 'no such port'}. Try `--port 0`, which takes any free one."
    )


class Site:
    """ASGI application that shows a waiting page until `ready` hands it the real one."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    def ready(self, app: ASGIApp) -> None:
        """From now on answer with `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or ask the browser to wait."""
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _waiting(scope)(scope, receive, send)


def _waiting(scope: Scope) -> HTMLResponse | JSONResponse:
    if scope["method"] == "GET" and (
        scope["path"] in ("/", "/view", "/view/") or scope["path"].startswith(("/open/", "/s/"))
    ):
        return HTMLResponse(notices.starting())
    return JSONResponse({"name": "mergescope", "ready": False}, 503)


class Server:
    """One event loop with one listening socket, or two that show different sides of the same site."""

    def __init__(self, site: Site, doors: Sequence[tuple[socket.socket, ASGIApp]]) -> None:
        """Each door is a socket and what stands before `site` for those who come through it."""
        self._site = site
        self._doors = [(sock, _uvicorn(app)) for sock, app in doors]
        self._failure: Exception | None = None

    def run(self, load: Callable[[], FastAPI], opened: Callable[[], None]) -> None:
        """Serve until interrupted or stopped.

        `load` makes the application in a thread while a waiting page is shown; `opened` is called in a thread once
        everything answers. Raises what either of them raised.
        """
        asyncio.run(self._run(load, opened))
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End serving; may be called from any thread."""
        for _sock, server in self._doors:
            server.should_exit = True

    async def _run(self, load: Callable[[], FastAPI], opened: Callable[[], None]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Not available on Windows and outside the main thread, where Ctrl-C still raises KeyboardInterrupt.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as self._stack:
            preparing = asyncio.create_task(self._prepare(load, opened))
            serving = [asyncio.create_task(server.serve(sockets=[sock])) for sock, server in self._doors]
            await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
            self.stop()
            await asyncio.gather(*serving)
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)

    def show(self, app: FastAPI) -> None:
        """Answer with another application from now on; called from a thread of the one before."""
        asyncio.run_coroutine_threadsafe(self._show(app), self._loop).result()

    async def _show(self, app: FastAPI) -> None:
        await self._stack.enter_async_context(app.router.lifespan_context(app))
        self._site.ready(app)

    async def _prepare(self, load: Callable[[], FastAPI], opened: Callable[[], None]) -> None:
        try:
            await self._show(await _in_thread(load))
            await _in_thread(opened)
        except Exception as error:  # noqa: BLE001  (raised again by `run` in the main thread)
            self._failure = error
            self.stop()


class _Server(uvicorn.Server):
    """Leaves signals to `Server`: uvicorn's own handling stops one of two servers and ends the process untidied."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


def _uvicorn(app: ASGIApp) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            http=Connection,
            backlog=64,  # So many are accepted before one can be closed.
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
            proxy_headers=False,
        )
    )


async def _in_thread(work: Callable[[], T]) -> T:
    """`asyncio.to_thread` with a daemon thread: an impatient Ctrl-C does not wait for imports."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # Who waits may be cancelled; what is under way can't.

    def target() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  (raised again by whoever waits for the future)
            future.set_exception(error)

    threading.Thread(target=target, name="loading", daemon=True).start()
    return await asyncio.wrap_future(future)
