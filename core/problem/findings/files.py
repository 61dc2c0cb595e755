"""Doubts about what an expert's file holds beside the image encoder: a text tower of its own, a trained head."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from core.checkpoints import Checkpoint, Kind, Opened
from core.checkpoints.lora import of_text
from core.encoders.models import VISUAL
from core.problem.findings import Code, Finding, Severity
from core.tasks.task import Task

HEAD = re.compile(
    r"(?!.*\.lora_)(?:.*[._])?(?:head|heads|fc|classifier|classification_head|linear_probe)(?:[._].*)?weight"
)
SCALE = "logit_scale"
"""Changes no answer."""
SAME = 1e-3
"""1 − cosine below which a row of a head is the zero-shot one."""


def found(task: Task, expert: Checkpoint, base: Checkpoint, head: Tensor) -> list[Finding]:
    """What the file of a task's expert has that its `head` `[classes, embed_dim]` is not made of.

    Nothing where the suite file says what it is made of.
    """
    told: list[Finding] = []
    if task.head is not None:
        return told
    name = expert.path.name
    if (other := _other_text(expert.opened, base.opened)) is not None:
        told.append(
            Finding(
                Code.OWN_TEXT_TOWER,
                Severity.WARNING,
                task.name,
                f"The text tower in `{name}` should be that of the base, which makes the head of `{task.name}`. Found "
                f"another one (`{other}` differs), so the expert is not measured with the one it was trained with.",
                "Set `head: own` for this task, so that the expert's own text tower builds its head.",
                {"task": task.name, "set": {"head": "own"}},
            )
        )
    if (dropped := _trained_head(expert.opened, head)) is not None:
        width = expert.opened.source.table[dropped].shape[1]
        fits, remedy = width == head.shape[1], "Set `head: trained` for this task, so that it is used."
        if not fits:
            remedy = (
                f"It takes {width} features and this model has {head.shape[1]}: give one that was trained on those."
            )
        told.append(
            Finding(
                Code.DROPPED_TRAINED_HEAD,
                Severity.WARNING,
                task.name,
                f"The head of `{task.name}` should be the one that its expert was trained with. Found one in `{name}` "
                f"(`{dropped}`), which is not used: the head is made from the class names.",
                remedy,
                {"task": task.name, "set": {"head": "trained"}} if fits else {},
            )
        )
    return told


def _other_text(own: Opened, base: Opened) -> str | None:
    """The first tensor of the text tower, the smallest first, in which a file differs from the base."""
    if own.layout.kind == Kind.ADAPTER:
        return min(of_text(own.source.table, own.config), default=None)
    if own.layout.kind != Kind.CLIP or base.layout.kind != Kind.CLIP:
        return None
    table, known = own.table, base.table
    names = [name for name in table if name in known and not name.startswith(VISUAL) and name != SCALE]
    for name in sorted(names, key=lambda name: table[name].numel):
        if table[name].shape != known[name].shape or _differ(own.tensor(name), base.tensor(name)):
            return name
    return None


def _differ(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors differ by more than what rounding to the coarser of their formats does."""
    if not one.is_floating_point() or torch.equal(one, other.to(one)):
        return not one.is_floating_point() and not torch.equal(one, other)
    rounding = max(torch.finfo(x.dtype).eps for x in (one, other) if x.is_floating_point())
    return bool((one.double() - other.double()).norm() > rounding * other.double().norm())


def _trained_head(opened: Opened, head: Tensor) -> str | None:
    """The name of a classification head for as many classes that is not the zero-shot one."""
    if opened.layout.kind not in (Kind.CLIP, Kind.ENCODER, Kind.ADAPTER):
        return None
    used = {part for name, recipe in opened.layout.recipes.items() if name.startswith(VISUAL) for part in recipe.parts}
    for name, entry in opened.source.table.items():
        if name not in used and HEAD.fullmatch(name) and len(entry.shape) == 2 and entry.shape[0] == len(head):
            [(_, found)] = opened.source.read((name,))
            if found.shape != head.shape or _angle(found, head) > SAME:
                return name
    return None


def _angle(one: Tensor, other: Tensor) -> float:
    return float(1 - nn.functional.cosine_similarity(one.double(), other.double().cpu(), dim=1).min())
