"""The list of runs, the header of the current one, and the owner's Pause, Cancel and Resume.

Not a tab: the shell builds it around the tabs. One poll feeds both components every second or two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from fastapi import Request
from typing_extensions import TypedDict

from core.export.titles import differences, run_title, title_of
from core.progress import Standing, time_left
from core.runs.threads import of_a_run
from core.store import ACTIVE, RunRecord
from dashboard import theme, ui
from dashboard.context import Context
from dashboard.door import Desk, Done, Run, owners, polled
from dashboard.wording import RESUMABLE, STATUS, worded, worry

Action = Literal["pause", "resume", "cancel", "restart"]
MAX_LISTED = 1000


class Wanted(TypedDict):
    """A run that could be made, for the form of "Set up"."""

    suite: str
    tasks: list[str]
    method: str


class Verdict(TypedDict):
    """What to think of a run; `title` is the method that does better."""

    code: str
    kind: str
    text: str
    remedy: Wanted | None
    title: str


class Entry(TypedDict):
    """One run, as the list and the header show it."""

    id: str
    title: str
    differs: str
    method: str
    suite: str
    status: str
    status_words: str
    tasks: int
    steps: int
    steps_done: int
    seconds: float
    left: float | None
    position: int | None
    doing: Standing | None
    average: float | None
    created_words: str
    owner: bool
    resumable: bool
    notice: str
    verdict: Verdict | None
    machine: str


class Known(TypedDict):
    """A run that can be opened."""

    id: str
    status: str


class Writer(TypedDict):
    """Why the owner can only look here, and whether that can be changed."""

    text: str
    gone: bool


class Listed(TypedDict):
    """The list, the current run where it is not in it, and the machine; `more`: there are older runs."""

    runs: list[Entry]
    current: Entry | None
    known: list[Known]
    more: bool
    machine: str
    writer: Writer | None


def build_sidebar(ctx: Context) -> None:
    """Brand, button for a new merge, the runs, the machine."""
    new = "" if ctx.readonly else '<button type="button" class="ms-new">+ New merge</button>'
    switch = (
        '<button type="button" class="ms-theme" title="Light or dark" aria-label="Switch light and dark">◐</button>'
    )
    template = (
        f'<div class="ms-side"><div class="ms-brand"><i aria-hidden="true">{theme.logo()}</i>'
        f"<span>Merge<b>scope</b></span>{switch}</div>{new}"
        '<nav aria-label="Runs"><p class="ms-label">Runs</p><p class="ms-none"></p><ul></ul>'
        '<button type="button" class="ms-more" hidden>Show older runs</button></nav>'
        '<div class="ms-note warning ms-writer" role="status" hidden><p></p>'
        '<button type="button" class="ms-more" hidden>Take over</button></div>'
        '<div class="ms-machine"><p></p></div></div>'
    )
    ui.drawn(template, "window.mergescope.frame.sidebar(element);", elem_id="ms-runs")


def build_header() -> None:
    """Title, status and progress of the current run with its buttons; fed by the sidebar's poll."""
    template = (
        '<header class="ms-head"><div class="ms-head-row"><h1></h1><span class="ms-pill" hidden></span>'
        '<span class="ms-actions"></span></div><div class="ms-head-row"><span class="ms-bar" role="progressbar" '
        'aria-label="Progress of the run" aria-valuemin="0"><i></i></span><span class="ms-words"></span></div>'
        '<p class="ms-notice" role="status" hidden></p></header>'
    )
    ui.drawn(template, "window.mergescope.frame.header(element);", elem_id="ms-header")


class Runs(Desk):
    """What sidebar and header ask for, whichever tab is open."""

    @polled
    def runs_list(self, request: Request, limit: Any = None, run: Any = None) -> Listed:
        """The newest `limit` runs that the caller may see, `run` apart where it is none of them, and the machine."""
        ctx = self._ctx
        limit = max(1, min(MAX_LISTED, limit)) if isinstance(limit, int) else 50
        owner = ctx.is_owner(request)
        records = ctx.runs(request, limit=limit + 1)
        entries = [entry(record, ctx, owner) for record in records[:limit]]
        apart = differences(records[:limit], {item["id"]: item["title"] for item in entries})
        for item in entries:
            item["differs"] = apart[item["id"]]
        current = None
        if all(item["id"] != run for item in entries) and ctx.visible(run, request):
            record = ctx.find(str(run))
            current = entry(record, ctx, owner) if record is not None else None
        machine = next((item["machine"] for item in entries if item["machine"]), "") or ("" if ctx.readonly else here())
        return {
            "runs": entries,
            "current": current,
            "known": [
                {"id": item["id"], "status": item["status"]} for item in [*entries, *([current] if current else [])]
            ],
            "more": len(records) > limit,
            "machine": machine,
            "writer": _writer(ctx) if owner else None,
        }

    @owners
    def run_action(self, run: Run, action: Action) -> Done:
        """Pause, resume, cancel or restart a run."""
        getattr(self._ctx.writing_jobs(), action)(run.id)
        return {"ok": True}

    @owners
    def take_over(self) -> Done:
        """Become the server that writes."""
        assert self._ctx.take_over is not None
        self._ctx.take_over()
        return {"ok": True}


def _writer(ctx: Context) -> Writer | None:
    if not ctx.store.read_only:
        return None
    gone = ctx.store.abandoned()
    by = ctx.store.holder or "another process"
    text = (
        f"{by} was writing to these runs and has ended."
        if gone
        else f"Runs are view-only for now: {by} is writing to them."
    )
    return {"text": text[0].upper() + text[1:], "gone": gone}


def entry(record: RunRecord, ctx: Context, owner: bool) -> Entry:
    """What is shown of a run."""
    left = time_left(record.seconds, record.steps_done, record.steps) if record.status == "running" else None
    position = ctx.jobs.position(record.id) if ctx.jobs is not None and record.status == "queued" else None
    standing = ctx.jobs.standing(record.id) if ctx.jobs is not None and record.status in ACTIVE else None
    return {
        "id": record.id,
        "title": run_title(record),
        "differs": "",
        "method": record.method,
        "suite": record.suite,
        "status": record.status,
        "status_words": STATUS.get(record.status, record.status),
        "tasks": len(record.tasks),
        "steps": record.steps,
        "steps_done": record.steps_done,
        "seconds": record.seconds,
        "left": left,
        "position": position,
        "doing": standing,
        "average": record.average_accuracy,
        "created_words": ago(record.created),
        "owner": owner and ctx.jobs is not None,
        "resumable": record.status in RESUMABLE and record.what_if is None,
        "notice": notice(record),
        "verdict": verdict(record),
        "machine": machine(record),
    }


def notice(record: RunRecord) -> str:
    """A sentence under the header where something needs attention; empty otherwise."""
    if record.status == "interrupted":
        return (
            f"This run stopped at step {record.steps_done} because the program ended. Resume continues exactly "
            "where it stopped."
        )
    if record.status == "failed":
        return record.error or "This run failed; its last good step was kept."
    return ""


def verdict(record: RunRecord) -> Verdict | None:
    """What to think of a finished run, and the method that does better; None where it could not be judged."""
    found = (record.report or {}).get("verdict")
    if record.status != "done" or not found:
        return None
    better = (found.get("remedy") or {}).get("method")
    tasks = [*record.tasks, *(record.execution.unseen or ())]
    return {
        "code": found["code"],
        "kind": worry(found),
        "text": worded(found["sentence"]),
        "remedy": {"suite": record.suite, "tasks": tasks, "method": better} if better else None,
        "title": title_of(better) if better else "",
    }


def machine(record: RunRecord) -> str:
    """Device, precision, memory and speed of a run, in one line."""
    how, parts = record.execution, []
    if how.device:
        parts.append(how.device.upper())
        if how.device == "cpu" and how.threads:
            parts.append(threads(how.threads))
        parts.append(how.formats)
    if record.peak_memory_mb:
        parts.append(f"{record.peak_memory_mb / 1024:.1f} GB peak")
    if record.steps_done and record.seconds:
        parts.append(f"{record.seconds / record.steps_done:.2g} s/step")
    return " · ".join(part for part in parts if part)


def threads(count: int) -> str:
    """ "1 thread", "2 threads"."""
    return f"{count} thread{'s' if count != 1 else ''}"


@cache
def here() -> str:
    """This machine, before any run has said more about it."""
    from core.encoders.precision import choose_device

    device = choose_device("auto").type
    return f"CPU · {threads(of_a_run())}" if device == "cpu" else device.upper()


def ago(created: str) -> str:
    """How long ago, in words; empty where the time can't be read."""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    except (ValueError, TypeError):
        return ""
    for unit, words in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {words}{'s' if count > 1 else ''} ago"
    return "just now"
