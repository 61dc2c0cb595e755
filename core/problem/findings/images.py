"""What should be known of a task's images: labels that are missing, files that can't be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.problem.findings import SUITE, Code, Finding, Severity


def found(facts: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """`facts` are those of `core.tasks.task.OpenedTasks`."""
    told, bare = list[Finding](), [task for task, own in facts.items() if not own["labelled"]]
    whole = len(bare) == len(facts)
    for subject in [SUITE] if bare and whole else bare:
        of = "" if whole else f" of {subject}"
        text = f"The test images{of} have no labels: agreement with the experts is measured instead of accuracy."
        told.append(Finding(Code.NO_LABELS, Severity.NOTE, subject, text, "Give labels if you want accuracy."))
    for task, own in facts.items():
        if own["skipped"]:
            text = f"{own['skipped']} files of {task} can't be read as images and are left out."
            told.append(Finding(Code.UNREADABLE_IMAGES, Severity.NOTE, task, text, "Replace or remove these files."))
    return told
