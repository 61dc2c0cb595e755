"""Doubts about classes that no answer can tell apart: equal or blank names, equal rows of a head."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from core.problem.findings import Code, Finding, Severity
from core.tasks.task import Task

SAME = 1e-5
"""Relative difference below which two rows of a head are equal: more than float32 leaves of one text embedded twice."""
SHOWN = 3


def found(task: Task, head: Tensor, labels: Sequence[str] = ()) -> list[Finding]:
    """What is wrong with the class names of a task, if its head is made of them, and with its head `[classes, D]`.

    `labels` are the names that a trained head's file has for its rows, if they are others.
    """
    told: list[Finding] = []
    names, from_texts = task.classes, task.from_texts
    first: dict[str, int] = {}
    pairs = [(first.setdefault(_folded(name), at), at) for at, name in enumerate(names)] if from_texts else []
    twins = [(i, j) for i, j in pairs if i != j and _folded(names[j])]
    if blank := [at for at, name in enumerate(names) if from_texts and not _folded(name)]:
        told.append(_blank(task.name, blank))
    if twins:
        told.append(_twins(task.name, [(names[i], names[j]) for i, j in twins]))
    known = {at for pair in twins for at in pair} | set(blank)
    if labels:
        told.append(_other_labels(task, labels))
    if equal := [pair for pair in _equal_rows(head) if not known >= set(pair)]:
        told.append(_rows(task.name, [(names[i], names[j]) for i, j in equal]))
    return told


def _folded(name: str) -> str:
    """The same for names that mean the same to a text tower: composed or not, in either case, however spaced."""
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).split())


def _equal_rows(head: Tensor) -> list[tuple[int, int]]:
    """Pairs of equal rows, found as neighbours along one random direction: comparing all pairs would take classes²."""
    rows = head.detach().cpu().double()
    order = (rows @ torch.randn(rows.shape[1], dtype=rows.dtype, generator=torch.Generator().manual_seed(0))).argsort()
    near = (rows[order[1:]] - rows[order[:-1]]).norm(dim=1) < SAME * rows[order[1:]].norm(dim=1)
    return sorted((int(min(a, b)), int(max(a, b))) for a, b in zip(order[1:][near], order[:-1][near], strict=True))


def _finding(code: Code, task: str, text: str, remedy: str) -> Finding:
    return Finding(code, Severity.SEVERE, task, text, remedy)


def _blank(task: str, places: Sequence[int]) -> Finding:
    shown = ", ".join(map(str, places[:SHOWN])) + (", …" if len(places) > SHOWN else "")
    text = f"The class names of `{task}` should be words. Found blank ones, at position {shown} (the first is 0)."
    return _finding(
        Code.BLANK_CLASS_NAME, task, text, "Name these classes in `classes`, or take them out of the images."
    )


def _twins(task: str, pairs: Sequence[tuple[str, str]]) -> Finding:
    text = f"The class names of `{task}` should differ. Found {_told(pairs)}, which the text tower can't tell apart."
    return _finding(Code.EQUAL_CLASS_NAMES, task, text, "Rename one of the two in `classes`, or make them one class.")


def _other_labels(task: Task, labels: Sequence[str]) -> Finding:
    shown = ", ".join(map(repr, labels[:SHOWN])) + (", …" if len(labels) > SHOWN else "")
    own = ", ".join(map(repr, task.classes[:SHOWN])) + (", …" if len(task.classes) > SHOWN else "")
    return Finding(
        Code.OTHER_HEAD_LABELS,
        Severity.WARNING,
        task.name,
        f"The classes of `{task.name}` should have the names in the file of its head ({shown}). Found {own}; the rows "
        "are taken in the order of the classes.",
        "Give these names as `classes`, in any order, so that each row is that of its class.",
    )


def _rows(task: str, pairs: Sequence[tuple[str, str]]) -> Finding:
    text = (
        f"The rows of the head of `{task}` should differ. Found identical ones for {_told(pairs)}, so the first "
        "always wins."
    )
    return _finding(Code.EQUAL_HEAD_ROWS, task, text, "Give other class names, other templates or another head.")


def _told(pairs: Sequence[tuple[str, str]]) -> str:
    shown = "; ".join(f"{one!a} and {other!a}" if _look_alike(one, other) else f"{one!r} and {other!r}"
                      for one, other in pairs[:SHOWN])  # fmt: skip
    return shown + (f"; and {len(pairs) - SHOWN} more pairs" if len(pairs) > SHOWN else "")


def _look_alike(one: str, other: str) -> bool:
    """Whether two different names are shown alike, so that only their codes tell them apart."""
    return one != other and unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
