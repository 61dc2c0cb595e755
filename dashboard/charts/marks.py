"""Where a run's accuracies stand: base, expert and Task Arithmetic of each task, and the run's own measurements.

A mark belongs to images: all test images, or the sample that runs are measured on along the way. What a run does not
carry itself comes from other runs of the suite, or is measured once in the background.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from core.errors import MergescopeError
from core.problem.evaluate import Evaluation, references
from core.progress import Progress
from core.statistics import Half
from core.store import ACTIVE, EvaluationRecord, RunRecord, Store

if TYPE_CHECKING:
    from dashboard.library import Library

ARITHMETIC = "task_arithmetic"
"""The method whose accuracies are marked beside those of base and experts."""
SAMPLE = 128
"""Images per task on which base and experts are measured while no finished run tells; as the runs' own samples."""
KEPT_SECONDS = 5.0
_LOOKED_AT = 100


Values = list[float | None]
"""One a task."""


class Mark(TypedDict):
    """A mark to draw."""

    name: str
    title: str
    values: Values


class Summary(TypedDict):
    """What was measured after a step, on all test images or on the sample, with 95 % intervals of accuracy."""

    step: int
    full: bool
    images: int
    accuracy: Values
    low: Values
    high: Values
    entropy: Values


class Agreement(TypedDict):
    """How far the model agreed with the experts after a step, on one half of the watched images."""

    step: int
    half: str
    images: int
    agreement: Values
    kl: Values


@dataclass(frozen=True)
class Known:
    """Accuracies by task, as far as they are known."""

    base: dict[str, float] = field(default_factory=dict)
    expert: dict[str, float] = field(default_factory=dict)
    task_arithmetic: dict[str, float] = field(default_factory=dict)
    """With its default λ."""

    def accuracies(self, tasks: Sequence[str]) -> dict[str, Values]:
        """One list per mark in the order of `tasks`; marks nobody knows are left out."""
        return {name: [known.get(task) for task in tasks] for name, known in vars(self).items() if known}

    def over(self, other: Known) -> Known:
        """This knowledge, completed by `other`."""
        return Known(**{name: known or getattr(other, name) for name, known in vars(self).items()})


@dataclass(frozen=True)
class Standings:
    """What is known on all test images, and on the sample."""

    full: Known = field(default_factory=Known)
    sample: Known = field(default_factory=Known)

    def over(self, other: Standings) -> Standings:
        """This knowledge, completed by `other`."""
        return Standings(self.full.over(other.full), self.sample.over(other.sample))

    def marks(self, tasks: Sequence[str]) -> dict[str, list[Mark]]:
        """The marks to draw beside dots on all images (`full`) and on the sample.

        Base and expert fall back to the other images, which their title then names; Task Arithmetic, a rival, does not.
        """
        return {
            "full": _drawn(self.full, self.sample, "a sample", tasks),
            "sample": _drawn(self.sample, self.full, "all test images", tasks),
        }


def _drawn(here: Known, there: Known, where: str, tasks: Sequence[str]) -> list[Mark]:
    own = here.accuracies(tasks)
    other = {name: values for name, values in there.accuracies(tasks).items() if name != "task_arithmetic"}
    found: list[Mark] = []
    for name, title in (("base", "base"), ("task_arithmetic", arithmetic_title()), ("expert", "expert")):
        if name in own:
            found.append({"name": name, "title": title, "values": own[name]})
        elif name in other:
            found.append({"name": name, "title": f"{title}, {where}", "values": other[name]})
    return found


def own(record: RunRecord, measured: Sequence[EvaluationRecord]) -> Standings:
    """Marks that a run carries itself: its report's, and its step 0 where that is Task Arithmetic."""
    report = record.report or {}
    base, expert = reported(report, "base_accuracy"), reported(report, "expert_accuracy")
    first = [one for one in measured if one.step == 0 and starts_as_arithmetic(record)]
    start = {one.task: one.accuracy for one in first if one.accuracy is not None and not one.full}
    return Standings(Known(base, expert), Known(task_arithmetic=start))


def starts_as_arithmetic(record: RunRecord) -> bool:
    """Whether λ is learned from the very model of Task Arithmetic with its default λ."""
    from core import methods
    from core.learning.starts import NONE

    method = methods.known(record.method)
    if method is None or method.starts_as != ARITHMETIC or record.what_if is not None:
        return False
    start, init = record.settings.get("start", NONE), record.settings.get("init")
    return bool(start == ARITHMETIC or (start == NONE and init == arithmetic()["scale"]))


def is_arithmetic(record: RunRecord) -> bool:
    """Whether a run is Task Arithmetic with its default settings; their seed changes nothing."""
    known = arithmetic() | record.settings | {"seed": 0}
    return record.method == ARITHMETIC and record.what_if is None and known == arithmetic() | {"seed": 0}


@cache
def arithmetic() -> dict[str, Any]:
    """Task Arithmetic's default settings."""
    from core import methods  # Loads PyTorch, for which the page does not wait.

    plain: dict[str, Any] = methods.get(ARITHMETIC).Settings().model_dump(mode="json")
    return plain


def arithmetic_title() -> str:
    """What the mark is called."""
    return f"Task Arithmetic, λ = {arithmetic()['scale']:g}"


def reported(report: dict[str, Any], what: str = "accuracy") -> dict[str, float]:
    """One of the accuracies in a report by task, where it is known."""
    return {task["name"]: task[what] for task in report.get("tasks", []) if task.get(what) is not None}


def summaries(measured: Sequence[EvaluationRecord], tasks: Sequence[str]) -> list[Summary]:
    """The merged model's measurements, one entry per step, lists in the order of `tasks`, with 95 % intervals."""
    steps: defaultdict[tuple[int, bool], dict[str, EvaluationRecord]] = defaultdict(dict)
    for one in measured:
        steps[one.step, one.full][one.task] = one
    return [_summary(step, full, found, tasks) for (step, full), found in sorted(steps.items())]


def _summary(step: int, full: bool, found: dict[str, EvaluationRecord], tasks: Sequence[str]) -> Summary:
    records = [found.get(task) for task in tasks]
    intervals = [_interval(one) for one in records]
    return {
        "step": step,
        "full": full,
        "images": max((one.total for one in records if one), default=0),
        "accuracy": [_rounded(one.accuracy) if one else None for one in records],
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
        "entropy": [_rounded(one.entropy) if one else None for one in records],
    }


def agreements(watched: Sequence[EvaluationRecord], tasks: Sequence[str]) -> list[Agreement]:
    """How far the model agreed with the experts on the watched images, one entry for each step and half."""
    looks: defaultdict[tuple[int, Half], dict[str, EvaluationRecord]] = defaultdict(dict)
    for one in watched:
        if one.half is not None:
            looks[one.step, one.half][one.task] = one
    return [
        _agreement(step, half, [found.get(task) for task in tasks]) for (step, half), found in sorted(looks.items())
    ]


def _agreement(step: int, half: Half, records: Sequence[EvaluationRecord | None]) -> Agreement:
    return {
        "step": step,
        "half": half.value,
        "images": max((one.total for one in records if one), default=0),
        "agreement": [_rounded(one.agreement) if one else None for one in records],
        "kl": [_rounded(one.kl) if one else None for one in records],
    }


def between(record: RunRecord) -> list[list[float] | None]:
    """What each task's accuracy has to be by the agreement with its expert, where it was not measured."""
    told = {task["name"]: task for task in (record.report or {}).get("tasks", []) if task.get("accuracy") is None}
    return [told.get(task, {}).get("accuracy_between") for task in record.tasks]


def _interval(one: EvaluationRecord | None) -> tuple[float | None, float | None]:
    if one is None or one.correct is None or not one.total:
        return None, None
    return _wilson(one.correct, one.total)


@lru_cache(4096)
def _wilson(correct: int, total: int) -> tuple[float, float]:
    """The engine's interval; remembered, since every viewer asks for the same ones at half a millisecond each."""
    interval = Evaluation("", correct, total, 0.0).ci95
    assert interval is not None
    return round(interval[0], 5), round(interval[1], 5)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


class Marks:
    """Those of a store's runs; what it tells are properties of the suite, not of anybody's run."""

    def __init__(self, store: Store, library: Library | None = None) -> None:
        """Without a `library` nothing is measured."""
        self._store, self._library = store, library
        self._others: dict[tuple[object, ...], tuple[float, Known]] = {}
        self._lock = threading.Lock()

    def of(self, record: RunRecord, measured: Sequence[EvaluationRecord]) -> Standings:
        """What the run carries, what finished runs of the same images and checkpoints say of all images, and what the
        background has measured on the sample; quick, since every poll asks."""
        known = own(record, measured).over(Standings(full=self._remembered(record)))
        return known.over(Standings(sample=self._measured(record))) if record.status in ACTIVE else known

    def _remembered(self, record: RunRecord) -> Known:
        key = record.world
        with self._lock:
            stamp, known = self._others.get(key, (-KEPT_SECONDS, Known()))
            if time.monotonic() - stamp >= KEPT_SECONDS:
                known = self._look(record)
                self._others[key] = time.monotonic(), known
        return known

    def _look(self, record: RunRecord) -> Known:
        known = Known()
        for other in self._store.runs(status="done", suite=record.suite, limit=_LOOKED_AT):
            if other.world != record.world or not other.report:
                continue
            told = own(other, ()).full
            arithmetic = reported(other.report) if is_arithmetic(other) else {}
            known = known.over(Known(told.base, told.expert, arithmetic))
            if known.base and known.expert and known.task_arithmetic:
                break
        return known

    def _measured(self, record: RunRecord) -> Known:
        library = self._library
        if library is None or record.execution.images:  # Altered ones, which only the run itself loads.
            return Known()
        key = ("references", record.world)
        return library.later(key, lambda told: _measure(library, record, told)).value or Known()


def _measure(library: Library, record: RunRecord, told: Progress) -> Known:
    try:
        problem = library.problem(record.suite, record.tasks, told)
    except MergescopeError:
        return Known()
    if any(problem.hashes.get(role) != sha256 for role, sha256 in record.hashes.items()):
        return Known()
    found = references(problem, limit=SAMPLE)
    base = {task: one.base.accuracy for task, one in found.items() if one.base.accuracy is not None}
    experts = {task: one.expert for task, one in found.items() if one.expert is not None}
    return Known(base, {task: one.accuracy for task, one in experts.items() if one.accuracy is not None})
