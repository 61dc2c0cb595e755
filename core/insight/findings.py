"""Everything that is doubtful about a loaded suite, with what base and experts answer."""

from __future__ import annotations

from collections.abc import Mapping

from core.problem.evaluate import Reference
from core.problem.findings import Finding, answers, by_severity
from core.problem.packed import Packed, format_of
from core.problem.problem import Problem
from core.progress import SILENT, Progress


def findings(
    problem: Problem, known: Mapping[str, Reference] | None = None, progress: Progress = SILENT
) -> tuple[Finding, ...]:
    """The worst first. `known` are accuracies of base and experts on all images, where they have been measured.

    Base and experts answer a few images of each task, which is remembered on disk.
    """
    progress.start("Comparing experts with their base, task", len(problem.tasks))
    found = list(problem.findings)
    for task in problem.tasks:
        reference = (known or {}).get(task)
        measured = (reference.base, reference.expert) if reference is not None else (None, None)
        found += answers.found(task, _compared(problem, task), *measured)
        progress.advance()
    progress.finish()
    return by_severity(found)


def _compared(problem: Problem, task: str) -> answers.Compared:
    vectors = problem.task_vectors

    def compute() -> answers.Compared:
        images = problem.split(task, "test")
        at = answers.chosen(len(images))
        pixels, labels = images.pixels[at], None if images.labels is None else images.labels[at]
        base = problem.logits(vectors.base, task, pixels)
        return answers.compare(base, problem.logits(vectors.expert(task), task, pixels), labels)

    parts = [problem.hashes.get("base"), problem.hashes.get(task), problem.content.get(task)]
    altered: list[object] = [problem.altered] if problem.altered else []
    altered += [format_of(vectors.deltas)] if isinstance(vectors.deltas, Packed) else []
    return answers.remembered([*parts, *altered], compute) if all(parts) else compute()
