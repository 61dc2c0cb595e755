"""What should be known of a task's images: labels that are missing, files that can't be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.problem.findings import Code, Finding, Severity


def found(facts: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """`facts` are those of `core.tasks.opened.OpenedTasks`."""
    told = []
    for task, own in facts.items():
        if not own["labelled"]:
            text = f"The test images of {task} have no labels: λ and entropy are computed, accuracy is not."
            remedy = "Give labels where accuracy is wanted."
            told.append(Finding(Code.NO_LABELS, Severity.NOTE, task, text, remedy))
        if own["skipped"]:
            text = f"{own['skipped']} files of {task} can't be read as images and are left out."
            told.append(Finding(Code.UNREADABLE_IMAGES, Severity.NOTE, task, text, "Replace or remove these files."))
    return told
