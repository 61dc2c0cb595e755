"""What guests may take of the machine: one answer to them is computed at a time, and then they rest.

A link is public, so whatever guests ask together may slow neither the owner nor a run. Waiting costs next to nothing,
so whoever asks too much waits; who has gone is not answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Hashable
from contextlib import suppress

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import FAULTS
from core.runs.work import REST_BESIDE_A_RUN, Worker

log = logging.getLogger(__name__)
PER_GUEST = 16
"""Requests of one guest at a time; a browser makes six of a server, beside an open stream or two."""
IN_ALL = 400
PATIENCE = 20.0
"""Seconds that a request waits for its turn, and seconds within which all of it has to be there."""
READING = 60.0
"""Seconds in which a guest takes the next 64 KiB of an answer."""
REST = 1.0
"""How many times as long as an answer took guests then rest."""
BYTES_PER_SECOND = 200e6
"""What sending costs, as a share of a second."""
OVER, WHO = "mergescope.over", "mergescope.guest"
"""In the scope of a guest's request: what ends the turn, and who it is."""


class Guests:
    """All guests of one server, who share what its `worker` leaves to them with what is computed for them."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._turn = asyncio.Lock()
        self._inside = Counter[Hashable]()

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, who: Hashable) -> None:
        """Let `app` answer once it is this guest's turn, which ends when the answer begins or `app` calls `OVER`."""
        if self._inside[who] >= PER_GUEST or self._inside.total() >= IN_ALL:
            await too_many("Too many requests at once.")(scope, receive, send)
            return
        self._inside[who] += 1
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    messages = await _body(receive)
            except TimeoutError:
                await JSONResponse({"error": "The request took too long to arrive."}, 408)(scope, receive, send)
                return
            mine = None if messages is None else await self._my_turn(receive)
            if messages is None or mine is None:
                return
            if not mine:
                await too_many("Too many people are using this server right now.")(scope, receive, send)
                return
            begin, held, answered = time.monotonic(), True, False

            def over() -> None:
                nonlocal held
                if held:
                    held = False
                    self._spent(time.monotonic() - begin)
                    self._turn.release()

            async def once() -> Message:
                return messages.pop(0) if messages else await receive()

            async def paced(message: Message) -> None:
                nonlocal answered
                answered = True
                over()
                if size := len(message.get("body", b"")):
                    await asyncio.sleep(self._worker.allowance.wait() if self._worker.busy else 0)
                    self._spent(size / BYTES_PER_SECOND)
                async with asyncio.timeout(READING):
                    await send(message)

            try:
                await app({**scope, OVER: over, WHO: who}, once, paced)
            # Strangers do not fill the log: what they break is told in a line.
            except (*FAULTS, TimeoutError) as error:
                log.warning("A guest's %s %.80r failed: %s", scope["method"], scope["path"], type(error).__name__)
                if not answered:
                    await JSONResponse({"error": "This can't be answered."}, 500)(scope, receive, send)
            finally:
                over()
        finally:
            self._inside[who] -= 1
            self._inside += Counter()  # Forgets who has gone.

    def _spent(self, seconds: float) -> None:
        self._worker.allowance.spent(seconds, REST_BESIDE_A_RUN if self._worker.busy else REST)

    async def _my_turn(self, receive: Receive) -> bool | None:
        """Wait for the turn; False where that took too long, None where the guest has gone."""
        turn, gone = asyncio.ensure_future(self._rested()), asyncio.ensure_future(receive())
        await asyncio.wait((turn, gone), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        left = gone.done()
        gone.cancel()
        if not turn.done():
            turn.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        try:
            await turn
        except asyncio.CancelledError:
            return None if left else False
        return True

    async def _rested(self) -> None:
        await self._turn.acquire()
        try:
            await asyncio.sleep(self._worker.allowance.wait())
        except BaseException:
            self._turn.release()
            raise


async def _body(receive: Receive) -> list[Message] | None:
    """The whole body, which is small; None where the guest has gone."""
    messages = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        messages.append(message)
        if not message.get("more_body"):
            return messages


def too_many(reason: str, seconds: int = 5) -> JSONResponse:
    """The answer to whoever should come back later."""
    return JSONResponse({"error": f"{reason} Try again in {seconds} seconds."}, 429, {"retry-after": str(seconds)})
