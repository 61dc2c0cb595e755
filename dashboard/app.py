"""Opens the dashboard: store, jobs and site put together, the address printed, a browser opened. Wiring only."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import webbrowser
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core import paths
from core.cli.output import tell
from core.errors import StoreReadOnly
from core.files import scratch
from core.runs.work import Worker
from dashboard import settings
from dashboard.access import Access
from dashboard.server import Server, Site, bind
from dashboard.tunnel import Tunnel

PORT = 7860
"""Where it is at if nobody says otherwise; another near it where this one is taken."""

if TYPE_CHECKING:
    from fastapi import FastAPI

    from core.store import Store
    from dashboard.context import Context
    from dashboard.library import Library


def serve(
    suite: str = "demo",
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    share: bool = False,
    open_browser: bool = True,
    read_only: bool = False,
    runs: Path | None = None,
) -> None:
    """Serve the dashboard until Ctrl-C.

    The address is printed at once, a waiting page stands there until the engine is loaded. With `read_only`
    everybody who reaches the address sees all runs and nobody can change anything. Raises `BadInput` for a suite,
    an address or a folder that can't be used.
    """
    settings.prepare()
    folder = (runs or paths.runs_folder()).expanduser().absolute()
    uploads = scratch()
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    dashboard = Dashboard(suite, host, folder, read_only, Tunnel(wanted=share))
    try:
        dashboard.run(bind(host, PORT if port is None else port, others=port is None), open_browser)
    finally:
        dashboard.close()
        shutil.rmtree(uploads, ignore_errors=True)


@dataclass
class Dashboard:
    """One running server and what it has opened."""

    suite: str
    host: str
    folder: Path
    read_only: bool
    tunnel: Tunnel
    context: Context | None = None
    server: Server | None = None
    worker: Worker = field(default_factory=Worker)
    _taking: threading.Lock = field(default_factory=threading.Lock)

    def run(self, sock: socket.socket, open_browser: bool) -> None:
        """Serve on `sock` until stopped."""
        from dashboard.security import guard
        from dashboard.security.guests import Guests

        self.folder.mkdir(parents=True, exist_ok=True)
        access = Access(self.folder, open_view=self.read_only)
        port = sock.getsockname()[1]
        site, guests = Site(), Guests(self.worker)
        doors = [(sock, guard.protect(site, access, self.host, owner_app=not self.read_only, guests=guests))]
        if self.tunnel.wanted:
            door = bind("127.0.0.1", 0)
            self.tunnel.port = door.getsockname()[1]
            doors.append((door, guard.protect_for_tunnel(site, access, guests)))
        announce(self.address(port), access, self.read_only, open_browser)
        self.server = Server(site, doors)
        self.server.run(partial(self.load, access), self.opened)

    def address(self, port: int) -> str:
        """What a person on this machine types."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def load(self, access: Access) -> FastAPI:
        """Open store and jobs and build the site; runs in a thread beside the waiting page."""
        from core.suite.find import find

        suite = find(self.suite)  # Before Gradio, which takes longer to load than a wrong name may take to be told.
        import gradio  # noqa: F401  (before the site, with the environment that `prepare` set)

        from core.store import Store
        from dashboard.library import Library

        library = Library(extra=(str(suite.path),), worker=self.worker)
        return self._built(access, library, suite.name, Store.open(self.folder, write=not self.read_only))

    def take_over(self) -> None:
        """Write to the runs from now on; raises `StoreReadOnly` unless the process that did has gone."""
        from core.store import Store

        assert self.context is not None
        assert self.server is not None
        with self._taking:
            before = self.context
            if before.store.read_only:
                store = Store.open(self.folder)
                if store.read_only:
                    store.close()
                    raise StoreReadOnly(f"{store.holder} writes to {self.folder}. Wait until it has ended.")
                self.server.show(self._built(before.access, before.library, before.suite, store))

    def _built(self, access: Access, library: Library, suite: str, store: Store) -> FastAPI:
        """The site over a store, and in `context` what it stands on."""
        from dashboard import site
        from dashboard.context import Context

        jobs, studies = None, None
        if not store.read_only:
            from core.runs.jobs import Jobs
            from core.studies.engine.background import Background

            jobs = Jobs(store, limit=settings.QUEUE, load=library.load_for_run, worker=library.worker)
            studies = Background(store, jobs, library.load)
        self.context = Context(
            store,
            jobs,
            self.read_only,
            access,
            library,
            suite,
            self.host,
            self.tunnel,
            settings.POLL_SECONDS,
            studies,
            self.take_over,
        )
        return site.build(self.context)

    def opened(self) -> None:
        """Everything answers: load the suite's models before somebody presses Start, open the tunnel."""
        assert self.context is not None
        if self.context.store.read_only and not self.read_only:
            tell(f"  Runs are view-only: {self.context.store.holder} is writing to {self.folder}.")
        if not self.read_only:
            self.context.library.warm(self.context.suite)
        if self.tunnel.wanted:
            threading.Thread(target=self._share, name="tunnel", daemon=True).start()

    def _share(self) -> None:
        assert self.context is not None
        self.tunnel.open()
        if self.tunnel.url:
            link = self.context.access.create_link("", days=3, label="--share")
            self.tunnel.link = link.id
            tell(f"  Public read-only link (72 hours): {self.tunnel.url}{self.context.access.path(link)}")
        else:
            tell(f"  {self.tunnel.problem}")

    def close(self) -> None:
        """Stop runs as interrupted and give up the store."""
        if self.context is None:
            return
        self.worker.close()
        self.context.store.close()


def announce(address: str, access: Access, read_only: bool, open_browser: bool) -> None:
    """Print where to look, and open a browser where there is one."""
    if read_only:
        tell(f"Mergescope (read-only) is at {address}/  Ctrl-C ends it.")
    else:
        tell(
            f"Mergescope is at {address}/open/{access.one_time_token()}  (this link signs one browser in)\n"
            "  Ctrl-C ends it; runs in progress can be resumed."
        )
    if open_browser and has_screen():
        target = f"{address}/" if read_only else f"{address}/open/{access.one_time_token()}"
        threading.Thread(target=webbrowser.open, args=(target,), name="browser", daemon=True).start()


def has_screen() -> bool:
    """False where a browser could only open in the terminal or on nobody's screen."""
    if os.name == "nt" or os.uname().sysname == "Darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
