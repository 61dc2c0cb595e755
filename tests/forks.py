"""Commands in processes of their own that need not import everything again: they fork from one that has.

Importing takes ten times the processor time of what most of them do.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from io import TextIOWrapper
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = multiprocessing.get_context("forkserver")
TEMPLATE.set_forkserver_preload(["tests.warm"])


def _run(arguments: list[str], variables: dict[str, str], output: Connection) -> None:
    os.dup2(output.fileno(), 1)
    output.close()
    sys.stdout = os.fdopen(1, "w", buffering=1)
    os.environ.update(variables)
    os.chdir(ROOT)
    sys.argv = ["launch.py", *arguments]
    import launch

    launch.main()


def launched(*arguments: object, **variables: str) -> tuple[BaseProcess, TextIOWrapper]:
    """`python launch.py ARGUMENTS` under additional environment variables, and what it prints."""
    reading, writing = TEMPLATE.Pipe(duplex=False)
    process = TEMPLATE.Process(target=_run, args=([str(word) for word in arguments], variables, writing))
    process.start()
    writing.close()
    return process, os.fdopen(os.dup(reading.fileno()), "r")
