"""What is doubtful about the inputs of a merge: nothing that stops it, but its numbers mean less than they seem to.

What does stop it is a `core.problem.validation.Complaint`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

SUITE = "the suite"
"""What a finding is about that is about no single task; no task is called so."""


class Code(StrEnum):
    """What was found; these words are stable."""

    EXPERT_WORSE_THAN_BASE = "expert_worse_than_base"
    EXPERT_ANSWERS_AS_BASE = "expert_answers_as_base"
    EQUAL_EXPERTS = "equal_experts"
    LONG_TASK_VECTOR = "long_task_vector"
    OTHER_BASE = "other_base"
    OWN_TEXT_TOWER = "own_text_tower"
    DROPPED_TRAINED_HEAD = "dropped_trained_head"
    EQUAL_CLASS_NAMES = "equal_class_names"
    BLANK_CLASS_NAME = "blank_class_name"
    EQUAL_HEAD_ROWS = "equal_head_rows"
    OTHER_HEAD_LABELS = "other_head_labels"
    OTHER_IMAGES = "other_images"
    OTHER_MODEL = "other_model"
    MAPPED_TASK_VECTORS = "mapped_task_vectors"
    OWN_BUFFERS = "own_buffers"
    NO_LABELS = "no_labels"
    UNREADABLE_IMAGES = "unreadable_images"


class Severity(StrEnum):
    """How much it matters, the least first."""

    NOTE = "note"
    """Good to know; the numbers are what they seem to be."""
    WARNING = "warning"
    """The numbers may be worse than they need to be, or mean something else."""
    SEVERE = "severe"
    """The numbers of this task mean nothing as long as it is so."""


@dataclass(frozen=True)
class Finding:
    """One doubt about one task or file."""

    code: Code
    severity: Severity
    subject: str
    """The task that it is about; `SUITE` for all of them."""
    text: str
    """One sentence or two with name, expected and found."""
    remedy: str
    """What to do, in one sentence."""
    action: Mapping[str, Any] = field(default_factory=dict)
    """The remedy as data, where one change does it: `{"task": name, "set": {key of the task in the suite file: value}}`
    or `{"leave_out": [tasks]}`."""
    others: tuple[str, ...] = ()
    """Tasks that it is about beside `subject`: without them it does not hold."""

    def __str__(self) -> str:
        return sentence(self.plain())

    def plain(self) -> dict[str, Any]:
        """Plain values for JSON and for a page."""
        return asdict(self) | {"others": list(self.others)}

    def holds_for(self, tasks: Collection[str]) -> bool:
        """Whether it is about these tasks alone."""
        return all(task in tasks or task == SUITE for task in (self.subject, *self.others))


def sentence(finding: Mapping[str, Any]) -> str:
    """A finding, as `Finding.plain` gives it, in a line for people."""
    return f"{finding['severity'].capitalize()}: {finding['text']} {finding['remedy']}"


def by_severity(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, those of one code together."""
    severities, codes = list(Severity), list(Code)
    return tuple(sorted(found, key=lambda one: (-severities.index(one.severity), codes.index(one.code))))


def leave_out(*tasks: str) -> dict[str, Any]:
    """The action that every finding about an expert has at hand."""
    return {"leave_out": list(tasks)}
