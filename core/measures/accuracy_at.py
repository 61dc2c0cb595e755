"""Accuracy on the whole test split during learning, with the time it took to get there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from core.measures import Measure, Subject
from core.problem.evaluate import evaluate
from core.statistics import mean


class AccuracyAt(Measure):
    """Average accuracy of the models of the asked steps, computed again from their recorded λ."""

    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """`{"steps": [...], "seconds": [...], "accuracy": [average or None]}`; seconds are those of the steps alone."""
        records = list(subject.steps())
        spent = dict(zip((r.number for r in records), accumulate(r.seconds for r in records), strict=True))
        steps, seconds, averages = [], [], []
        for record, weights in subject.at(options["steps"]):
            found = [evaluate(subject.problem, weights, task).accuracy for task in subject.problem.tasks]
            steps.append(record.number)
            seconds.append(spent[record.number])
            averages.append(mean(found))
        return {"steps": steps, "seconds": seconds, "accuracy": averages}
