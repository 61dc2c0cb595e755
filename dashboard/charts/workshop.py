"""Server functions of the Layers tab that compute: facts about task vectors, and the owner's what-if."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.problem.evaluate import Evaluation
from core.progress import Progress
from core.runs.whatif import save
from core.store import RunRecord
from dashboard import ui
from dashboard.charts import whatif as engine
from dashboard.charts.facts import task_vector_facts
from dashboard.charts.feed import whole_number
from dashboard.charts.service import MOST_STEPS, fields
from dashboard.context import Context

PENDING = {"pending": True}
NAME_LENGTH = 80


def facts(ctx: Context) -> Callable[..., Any]:
    """`facts`: norms and sign conflicts of the task vectors under a run's λ; computed once a suite."""

    @ui.answered
    def facts(args: Any, request: gr.Request) -> dict[str, Any]:
        record = ctx.run(fields(args).get("run"), request)
        if not record.groups:
            raise BadInput("This run has no coefficients, so there are no columns to tell about.")
        key = ("task vector facts", record.suite, record.tasks, record.groups)
        answer = ctx.library.later(key, lambda told: _facts(ctx, record, told))
        return PENDING if answer.pending else answer.value if answer.ready else {"error": answer.error}

    return facts


def whatif(ctx: Context) -> list[Callable[..., Any]]:
    """`whatif` and `whatif_save`, for the owner's app only."""

    @ui.answered
    def whatif(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        question, again = _question(ctx, args, request), fields(args).get("again") is True
        record = question.record
        answers = [
            ctx.library.later(_key("measured", record, values), _measured(ctx, record, values), again=again)
            for values in (question.values, question.edited)
        ]
        if wrong := next((answer.error for answer in answers if answer.error), ""):
            return {"error": wrong}
        if any(answer.pending for answer in answers):
            return PENDING
        learned, edited = (answer.value for answer in answers)
        return {
            "images": max((one.total for one in edited), default=0),
            "tasks": [{"learned": _row(a), "edited": _row(b)} for a, b in zip(learned, edited, strict=True)],
        }

    @ui.answered
    def whatif_save(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        ctx.writing_jobs()
        question, given = _question(ctx, args, request), fields(args)
        name = given.get("name", "")
        if not isinstance(name, str) or len(name) > NAME_LENGTH or not name.isprintable():
            raise BadInput(f"`name` should be at most {NAME_LENGTH} printable characters. Found `{name!r:.40}`.")
        key = _key(f"saved {name.strip()}", question.record, question.edited)
        again = given.get("again") is True
        answer = ctx.library.later(key, lambda told: _saved(ctx, question, name.strip(), told), again=again)
        return PENDING if answer.pending else {"saved": answer.value} if answer.ready else {"error": answer.error}

    return [whatif, whatif_save]


def _question(ctx: Context, args: Any, request: Any) -> engine.Question:
    given = fields(args)
    record = ctx.run(given.get("run"), request)
    step = whole_number(given.get("step"), "step", 0, MOST_STEPS)
    return engine.Question.of(ctx.store, record, step, given.get("edits"))


def _key(what: str, record: RunRecord, values: engine.Floats) -> tuple[Any, ...]:
    digest = hashlib.sha256(values.tobytes()).hexdigest()
    return (what, record.id, str(record.settings), digest)


def _facts(ctx: Context, record: RunRecord, told: Progress) -> dict[str, Any]:
    return task_vector_facts(ctx.problem_of(record, told), record.groups, record.tasks)


def _measured(ctx: Context, record: RunRecord, values: engine.Floats) -> Callable[[Progress], list[Evaluation]]:
    return lambda told: engine.measure(ctx.problem_of(record, told), record, values)


def _saved(ctx: Context, question: engine.Question, name: str, told: Progress) -> str:
    problem, edits = ctx.problem_of(question.record, told), question.edits
    return save(ctx.store, problem, question.record, question.step, question.edited, edits, name)


def _row(one: Evaluation) -> dict[str, float | None]:
    return {"accuracy": one.accuracy, "entropy": one.entropy}
