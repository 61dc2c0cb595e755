"""Runs real merges in processes that the resume test kills.

Importing torch takes seconds, so this process imports once and forks a child per line of its standard input:
`run FOLDER SUITE STEPS` or `resume FOLDER ID`, each followed by `POINT COUNT`: the place at which the child kills
itself, and at which passing of it (`none 0`: nowhere; `linger N`: it goes no further than a step after its Nth, so that
a test on a busy machine can kill it in time). Children write `pid N`, `id X`, `step N` for each recorded step
and `end`; this process adds `dead` when the child is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip  # noqa: F401  # A run would import it: seconds, once here and not in each child.
import torch
from sqlalchemy import event

import core.export.weights
import core.files
import core.problem.evaluate
from core import methods
from core.problem import loading
from core.problem.method import Step
from core.runs import runner
from core.runs.spec import RunSpec
from core.store import Store
from core.suite.find import find


def say(*words: object) -> None:
    """One line to the test; a plain write, so that a killed process can't take it back."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def lethal(count: int) -> Callable[..., None]:
    """A function that ends the process for good the `count`-th time it is called."""
    passed = [0]

    def pass_by(*_: Any) -> None:
        passed[0] += 1
        if passed[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return pass_by


def arm(point: str, count: int, store: Store) -> None:
    """Let the process die at `point`."""
    strike = lethal(count)
    engine = store._database._writer
    assert engine is not None
    if point in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(engine, point, strike)
    elif point == "evaluate":
        whole = core.problem.evaluate.evaluate_outcome
        core.problem.evaluate.evaluate_outcome = lambda *a, **k: (strike(), whole(*a, **k))[1]
    elif point == "export":

        def half(path: Path, write: Callable[[Path], object]) -> None:
            def struck(temporary: Path) -> None:
                write(temporary)
                os.truncate(temporary, temporary.stat().st_size // 2)
                strike()

            core.files.write_atomically(path, struck)

        core.export.weights.write_atomically = half  # type: ignore[attr-defined]
    elif point not in ("none", "linger"):
        raise ValueError(point)


def child(order: str, folder: Path, what: list[str], point: str, count: int) -> None:
    """One process of a run."""
    say("pid", os.getpid())
    store = Store.open(folder, wait=20)
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

    acknowledged: list[int] = []

    def acknowledge(step: Step) -> None:
        say("step", step.number)
        acknowledged.append(step.number)
        if point == "linger" and len(acknowledged) > count:
            time.sleep(600)

    runner.execute(store, run_id, problem, spec, on_step=acknowledge)
    store.close()
    say("end")


def main() -> None:
    """Serve the test until it closes the pipe."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        order, folder, *what, point, count = line.split()
        process = os.fork()
        if process == 0:
            child(order, Path(folder), what, point, int(count))
            os._exit(0)
        os.waitpid(process, 0)
        say("dead")


if __name__ == "__main__":
    main()
