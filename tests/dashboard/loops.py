"""Work that needs an event loop of its own: Playwright's sync API leaves one running in the main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """`work()`, done in a thread of its own, where `asyncio.run` does not refuse."""
    with ThreadPoolExecutor(1, "apart") as pool:
        return pool.submit(work).result()


def inside_loop(build: Callable[[], T]) -> T:
    """`build()`, called in a running loop: without one, Gradio makes a loop that nobody closes."""

    async def call() -> T:
        return build()

    return apart(lambda: asyncio.run(call()))
