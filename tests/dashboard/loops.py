"""Builds Gradio apps where an event loop runs: without one, Gradio makes a loop that nobody closes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def inside_loop(build: Callable[[], T]) -> T:
    """`build()`, called in the running loop of a thread of its own.

    Playwright's sync API leaves a loop running in the main thread, where `asyncio.run` then refuses.
    """

    async def call() -> T:
        return build()

    with ThreadPoolExecutor(1, "build") as pool:
        return pool.submit(lambda: asyncio.run(call())).result()
