"""Does what is to be killed, in processes that `tests.core.kills` forks and kills.

An order is `run FOLDER SUITE STEPS`, `resume FOLDER ID`, `command FOLDER WORD …` (a command line) or
`downloads FOLDER ID`, followed by `POINT COUNT`: the place at which the process kills itself, and at which passing of
it (`none 0`: nowhere; `after N`: it is killed N milliseconds later; `linger N`: it goes no further than a step after
its Nth, so that a test on a busy machine can kill it in time). It tells `id X`, `step N X` for each recorded step,
`made X` and `end`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import event

import core.export.publish
import core.export.weights
import core.files
import core.problem.evaluate
import launch
from core import methods
from core.learning.watch import Watch
from core.problem import loading
from core.runs import runner
from core.runs.spec import RunSpec
from core.runs.work import Worker
from core.step import Step
from core.store import Store
from core.suite.find import find
from dashboard import downloads
from dashboard.context import Context
from dashboard.security.shelf import Shelf

WRITES = ("os.mkdir", "os.rename", "os.rmdir", "os.remove", "os.chmod", "shutil.rmtree")


told = [-1]
"""Where the test listens."""


def say(*words: object) -> None:
    """One line to the test; a plain write, so that a killed process can't take it back."""
    os.write(told[0], (" ".join(map(str, words)) + "\n").encode())


def lethal(count: int) -> Callable[..., None]:
    """A function that ends the process for good the `count`-th time it is called."""
    passed = [0]

    def pass_by(*_: Any) -> None:
        passed[0] += 1
        if passed[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return pass_by


def arm(point: str, count: int, store: Store | None) -> None:
    """Let the process die at `point`."""
    strike = lethal(count)
    if point in ("before_cursor_execute", "after_cursor_execute", "commit"):
        assert store is not None
        assert store._database._writer is not None
        event.listen(store._database._writer, point, strike)
    elif point == "evaluate":
        whole = core.problem.evaluate.evaluate_outcome
        core.problem.evaluate.evaluate_outcome = lambda *a, **k: (strike(), whole(*a, **k))[1]
    elif point == "watch":
        look, state = Watch.look, Watch.state
        Watch.look = lambda *a: (strike(), look(*a), strike())[1]  # type: ignore[method-assign]
        Watch.state = lambda *a: (strike(), state(*a))[1]  # type: ignore[method-assign]
    elif point == "export":

        def half(path: Path, write: Callable[[Path], object]) -> None:
            def struck(temporary: Path) -> None:
                write(temporary)
                os.truncate(temporary, temporary.stat().st_size // 2)
                strike()

            core.files.write_atomically(path, struck)

        core.export.weights.write_atomically = half  # type: ignore[attr-defined]
    elif point == "write":

        def seen(name: str, arguments: tuple[Any, ...]) -> None:
            if name in WRITES or (name == "open" and isinstance(arguments[1], str) and arguments[1][0] in "wax"):
                strike()

        sys.addaudithook(seen)
    elif point not in ("none", "linger", "after"):
        raise ValueError(point)


def child(test: Connection, places: dict[str, str], order: str, *words: str) -> None:
    """One process, whose temporary files and home lie at these places."""
    told[0] = test.fileno()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.environ |= places
    tempfile.tempdir = places["TMPDIR"]
    folder, what, point, count = Path(words[0]), list(words[1:-2]), words[-2], int(words[-1])
    record, steps = Store.record, [0]

    def acknowledged(store: Store, run_id: str, step: Step) -> None:
        record(store, run_id, step)
        say("step", step.number, run_id)
        steps[0] += 1
        if point == "linger" and steps[0] > count:
            time.sleep(600)

    Store.record = acknowledged  # type: ignore[method-assign]
    if order == "command":
        arm(point, count, None)
        status = launch.run(what)
        assert status == 0, status
    elif order == "downloads":
        arm(point, count, None)
        download(folder, what[0])
    else:
        merge(order, folder, what, point, count)
    atexit._run_exitfuncs()  # A process of `multiprocessing` has no others.
    say("end")


def merge(order: str, folder: Path, what: list[str], point: str, count: int) -> None:
    """A new run, or one that goes on."""
    with Store.open(folder, wait=20) as store:
        assert not store.read_only
        if order == "run":
            problem = loading.load(find(what[0]), device="cpu", precision="float32")
            method = methods.get("adamerging")
            settings = method.Settings(steps=int(what[1]), batch=4, lr=0.02)
            spec = RunSpec.of(problem, method, settings, origin=what[0])
            run_id = spec.create(store)
        else:
            run_id = what[0]
            problem, spec = runner.reopen(store.run(run_id))
        say("id", run_id)
        arm(point, count, store)
        runner.execute(store, run_id, problem, spec)


def download(folder: Path, run_id: str) -> None:
    """All that a run can give, made as the page has it made."""
    nobody: Any = None
    shelf = Shelf(Worker())
    with Store.open(folder, write=False) as store:
        ctx, record = Context(store, None, False, nobody, nobody), store.run(run_id)

        async def each() -> None:
            gone = asyncio.get_running_loop().create_future()
            for item in downloads.offered(store, record, owner=True):

                def make(path: Path, tick: Callable[[], None], item: downloads.Download = item) -> Path:
                    return item.write(ctx, record, path, tick)

                made = await shelf.file(item.kind, item.suffix, make, None, gone)
                assert made is not None
                say("made", item.kind)

        asyncio.run(each())
