"""What guests may take: one answer at a time, files made once, nothing for those who have gone."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import Cancelled
from core.runs.work import REST_BESIDE_A_RUN, Lane, Pace, QueueFull, Work, Worker
from dashboard.security import guests
from dashboard.security.guests import OVER, PER_GUEST, Guests
from dashboard.security.shelf import WAITING, Shelf
from tests.dashboard.conftest import Site
from tests.dashboard.loops import apart

Tick = Callable[[], None]


class Asker:
    """A connection: what is asked and what is answered."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self._asked = False

    async def receive(self) -> Message:
        if self._asked:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b""}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def ask(self, group: Guests, app: ASGIApp, who: str) -> Coroutine[Any, Any, None]:
        return group.serve(app, {"type": "http", "method": "GET", "headers": []}, self.receive, self.send, who)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


class Slow:
    """An application that counts how many are inside."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds, self.inside, self.most, self.calls = seconds, 0, 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(self.seconds)
        self.inside -= 1
        await PlainTextResponse("done")(scope, receive, send)


def test_guests_are_answered_one_at_a_time_and_rest_as_long_as_it_takes() -> None:
    async def flood(busy: bool) -> float:
        worker, end = Worker(), threading.Event()
        if busy:
            worker.submit(Work(Lane("runs"), "run", lambda _work: end.wait()))
        group, app, askers = Guests(worker), Slow(), [Asker() for _ in range(6)]
        begin = time.monotonic()
        await asyncio.gather(*(asker.ask(group, app, str(at)) for at, asker in enumerate(askers)))
        assert [asker.status for asker in askers] == [200] * 6
        assert app.most == 1
        end.set()
        return time.monotonic() - begin

    assert apart(lambda: asyncio.run(flood(busy=True))) > 5 * 0.01 * (1 + REST_BESIDE_A_RUN) * 0.9
    assert apart(lambda: asyncio.run(flood(busy=False))) > 5 * 0.01 * (1 + guests.REST) * 0.9


def test_answers_files_and_computing_for_guests_share_one_rest() -> None:
    worker = Worker()
    group, app, pace = Guests(worker), Slow(0.05), Pace(worker.allowance, lambda: True)
    apart(lambda: asyncio.run(Asker().ask(group, app, "guest")))
    waiting, begin = worker.allowance.wait(), time.monotonic()
    assert waiting > 0
    pace()
    assert time.monotonic() - begin >= waiting
    assert worker.allowance.wait() < 0.01


def test_whoever_asks_too_much_at_a_time_is_told_when_to_come_back() -> None:
    async def flood() -> list[Asker]:
        group, app, askers = Guests(Worker()), Slow(0), [Asker() for _ in range(PER_GUEST + 3)]
        other = Asker()
        await asyncio.gather(*(asker.ask(group, app, "one") for asker in askers), other.ask(group, app, "other"))
        assert other.status == 200
        return askers

    askers = apart(lambda: asyncio.run(flood()))
    assert [asker.status for asker in askers].count(200) == PER_GUEST
    refused = [asker for asker in askers if asker.status == 429]
    assert len(refused) == 3
    assert all(dict(asker.sent[0]["headers"])[b"retry-after"] == b"5" for asker in refused)


def test_who_has_gone_before_the_turn_is_not_answered_and_a_long_answer_keeps_nobody_waiting() -> None:
    async def scene() -> None:
        group, app, left = Guests(Worker()), Slow(0.05), Asker()
        end = asyncio.Event()

        async def long(scope: Scope, receive: Receive, send: Send) -> None:
            scope[OVER]()
            await end.wait()

        stream = asyncio.ensure_future(Asker().ask(group, long, "long"))
        first = asyncio.ensure_future(Asker().ask(group, app, "a"))
        await asyncio.sleep(0.02)
        waiting = asyncio.ensure_future(left.ask(group, app, "b"))
        await asyncio.sleep(0.01)
        left.gone.set()
        await asyncio.gather(first, waiting)
        assert (app.calls, left.sent) == (1, [])
        end.set()
        await stream
        assert group._inside.total() == 0

    apart(lambda: asyncio.run(scene()))


def test_who_sends_or_reads_too_slowly_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "PATIENCE", 0.02)
    monkeypatch.setattr(guests, "READING", 0.02)

    class Stuck(Asker):
        async def stuck(self, message: Message) -> None:
            if message["type"] == "http.response.body":
                await self.gone.wait()
            await self.send(message)

    async def scene() -> None:
        group, sender, reader = Guests(Worker()), Stuck(), Stuck()
        sender._asked = True
        await sender.ask(group, Slow(0), "sender")
        assert sender.status == 408
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await group.serve(Slow(0), scope, reader.receive, reader.stuck, "reader")
        assert group._inside.total() == 0

    apart(lambda: asyncio.run(asyncio.wait_for(scene(), 5)))


def test_what_a_guest_breaks_is_one_line_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RecursionError("a long story")

    async def scene() -> None:
        group, asker = Guests(Worker()), Asker()
        await group.serve(
            broken, {"type": "http", "method": "GET", "path": "/\x1b[31m"}, asker.receive, asker.send, "g"
        )
        assert asker.status == 500

    apart(lambda: asyncio.run(scene()))
    assert caplog.messages == ["A guest's GET '/\\x1b[31m' failed: RecursionError"]
    assert caplog.records[0].exc_info is None


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    worker = Worker()
    yield Shelf(worker)
    worker.close()


class Made:
    """Files that are counted, and stop where they are told to."""

    def __init__(self) -> None:
        self.count, self.stopped, self.go = 0, threading.Event(), threading.Event()

    def __call__(self, path: Path, tick: Tick) -> Path:
        self.count += 1
        try:
            while not self.go.wait(0.002):
                tick()
        except Cancelled:
            self.stopped.set()
            raise
        path.write_text("made")
        return path


def test_a_file_is_made_once_for_all_and_kept(shelf: Shelf) -> None:
    async def scene() -> None:
        made, gone = Made(), asyncio.get_running_loop().create_future()
        askers = [asyncio.ensure_future(shelf.file("key", ".txt", made, f"g{at}", gone)) for at in range(30)]
        await asyncio.sleep(0.01)
        made.go.set()
        paths = await asyncio.gather(*askers)
        again = await shelf.file("key", ".txt", made, None, gone)
        assert (made.count, {again, *paths}) == (1, {paths[0]})
        await shelf.file("other content", ".txt", made, "g", gone)
        assert made.count == 2

    apart(lambda: asyncio.run(scene()))


def test_a_file_that_nobody_waits_for_any_more_is_not_made(shelf: Shelf) -> None:
    async def scene() -> None:
        made, loop = Made(), asyncio.get_running_loop()
        leaves = [loop.create_future() for _ in range(2)]
        askers = [asyncio.ensure_future(shelf.file("key", ".txt", made, f"g{at}", leaves[at])) for at in range(2)]
        await asyncio.sleep(0.01)
        leaves[0].set_result(None)
        assert await askers[0] is None
        assert not made.stopped.wait(0.02)
        leaves[1].set_result(None)
        assert await askers[1] is None
        assert await asyncio.to_thread(made.stopped.wait, 5)
        made.go.set()
        assert (await shelf.file("key", ".txt", made, "g", loop.create_future())).read_text() == "made"

    apart(lambda: asyncio.run(scene()))


def test_the_number_of_files_that_are_made_is_limited_for_a_guest_and_for_all(shelf: Shelf) -> None:
    async def scene() -> None:
        made, gone = Made(), asyncio.get_running_loop().create_future()

        def ask(key: str, who: str | None) -> asyncio.Future[Any]:
            return asyncio.ensure_future(shelf.file(key, ".txt", made, who, gone))

        first = [ask("a", "one"), ask("b", "one")]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="one guest"):
            await ask("c", "one")
        rest = [ask(f"k{at}", f"g{at}") for at in range(WAITING - 1)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="Too many"):
            await ask("d", "another")
        owner = ask("e", None)
        made.go.set()
        assert all(path.exists() for path in await asyncio.gather(*first, *rest, owner))

    apart(lambda: asyncio.run(scene()))


def test_old_files_make_room_unless_they_are_being_sent(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        made, gone = Made(), asyncio.get_running_loop().create_future()
        made.go.set()
        monkeypatch.setattr("dashboard.security.shelf.KEPT_BYTES", 10)
        paths = [await shelf.file(f"key {at}", ".txt", made, None, gone) for at in range(5)]
        for path in paths[1:]:
            shelf.done_with(path)
        assert [path.exists() for path in paths] == [True, False, False, False, True]

    apart(lambda: asyncio.run(scene()))


def test_a_cleaned_up_folder_of_temporary_files_costs_nothing_but_time(shelf: Shelf) -> None:
    async def scene() -> None:
        made, gone = Made(), asyncio.get_running_loop().create_future()
        made.go.set()
        lost = await shelf.file("key", ".txt", made, None, gone)
        shutil.rmtree(shelf._root)
        shelf.done_with(lost)
        again = await shelf.file("key", ".txt", made, None, gone)
        assert again.read_text() == "made"

    apart(lambda: asyncio.run(scene()))


def test_a_download_that_cannot_be_made_now_says_when_to_come_back(
    dashboard_site: Site, short_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise QueueFull("Too many files are being made.")

    monkeypatch.setattr(Shelf, "file", full)
    answer = dashboard_site.viewer(short_run).http.get(f"/view/download/{short_run}/settings")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
