"""Threads of the page compute without helpers, so that a run keeps its own awake."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import torch
from fastapi import Request

from core.runs.threads import of_a_run
from core.runs.work import Lane, Work
from dashboard.context import Context
from dashboard.door import Question
from dashboard.library import Library


@pytest.fixture
def two() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_a_thread(ask: Callable[[], int]) -> int:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(ask()))
    thread.start()
    thread.join()
    return seen[0]


def helpers(self: Any) -> dict[str, int]:
    assert of_a_run() == 2
    return {"threads": torch.get_num_threads()}


def test_what_answers_a_page_computes_alone_and_others_as_before(two: None) -> None:
    question, ctx = Question(helpers, owners=False), cast("Context", None)
    assert in_a_thread(lambda: int(question.answer(None, ctx, {}, Request({"type": "http"}))["threads"])) == 1
    assert in_a_thread(torch.get_num_threads) == torch.get_num_threads() == 2


@pytest.mark.parametrize(("guest", "running", "threads"), [(False, False, 2), (True, False, 1), (False, True, 1)])
def test_what_is_computed_for_pages_takes_one_thread_beside_a_run(
    guest: bool, running: bool, threads: int, two: None
) -> None:
    library, end = Library(), threading.Event()
    if running:
        library.worker.submit(Work(Lane("runs"), "run", lambda _work: end.wait()))
    asked = (library.for_guests() if guest else library).later("key", helpers)
    deadline = time.monotonic() + 30
    while asked.pending:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    end.set()
    assert asked.value == {"threads": threads}
    library.worker.close()
