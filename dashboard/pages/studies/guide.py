"""The method guide on the page, with accuracies measured on the suite that is looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fastapi import Request
from typing_extensions import TypedDict

from core import methods, studies
from core.store import StudyRecord
from core.studies import guide
from core.studies.engine import files
from dashboard.asked import Line
from dashboard.door import Desk, everybodys
from dashboard.wording import worded


class Told(TypedDict):
    """The guide, and where its numbers come from."""

    suite: str
    source: str
    decisions: list[guide.Decision]
    cards: list[guide.MethodCard]


class Guide(Desk):
    """Reads the latest accuracy study of a suite; of the demo suite, else the table that comes with the program."""

    @everybodys
    def method_guide(self, request: Request, suite: Line = "") -> Told:
        """Decision table, cards, and where the numbers come from."""
        suite = self._ctx.library.suite(self._named(suite, request)).name
        report, source = self._report(suite, request)
        cards = guide.entries(report)
        decisions = [replace(one, how=worded(one.how)) for one in guide.decisions(cards)]
        return {"suite": suite, "source": source, "decisions": decisions, "cards": [*map(_worded, cards)]}

    def _named(self, suite: str, request: Any) -> str:
        """Who sees only some runs learns nothing of other suites, not even whether there is one of that name."""
        if self._ctx.allowed(request) is None:
            return suite or self._ctx.suite
        known = self._ctx.suites_of(request)
        return suite if suite in known else "" if suite else next(iter(known), "")

    def _report(self, suite: str, request: Any) -> tuple[dict[str, Any], str]:
        record = self._latest(suite) if self._ctx.allowed(request) is None else None
        if record is not None:
            study, file = studies.get("accuracy"), self._ctx.library.suite(suite)
            report = json.loads(files.text("json", self._ctx.store, study, file, record))
            quick = ", a quick one" if report["quick"] else ""
            return report, f"Measured here on {file.title} by the study “{study.title}”{quick}."
        report = guide.bundled()
        if report and report["suite"] == suite:
            return (
                report,
                "Measured by `python launch.py study accuracy demo`; these figures come with Mergescope.",
            )
        return {}, "Nothing has been measured on this suite yet. Start the study “Accuracy of every method”."

    def _latest(self, suite: str) -> StudyRecord | None:
        records = [
            record
            for record in self._ctx.store.studies.listing(suite=suite, name="accuracy")
            if record.status == "done" and record.options.get("tasks") is None
        ]
        return min(records, key=lambda record: bool(record.options.get("quick")), default=None)


def _worded(card: guide.MethodCard) -> guide.MethodCard:
    method = methods.get(card.name)
    summary, cost, paper = (worded(text, method) for text in (card.summary, card.cost, card.paper))
    return replace(card, summary=summary, cost=cost, paper=paper)
