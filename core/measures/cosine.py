"""How alike the merged task vectors are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.insight.similarity import similarity
from core.measures import Measure, Subject


class Cosine(Measure):
    """Cosine similarity of every pair of task vectors (AdaMerging, figure 4)."""

    looks = False

    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """`{"tasks": [...], "cosine": [[...]]}`."""
        found = similarity(subject.problem.task_vectors, "task").overall.cosine
        return {"tasks": list(subject.problem.tasks), "cosine": found.tolist()}
