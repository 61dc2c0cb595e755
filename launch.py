"""The only entry: without arguments it opens the dashboard, otherwise it carries out one command."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time

if __name__ == "__main__":
    gc.disable()  # Nobody looks for garbage in what is imported.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # While the rest is, Ctrl-C ends it without a traceback.

from importlib.util import find_spec
from typing import Annotated, Any

import typer

from core.cli import options, study
from core.cli.app import app, run
from core.cli.output import log_plainly
from core.errors import BadInput, MergescopeError

GLOBAL_OPTIONS = ("-h", "--help", "--version")
_PATIENCE = 1.0
"""Seconds after the first signal to stop in which another one is ignored: some shells and tools send two."""


def _port(text: str | int) -> int:
    if not str(text).isdecimal() or int(text) > 65535:
        raise BadInput(f"`--port` should be a number from 0 to 65535. Found `--port {text}`.")
    return int(text)


@app.command()
def ui(
    suite: Annotated[str, typer.Option(metavar="SUITE", help="The suite to select first.")] = "demo",
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(metavar="N", parser=_port, help="Port to listen on; 0: any free one. Default: 7860 or near it."),
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Also open a public link to a read-only view.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only show runs; don't start any.")] = False,
    runs: options.Runs = None,
) -> None:
    """Open the dashboard (the default command)."""
    if find_spec("dashboard.app") is None:
        raise MergescopeError(
            "The dashboard should be in the package `dashboard.app`. Found none in this installation; "
            "install Mergescope again, or use the other commands (`--help` lists them)."
        )
    from dashboard.app import serve

    serve(
        suite=suite,
        host=host,
        port=port,
        share=share,
        open_browser=not no_browser,
        read_only=read_only,
        runs=runs,
    )


def _study_page(*parts: Any) -> str:
    from dashboard.pages.studies.file import html

    return str(html(*parts))


if find_spec("dashboard") is not None:
    study.draw_page = _study_page


class _Stop:
    """Handles signals to stop, so that a run is noted as interrupted and nothing half-written stays."""

    first: float | None = None
    """When the first one came."""

    def __call__(self, number: int, _frame: object) -> None:
        if self.first is None:
            self.first = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self.first > _PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def main() -> None:
    """Run the command line of this process and exit with its status."""
    signal.signal(signal.SIGTERM, stop := _Stop())
    if signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.default_int_handler):
        signal.signal(signal.SIGINT, stop)
    gc.enable()
    log_plainly()
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in GLOBAL_OPTIONS):
        arguments = ["ui", *arguments]
    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
