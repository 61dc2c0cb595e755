"""Work that the pages have done in the background."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from core.errors import BadInput
from dashboard.library import Library


def test_background_work_says_where_it_stands_until_it_ends_in_whatever_way() -> None:
    library, held, seen = Library(), threading.Event(), threading.Event()

    def work() -> None:
        library.progress.start("Evaluating base and experts, image", 96)
        library.progress.advance(40)
        held.set()
        seen.wait(30)
        raise BadInput("enough")

    assert library.later("key", work).pending
    assert held.wait(30)
    now = library.progress.standing()
    assert now is not None
    assert library.standing("key") is not None
    assert library.standing("another") is None  # Guests learn nothing of what others asked for.
    assert (now.label, now.done, now.total) == ("Evaluating base and experts, image", 40, 96)
    seen.set()
    while (answer := library.later("key", work)).pending:
        time.sleep(0.01)
    assert answer.error == "enough"
    assert library.progress.standing() is None
    library.close()


def test_a_run_that_begins_goes_first(tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.library.HEAD_START", 0.3)
    library = Library(device="cpu", precision="float32", extra=(str(tiny_suite),))
    page = library.problem("tiny")
    page.tick()
    began = time.monotonic()
    run = library.load_for_run(library.suite("tiny"), device="cpu", precision="float32")
    loaded = time.monotonic()
    run.tick()
    assert time.monotonic() - loaded < 0.2
    page.tick()
    assert time.monotonic() - began >= 0.3
