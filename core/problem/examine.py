"""A suite looked through without being merged: everything that would stop it, in one list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from core.checkpoints import Checkpoint, Kind, load_checkpoint, open_checkpoint
from core.encoders.encoder import Encoder
from core.encoders.models import VISUAL
from core.encoders.preprocessing import fitting
from core.errors import BadInput
from core.problem.loading import check_base, own_head
from core.problem.validation import Complaint, Examiner
from core.progress import Progress
from core.suite.find import SuiteFile, Task
from core.tasks.opened import TEST, OpenedTasks


def check(suite: SuiteFile, tasks: Sequence[str] | None = None, progress: Progress | None = None) -> list[Complaint]:
    """What keeps `suite`, or those of its `tasks` that are named, from being merged; empty where nothing does.

    Reads every checkpoint once, one at a time, and changes nothing. Raises `BadSuite` where the architecture itself
    can't be made, `UnknownName`.
    """
    progress = progress or Progress()
    chosen = [suite.task(name) for name in dict.fromkeys(tasks)] if tasks is not None else list(suite.tasks)
    encoder = Encoder(suite.arch(), torch.device("cpu"), "float32")
    progress.start("Checking", len(chosen) + 1)
    found: list[Complaint] = []
    base = _base(suite, encoder, needs_text=any(task.head is None for task in chosen), found=found)
    examiner = Examiner(base, tuple(encoder.parameter_shapes), encoder.arch) if base is not None else None
    progress.advance()
    for task in chosen:
        found += _images(suite, task, progress)
        found += _head(suite, task, encoder)
        found += _expert(suite, task, examiner)
        progress.advance()
    progress.finish()
    return found


def _base(suite: SuiteFile, encoder: Encoder, *, needs_text: bool, found: list[Complaint]) -> Checkpoint | None:
    named = suite.entry.base.weights
    try:
        path = _there(suite, named)
        if needs_text and open_checkpoint(path).layout.kind == Kind.ENCODER:
            message = (
                f"`{named}` has no text tower, which makes the heads; give such a base, or a `head` for every task."
            )
            found.append(Complaint("base", named, message))
        base = load_checkpoint(path, VISUAL)
        check_base(base, encoder)
    except BadInput as error:
        found.append(Complaint("base", named, str(error)))
        return None
    return base


def _expert(suite: SuiteFile, task: Task, examiner: Examiner | None) -> list[Complaint]:
    if task.expert is None:
        return []
    role = f"expert of {task.name}"
    try:
        path = _there(suite, task.expert.weights)
        if examiner is None:  # Without a base it can only be opened.
            open_checkpoint(path)
            return []
    except BadInput as error:
        return [Complaint(role, task.expert.weights, str(error))]
    before = len(examiner.complaints)
    examiner.expert(task.name, path, task.expert.cast)
    return examiner.complaints[before:]


def _images(suite: SuiteFile, task: Task, progress: Progress) -> list[Complaint]:
    try:
        OpenedTasks(suite.name, [task], fitting(suite.arch())).prepare(TEST, progress)
    except (BadInput, OSError) as error:
        return [Complaint(f"images of {task.name}", task.source().where, str(error))]
    return []


def _head(suite: SuiteFile, task: Task, encoder: Encoder) -> list[Complaint]:
    if task.head is None:
        return []
    try:
        _there(suite, task.head)
        own_head(suite, task, encoder)
    except BadInput as error:
        return [Complaint(f"head of {task.name}", task.head, str(error))]
    return []


def _there(suite: SuiteFile, named: str) -> Path:
    path = suite.resolve(named)
    if not path.exists():
        raise BadInput(f"`{named}` is not there. Fetch it, or correct the path in `{suite.path.name}`.")
    return path
