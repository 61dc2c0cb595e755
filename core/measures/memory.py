"""What memory a run takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.measures import Measure, Subject
from core.problem.memory import grown_mb


class Memory(Measure):
    """Memory that the run took on top of what its process held when it began, and the size of the task vectors.

    The loaded suite, all of its task vectors included, was there before the run.
    """

    looks = False

    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """`{"grown_mb": MiB or None, "task_vectors_mb": MiB, "mapped": whether these lie in a file}`."""
        vectors, grown = subject.problem.task_vectors, grown_mb()
        return {
            "grown_mb": None if grown is None else round(grown, 1),
            "task_vectors_mb": round(vectors.deltas.nbytes / 2**20, 1),
            "mapped": vectors.memory.mapped,
        }
