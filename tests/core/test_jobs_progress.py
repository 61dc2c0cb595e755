"""What a run is doing before its first step can be asked for while it does it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from core.errors import BadSuite
from core.problem.problem import Problem
from core.progress import Progress
from core.runs.jobs import Jobs
from core.store import Store
from tests.core.store_help import asked
from tests.waiting import until


def test_while_it_loads_a_run_says_what_it_is_doing(tmp_path: Path, tiny_suite: Path) -> None:
    held, seen = threading.Event(), threading.Event()

    def load(*_args: Any, progress: Progress, **_how: Any) -> Problem:
        progress.start("Decoding images", 800)
        time.sleep(0.02)
        progress.advance(120)
        held.set()
        seen.wait(30)
        progress.finish()
        raise BadSuite("enough")

    store = Store.open(tmp_path / "runs")
    jobs = Jobs(store, load=load)
    run_id = jobs.submit(asked(str(tiny_suite), device="cpu"))
    later = jobs.submit(asked(str(tiny_suite), device="cpu", name="later"))
    assert held.wait(30)
    found = jobs.standing(run_id)
    assert found is not None
    assert (found.label, found.done, found.total) == ("Decoding images", 120, 800)
    assert found.left is not None
    assert found.left >= 0.02 / 120 * 680
    assert jobs.standing(later) is None
    seen.set()
    until(lambda: not jobs.active())
    assert jobs.standing(run_id) is None
    jobs.worker.close()
    store.close()
