"""A task of a suite with everything settled, and the images of several as a run needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import BadSuite
from core.progress import Progress
from core.tasks.decode import Fitting
from core.tasks.images import Images
from core.tasks.sources import Data, Place, Source, open_source
from core.tasks.sources.base import BadImages
from core.tasks.sources.parts import told
from core.tasks.templates import Templates

OWN_HEAD = "own"
"""What `head` says in place of a file where the text tower in the expert's own file makes it."""
TRAINED_HEAD = "trained"
"""What it says where it is a layer in the expert's own file."""
IN_EXPERT = (OWN_HEAD, TRAINED_HEAD)
TEST = "test"


@dataclass(frozen=True)
class Task:
    """What a suite file says about a task, with class names read from wherever it says they are."""

    name: str
    title: str
    data: Data
    place: Place = field(repr=False)
    classes: tuple[str, ...]
    """Empty where they come from images that are not there; `missing` says so."""
    templates: Templates
    """Empty for a task with a trained head."""
    ids: tuple[str, ...] = ()
    """The source's own names of the classes, in the same order; empty where it has none."""
    expert: Any = None
    """`core.suite.schema.ExpertEntry`; None for an unseen task."""
    head: str | None = None
    """The path of a ready head, as written, or one of `IN_EXPERT`; None where the base makes it from the texts."""
    head_key: str | None = None
    """Which layer of that file it is, where it has several."""

    @property
    def from_texts(self) -> bool:
        """Whether a text tower makes the head of its class names."""
        return bool(self.templates) and self.head in (None, OWN_HEAD)

    def source(self) -> Source:
        """Its images; nothing is read yet."""
        return open_source(self.name, self.data, self.place)


class OpenedTasks:
    """Tasks whose sources have been looked at; images are kept from the first time they are asked for."""

    def __init__(self, suite: str, tasks: Sequence[Task], fitting: Fitting) -> None:
        """Raises `BadSuite` for a task without test images: every task is evaluated on them."""
        self._fitting = fitting
        self._tasks = {task.name: task for task in tasks}
        self._sources = {task.name: task.source() for task in tasks}
        self._known: dict[tuple[str, str], Images | None] = {}
        wrong = [(source, source.problems(self._tasks[name].ids)) for name, source in self._sources.items()]
        if broken := [BadImages(source, problems) for source, problems in wrong if problems]:
            raise broken[0] if len(broken) == 1 else BadSuite(" ".join(map(str, broken)))
        for name, source in self._sources.items():
            if TEST not in source.splits:
                found = f"splits {', '.join(source.splits)}" if source.splits else "no split"
                raise BadSuite(
                    f"Suite `{suite}`: task `{name}` should have images in split `{TEST}`. "
                    f"Found {found} in `{source.where}`."
                )

    def prepare(self, split: str, progress: Progress) -> None:
        """Decode one split of every task that has it; raises `BadSuite` with all that can't be used."""
        problems = []
        for name in self._tasks:
            try:
                self.images(name, split, progress)
            except BadSuite as error:
                problems.append(str(error))
        if problems:
            raise BadSuite(" ".join(problems))

    def images(self, task: str, split: str, progress: Progress) -> Images | None:
        """The images of a split; None where the task does not have it."""
        if (task, split) not in self._known:
            settled = self._tasks[task]
            self._known[task, split] = self._sources[task].images(
                split, settled.classes, settled.ids, self._fitting, progress
            )
        return self._known[task, split]

    def fingerprint(self, task: str) -> str:
        """Changes whenever one of the task's images or labels may have changed."""
        return self._sources[task].fingerprint

    def facts(self) -> dict[str, dict[str, Any]]:
        """Task -> what its images are, as a report tells it: kind, images per split, and what was held out of what."""
        return {name: self._facts(name) for name in self._tasks}

    def _facts(self, name: str) -> dict[str, Any]:
        source = self._sources[name]
        counts = {split: source.count(split) for split in source.splits}
        counts |= {split: len(found) for (task, split), found in self._known.items() if task == name and found}
        test = self._known.get((name, TEST))
        return {
            "kind": source.entry.kind,
            "images": counts,
            "held_out": told(source.parts),
            "labelled": test is not None and test.labels is not None,
            "skipped": test.skipped if test is not None else 0,
        }
