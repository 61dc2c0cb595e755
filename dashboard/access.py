"""Who may do what: one-time owner links, owner sessions, signed view links that expire and can be revoked.

Nothing secret is stored in clear: of owner tokens and sessions only the SHA-256 is kept, a view link's signature is
computed from a key that never leaves the server. The file lies beside the runs, readable by its owner only, so that
sessions and links survive a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from core.errors import BadInput, CannotWrite, told
from core.files import write_atomically

DAY = 86_400.0
OWNER_SECONDS = 30 * DAY
ONE_TIME_SECONDS = DAY
MAX_LINKS = 500
VIEW_LINKS_PER_COOKIE = 8
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Viewer:
    """What one request may see."""

    owner: bool = False
    runs: frozenset[str] | None = frozenset()
    """Run ids; None means all."""
    until: float | None = None
    """When the last of the caller's links expires, in seconds since 1970; None for never."""

    @property
    def anybody(self) -> bool:
        """False for a caller without owner session and without a valid view link."""
        return self.owner or self.runs is None or bool(self.runs)


@dataclass(frozen=True)
class Link:
    """One view link: to one run, or to the whole workspace where `run` is empty."""

    id: str
    run: str
    created: float
    expires: float
    """Seconds since 1970; 0 for never."""
    label: str = ""

    def valid(self, now: float) -> bool:
        """False once the link has expired."""
        return not self.expires or now < self.expires


@dataclass
class _Book:
    key: str = field(default_factory=lambda: secrets.token_hex(32))
    sessions: dict[str, float] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)


class Access:
    """Owner tokens, sessions and view links of one workspace folder."""

    def __init__(self, folder: Path | None, *, open_view: bool = False, clock: Callable[[], float] = time.time) -> None:
        """Read the folder's access file or start one; without a folder everything lives in memory.

        With `open_view` everybody who reaches the server may see all runs (a server started read-only).
        """
        self._path = folder / "access.json" if folder is not None else None
        self._open_view = open_view
        self._clock = clock
        self._lock = threading.RLock()
        self._seen: tuple[int, int] | None = None
        self._one_time: dict[str, float] = {}
        self._book = _Book()
        with self._changing():
            pass  # A key that was made now is kept.
        name = hashlib.sha256(self._book.key.encode()).hexdigest()[:8]
        self.owner_cookie = f"mergescope_owner_{name}"
        self.view_cookie = f"mergescope_view_{name}"

    def one_time_token(self) -> str:
        """A token that turns into one owner session, once, within a day."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._one_time[_hash(token)] = self._clock() + ONE_TIME_SECONDS
        return token

    def redeem(self, token: str) -> str | None:
        """Use up a one-time token; returns the value of the session cookie, None for a token that is not valid."""
        with self._lock:
            expires = self._one_time.pop(_hash(token), 0.0)
            if self._clock() >= expires:
                return None
        session = secrets.token_urlsafe(32)
        with self._changing():
            self._book.sessions[_hash(session)] = self._clock() + OWNER_SECONDS
        return session

    def end_sessions(self) -> None:
        """Sign every browser out; the next one-time link signs in again."""
        with self._changing():
            self._book.sessions.clear()

    def create_link(self, run: str = "", *, days: float | None = 7, label: str = "") -> Link:
        """A view link to one run (empty: the whole workspace), valid for `days` (None: until revoked)."""
        now = self._clock()
        if days is not None and not 0 < days <= 3650:
            raise BadInput(f"`days` of a view link should be above 0 and at most 3650. Found `days = {days}`.")
        with self._changing():
            if len(self._book.links) >= MAX_LINKS:
                raise BadInput(f"A workspace holds at most {MAX_LINKS} view links. Revoke some first.")
            link = Link(secrets.token_hex(8), run, now, now + days * DAY if days is not None else 0.0, label[:80])
            self._book.links[link.id] = link
        return link

    def revoke(self, link_id: str) -> bool:
        """Make a link worthless at once, also for those who have opened it; False where there is none."""
        with self._changing():
            return self._book.links.pop(link_id, None) is not None

    def links(self) -> list[Link]:
        """The links that are still valid, newest first."""
        now = self._clock()
        with self._lock:
            self._refresh()
            return sorted(
                (link for link in self._book.links.values() if link.valid(now)), key=lambda link: -link.created
            )

    def path(self, link: Link) -> str:
        """The link's path on this server, signature included."""
        return f"/s/{link.id}/{self._sign(link)}"

    def check_link(self, link_id: str, signature: str) -> Link | None:
        """The link, where id and signature fit and it is neither expired nor revoked."""
        with self._lock:
            self._refresh()
            link = self._book.links.get(link_id)
        if link is None or not hmac.compare_digest(signature.encode(), self._sign(link).encode()):
            return None
        return link if link.valid(self._clock()) else None

    def view_cookie_value(self, link: Link, present: str = "") -> str:
        """The view cookie after opening `link`, keeping the latest of the links that were opened before."""
        mine = f"{link.id}.{self._sign(link)}"
        others = [part for part in present.split("~") if part and part != mine]
        return "~".join([mine, *others][:VIEW_LINKS_PER_COOKIE])

    def viewer(self, request: Any) -> Viewer:
        """What a request (Gradio's, FastAPI's, or anything with cookies) may see and do."""
        return self.viewer_of(cookies_of(request))

    def viewer_of(self, cookies: Mapping[str, str]) -> Viewer:
        """The same from the cookies alone."""
        session = cookies.get(self.owner_cookie, "")
        if session:
            with self._lock:
                self._refresh()
                expires = self._book.sessions.get(_hash(session), 0.0)
            if self._clock() < expires:
                return Viewer(owner=True, runs=None)
        if self._open_view:
            return Viewer(runs=None)
        links = [self.check_link(*part.partition(".")[::2]) for part in cookies.get(self.view_cookie, "").split("~")]
        valid = [link for link in links if link is not None]
        if not valid:
            return Viewer()
        until = None if any(not link.expires for link in valid) else max(link.expires for link in valid)
        whole = any(not link.run for link in valid)
        return Viewer(runs=None if whole else frozenset(link.run for link in valid), until=until)

    def _sign(self, link: Link) -> str:
        text = f"{link.id}|{link.run}|{link.expires!r}"
        return hmac.new(self._book.key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change of what is on disk, between which no other server's comes; what fails inside changes nothing."""
        with self._lock, ExitStack() as stack:
            if self._path is not None:
                try:
                    lock = FileLock(self._path.with_suffix(".lock"), thread_local=False)
                    stack.enter_context(lock.acquire(poll_interval=0.01))
                except OSError:
                    self._path = None
                else:
                    self._book = self._read()
            yield
            self._write()

    def _refresh(self) -> None:
        """Take over what another server on the same folder has written, such as a revoked link."""
        if self._path is not None and self._stamp() != self._seen:
            self._book = self._read()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino) if found is not None else None

    def _read(self) -> _Book:
        """What is on disk; what is damaged is set aside, and nobody is known any more."""
        self._seen = self._stamp()
        if self._path is None or self._seen is None:
            return _Book(self._book.key)
        try:
            raw = json.loads(self._path.read_text("utf-8"))
            now = self._clock()
            sessions = {str(k): float(v) for k, v in raw["sessions"].items() if float(v) > now}
            times = [{name: float(link[name]) for name in ("created", "expires")} for link in raw["links"]]
            links = {link["id"]: Link(**link | when) for link, when in zip(raw["links"], times, strict=True)}
            return _Book(str(raw["key"]), sessions, {k: v for k, v in links.items() if v.valid(now)})
        except OSError as error:
            log.warning("Sessions and links can't be read. %s New ones last until the restart.", told(error))
            self._path = None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock()))
            kept = self._path.with_name(f"access-damaged-{stamp}.json")
            with suppress(OSError):
                self._path.replace(kept)
                log.warning(
                    "The file of sessions and links was damaged and is kept as %s. Create the links again.", kept
                )
        return _Book()

    def _write(self) -> None:
        """Replace the access file; on a folder that can't be written, links and sessions live until the restart."""
        if self._path is None:
            return
        book = {
            "key": self._book.key,
            "sessions": self._book.sessions,
            "links": [asdict(link) for link in self._book.links.values()],
        }
        try:
            write_atomically(self._path, lambda file: file.write_text(json.dumps(book), "utf-8"), private=True)
            self._seen = self._stamp()
        except CannotWrite:
            self._path = None


def cookies_of(request: Any) -> dict[str, str]:
    """The cookies of a request as a plain dictionary; empty for None."""
    if request is None:
        return {}
    inner = getattr(request, "request", None) or request
    return {str(name): str(value) for name, value in dict(getattr(inner, "cookies", None) or {}).items()}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
