"""Questions of the Layers tab that compute: facts about task vectors, and the owner's what-if."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from typing_extensions import TypedDict

from core.errors import BadInput
from core.problem.evaluate import Evaluation
from core.progress import Progress
from core.runs.whatif import save
from core.store import RunRecord
from dashboard.asked import Line
from dashboard.charts.service import Count
from dashboard.door import Desk, Failed, Pending, Run, Waiting, everybodys, owners, told
from dashboard.pages.layers import whatif as engine
from dashboard.pages.layers.facts import Facts, task_vector_facts


class Measured(TypedDict):
    """One task under one λ."""

    accuracy: float | None
    entropy: float


class Compared(TypedDict):
    """One task under both."""

    learned: Measured
    edited: Measured


class WhatIf(TypedDict):
    """Every task, on `images` images each at most."""

    images: int
    tasks: list[Compared]


class Saved(TypedDict):
    """The id of the run that was made."""

    saved: str


class Workshop(Desk):
    """Answers for one context."""

    @everybodys
    def facts(self, run: Run) -> Facts | Pending | Failed:
        """Norms and sign conflicts of the task vectors under a run's λ; computed once a suite."""
        if not run.groups:
            raise BadInput("This run has no coefficients, so there is nothing to show for its layers.")

        def compute(progress: Progress) -> Facts:
            return task_vector_facts(self._ctx.problem_of(run, progress), run.groups, run.tasks, progress)

        key = ("task vector facts", run.suite, run.tasks, run.groups)
        return told(self._ctx.library.later(key, compute))

    @owners
    def whatif(self, run: Run, step: Count, edits: Any = None, again: bool = False) -> WhatIf | Waiting | Failed:
        """Every task under the learned λ and under the changed one."""
        question = engine.Question.of(self._ctx.store, run, step, edits)
        answers = [
            self._ctx.library.later(
                _key("measured", question.record, values), self._measured(question.record, values), again=again
            )
            for values in (question.values, question.edited)
        ]
        if wrong := next((answer.error for answer in answers if answer.error), ""):
            return {"error": wrong}
        if any(answer.pending for answer in answers):
            return {"pending": True}
        learned, edited = (answer.value for answer in answers)
        return {
            "images": max((one.total for one in edited), default=0),
            "tasks": [{"learned": _row(a), "edited": _row(b)} for a, b in zip(learned, edited, strict=True)],
        }

    @owners
    def whatif_save(
        self, run: Run, step: Count, edits: Any = None, name: Line = "", again: bool = False
    ) -> Saved | Pending | Failed:
        """Keep the changed λ as a run of its own."""
        self._ctx.writing_jobs()
        question = engine.Question.of(self._ctx.store, run, step, edits)

        def compute(progress: Progress) -> Saved:
            problem, parent = self._ctx.problem_of(question.record, progress), question.record
            made = save(self._ctx.store, problem, parent, question.step, question.edited, question.edits, name)
            return {"saved": made}

        key = _key(f"saved {name}", question.record, question.edited)
        return told(self._ctx.library.later(key, compute, again=again))

    def _measured(self, record: RunRecord, values: engine.Floats) -> Callable[[Progress], list[Evaluation]]:
        return lambda progress: engine.measure(self._ctx.problem_of(record, progress), record, values)


def _key(what: str, record: RunRecord, values: engine.Floats) -> tuple[Any, ...]:
    digest = hashlib.sha256(values.tobytes()).hexdigest()
    return (what, record.id, str(record.settings), digest)


def _row(one: Evaluation) -> Measured:
    return {"accuracy": one.accuracy, "entropy": one.entropy}
