"""A suite looked through without being merged: everything that would stop it, and what is doubtful about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from core.checkpoints import Checkpoint, Kind, load_checkpoint, open_checkpoint
from core.encoders.encoder import Encoder
from core.encoders.linear import logits as linear
from core.encoders.models import VISUAL
from core.encoders.preprocessing import fitting
from core.errors import BadInput
from core.problem.findings import Finding, answers, by_severity, classes, files, images, preparation
from core.problem.heads import TaskHeads
from core.problem.loading import NO_EXPERT, check_base, content
from core.problem.validation import Complaint, Examiner
from core.progress import SILENT, Progress
from core.suite.find import SuiteFile, Task
from core.tasks.images import Pixels
from core.tasks.sources.base import BadImages
from core.tasks.task import IN_EXPERT, TEST, OpenedTasks

T = TypeVar("T")
BATCH = 16
"""Images computed at a time."""


class Checked(NamedTuple):
    """What `check` finds."""

    complaints: list[Complaint]
    """What keeps the suite from being merged."""
    findings: tuple[Finding, ...]
    """What makes its numbers doubtful, the worst first."""


def check(suite: SuiteFile, tasks: Sequence[str] | None = None, progress: Progress = SILENT) -> Checked:
    """What is wrong with `suite`, or those of its `tasks` that are named.

    Reads every checkpoint once, one at a time, and changes nothing; base and experts answer a few images, which is
    remembered. Raises `BadSuite` where the architecture itself can't be made, `UnknownName`.
    """
    chosen = [suite.task(name) for name in dict.fromkeys(tasks)] if tasks is not None else list(suite.tasks)
    progress.start("Checking", len(chosen) + 1)
    look = _Look(suite, chosen)
    if not any(task.expert for task in chosen):
        look.complain("suite", suite.path.name, NO_EXPERT.format([task.name for task in chosen]))
    progress.advance()
    for task in chosen:
        look.at(task, progress)
        progress.advance()
    progress.finish()
    return look.found()


class _Look:
    """Goes through the tasks of a suite, one after the other."""

    def __init__(self, suite: SuiteFile, tasks: Sequence[Task]) -> None:
        self._suite, self._encoder = suite, Encoder(suite.arch(), torch.device("cpu"), "float32")
        self._complaints: list[Complaint] = []
        self._findings: list[Finding] = []
        self._facts: dict[str, Mapping[str, Any]] = {}
        """What is to be known of each task's images."""
        self._texts = any(task.head is None for task in tasks)
        """Whether the base's text tower is needed, and has made every head so far."""
        self._base = self._tried("base", suite.entry.base.weights, self._read_base)
        self._heads = TaskHeads(suite, self._encoder.arch, self._base.sha256 if self._base else "")
        names = tuple(self._encoder.parameter_shapes)
        self._examiner = Examiner(self._base, names, self._encoder.arch) if self._base else None

    def at(self, task: Task, progress: Progress) -> None:
        """Look at everything of one task."""
        opened = self._tried(f"images of {task.name}", task.source().where, lambda: self._images(task, progress))
        self._facts |= opened.facts() if opened is not None else {}
        head = self._head(task) if opened is not None or task.head is not None else None
        expert = None
        if task.expert is not None:
            expert = self._tried(f"expert of {task.name}", task.expert.weights, lambda: self._expert(task))
        if head is None:
            return
        self._findings += classes.found(task, head, self._heads.labels(task))
        if expert is not None and self._base is not None:
            self._findings += files.found(task, expert, self._base, head)
            self._findings += preparation.found(task, expert, self._encoder.arch)
            if opened is not None:
                seen = self._compared(task, self._base, expert, head, opened)
                self._findings += answers.found(task.name, seen)

    def found(self) -> Checked:
        """All of it."""
        vectors = self._examiner.vectors.found() if self._examiner else []
        return Checked(self._complaints, by_severity([*self._findings, *images.found(self._facts), *vectors]))

    def complain(self, role: str, file: str, message: str) -> None:
        """Note what keeps the suite from being merged."""
        self._complaints.append(Complaint(role, file, message))

    def _tried(self, role: str, file: str, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except BadImages as error:
            self._complaints += [Complaint(role, file, problem) for problem in error.problems]
            return None
        except (BadInput, OSError) as error:
            self.complain(role, file, str(error))
            return None

    def _read_base(self) -> Checkpoint:
        named = self._suite.entry.base.weights
        path = self._there(named)
        base = load_checkpoint(path, VISUAL, inside=self._suite.entry.base.inside, arch=self._encoder.arch)
        if self._texts and base.opened.layout.kind == Kind.ENCODER:
            message = f"`{named}` has no text tower to make heads with; give a base that has one, or a `head` per task."
            self.complain("base", named, message)
            self._texts = False
        check_base(base, self._encoder)
        return base

    def _expert(self, task: Task) -> Checkpoint | None:
        path = self._there(task.expert.weights)
        if self._examiner is None:  # Without a base it can only be opened.
            open_checkpoint(path, task.expert.inside, self._encoder.arch)
            return None
        before = len(self._examiner.complaints)
        expert = self._examiner.expert(task.name, path, task.expert.cast, task.expert.inside)
        self._complaints += self._examiner.complaints[before:]
        return expert

    def _images(self, task: Task, progress: Progress) -> OpenedTasks:
        opened = OpenedTasks(self._suite.name, [task], fitting(self._suite.arch()))
        opened.prepare(TEST, progress)
        return opened

    def _head(self, task: Task) -> Tensor | None:
        if task.head is None:
            if self._base is None or not self._texts:
                return None
            head = self._tried("base", self._suite.entry.base.weights, lambda: self._heads.head(task))
            self._texts = head is not None
            return head
        file = task.expert.weights if task.head in IN_EXPERT else task.head

        def made() -> Tensor:
            self._there(file)
            return self._heads.head(task)

        return self._tried(f"head of {task.name}", file, made)

    def _compared(
        self, task: Task, base: Checkpoint, expert: Checkpoint, head: Tensor, opened: OpenedTasks
    ) -> answers.Compared:
        def compute() -> answers.Compared:
            found = opened.images(task.name, TEST, SILENT)
            assert found is not None  # `OpenedTasks` has looked.
            at = answers.chosen(len(found))
            pixels, labels = found.pixels[at], None if found.labels is None else found.labels[at]
            own = self._logits(base.tensors, head, pixels)
            return answers.compare(own, self._logits(base.tensors | expert.tensors, head, pixels), labels)

        known = content(self._suite, base.sha256, self._encoder.arch, task, opened)
        return answers.remembered([base.sha256, expert.sha256, known], compute)

    @torch.no_grad()
    def _logits(self, tensors: Mapping[str, Tensor], head: Tensor, pixels: Pixels) -> Tensor:
        names = (*self._encoder.parameter_shapes, *self._encoder.buffer_names)
        weights = {name: tensors[name].float() for name in names if name in tensors}
        parts = [self._encoder.features(weights, self._encoder.prepare(part)) for part in pixels.split(BATCH)]
        return linear(torch.cat(parts), head)

    def _there(self, named: str) -> Path:
        path = self._suite.resolve(named)
        if not path.exists():
            raise BadInput(f"`{named}` is missing. Fetch it, or correct the path in `{self._suite.path.name}`.")
        return path
