"""What a caller may do to a connection before there is a request that somebody could refuse."""

from __future__ import annotations

import asyncio

from h11 import LocalProtocolError
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 512
"""Open at a time. Each is one of the 1,024 files that systems usually let a process open, and a run needs some too."""


class Connection(H11Protocol):
    """Where there are too many, the one that has been silent for longest is closed; whatever is no HTTP costs nobody
    a traceback."""

    _given_up = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and make room."""
        super().connection_made(transport)
        self._heard = self.loop.time()
        there = [one for one in self.connections if isinstance(one, Connection) and not one._given_up]
        if len(there) > MOST:
            last = min(there, key=lambda one: (one._asks, one._heard))
            last._given_up = True
            last.transport.abort()

    @property
    def _asks(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._heard = self.loop.time()
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and end the request that it came with."""
        try:
            super().send_400_response(msg)
        except LocalProtocolError:  # In the middle of an answer.
            self.transport.abort()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
