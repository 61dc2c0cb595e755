"""What a run is, before it is one: made here, stored here, and told apart here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import methods
from core.encoders.precision import PRECISIONS, choose_device
from core.errors import BadInput, MergescopeError, UnknownName
from core.export.report import version
from core.learning.watch import WatchedSettings
from core.problem.method import Method
from core.problem.problem import Problem
from core.problem.variants import variant
from core.settings import MethodSettings, parse, parse_stored
from core.step import Need
from core.store import ACTIVE, Execution, RunRecord, Store
from core.suite.find import SuiteFile

REVISION = 3
"""Raise it with every change after which some method's result, a checkpoint's weights or an accuracy is another one:
results of before are then not taken for those of now."""
APART = frozenset(
    ("memory", "micro_batch", "evaluate_every", "loaded", "keep_model", "content", "check", "captured", "more")
)
"""Of `Execution`, what a result does not depend on; `content` counts for the tasks that are used."""
_MAY_CHANGE = frozenset(("made_by", "threads", "processes", "torch", "resumed_with"))
"""What may be another when a run goes on: the runner restores or notes it."""


@dataclass(frozen=True)
class RunSpec:
    """A method with its settings on some tasks of a suite, and how it is computed. Two with one `key` are the same."""

    suite: str
    origin: str
    """What `core.suite.find.find` takes to find the suite again."""
    method: Method
    settings: MethodSettings
    tasks: tuple[str, ...]
    """Tasks whose experts are merged."""
    execution: Execution
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Role -> SHA-256 of the checkpoint; empty until they are loaded."""
    name: str = ""

    @staticmethod
    def asked(
        suite: SuiteFile,
        method: Method,
        settings: MethodSettings,
        *,
        tasks: Sequence[str] | None = None,
        device: str = "auto",
        precision: str = "auto",
        evaluate_every: int = 0,
        name: str = "",
    ) -> RunSpec:
        """What a person asks for, before anything is loaded; `tasks` None: all of the suite. Raises `BadInput`."""
        for task in tasks or ():
            suite.task(task)
        chosen = [task.name for task in suite.tasks if tasks is None or task.name in tasks]
        merged = tuple(name for name in chosen if name in suite.experts)
        if not merged:
            raise BadInput(f"`tasks` should name at least one task with an expert. Found {list(tasks or ())}.")
        if precision not in PRECISIONS:
            raise UnknownName("precision", precision, PRECISIONS)
        if evaluate_every < 0:
            raise BadInput(f"`evaluate_every` should be 0 (never) or more. Found {evaluate_every}.")
        unseen = tuple(name for name in chosen if name not in merged)
        how = Execution(str(choose_device(device)), precision, unseen=unseen, evaluate_every=evaluate_every)
        return RunSpec(suite.name, suite.origin, method, settings, merged, how, name=name)

    @staticmethod
    def of(
        problem: Problem,
        method: Method,
        settings: MethodSettings,
        *,
        origin: str = "",
        name: str = "",
        tasks: Sequence[str] | None = None,
        **how: Any,
    ) -> RunSpec:
        """On a loaded problem, or its part of `tasks`; `how` replaces facts of the execution, such as `unseen`."""
        merged = problem.tasks if tasks is None else tuple(tasks)
        facts = {"unseen": problem.unseen, "images": problem.altered, "images_from": problem.images_from} | how
        used = (*merged, *facts["unseen"], *facts["images_from"])
        content = {task: value for task, value in problem.content.items() if task in used}
        made_by = f"{version()} revision {REVISION}"
        execution = Execution.of_plain(problem.execution | {"content": content, "made_by": made_by} | facts)
        hashes = {role: value for role, value in problem.hashes.items() if role in ("base", *merged)}
        return RunSpec(problem.suite, origin or problem.suite, method, settings, merged, execution, hashes, name)

    @staticmethod
    def stored(record: RunRecord, method: Method | None = None) -> RunSpec:
        """That of a stored run; raises `BadInput` for a method or settings that this version lacks. `method`: its
        method, if the caller has it."""
        method = method if method is not None and method.name == record.method else methods.get(record.method)
        settings = parse_stored(method.Settings, record.settings, record.method)
        facts = (record.tasks, record.execution, record.hashes, record.name)
        return RunSpec(record.suite, record.origin, method, settings, *facts)

    @property
    def adapted_on(self) -> str:
        """The split whose images the method learns from; "nothing" for data-free methods."""
        if self.method.needed(self.settings) is Need.NOTHING:
            return "nothing"
        return str(getattr(self.settings, "adapt_on", "test"))

    @property
    def watched_on(self) -> str:
        """The split whose images tell how far the result agrees with the experts."""
        return self.settings.adapt_on if isinstance(self.settings, WatchedSettings) else "test"

    def identity(self) -> dict[str, Any]:
        """Everything that the result depends on, by names that a person understands."""
        how = self.execution
        used = (*self.tasks, *(how.unseen or ()), *how.images_from)
        return {
            "method": self.method.name,
            "settings": self.settings.model_dump(mode="json"),
            "tasks": list(self.tasks),
            **{f"checkpoint of {role}": value for role, value in self.hashes.items() if role in ("base", *self.tasks)},
            **{f"images of {task}": value for task, value in how.content.items() if task in used},
            **{name: value for name, value in how.plain().items() if name not in APART | how.more.keys()},
            "device": how.device.partition(":")[0],  # Which one of several does not matter.
        }

    @property
    def key(self) -> str:
        """The same for runs that give the same numbers, another one for all others."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:32]

    def create(self, store: Store, cell: bool = False) -> str:
        """A queued run; its id. `cell`: a study's, which is found by its key."""
        return store.create(
            suite=self.suite,
            method=self.method.name,
            settings=self.settings.model_dump(mode="json"),
            seed=self.settings.seed,
            tasks=self.tasks,
            steps=0 if self.execution.what_if else self.method.total_steps(self.settings),
            execution=self.execution.plain(),
            hashes=self.hashes,
            adapted_on=self.adapted_on,
            name=self.name,
            origin=self.origin,
            cell=self.key if cell else "",
        )

    def earlier(self, store: Store) -> RunRecord | None:
        """The newest run that is exactly this one: done, or else stopped and able to go on; None where there is none.

        The record is one of a list: its report has no histories.
        """
        listed = [one for one in store.runs(suite=self.suite) if one.method == self.method.name]
        found = [one for one in listed if one.status not in ACTIVE and _key(one) == self.key]
        return next((record for record in found if record.status == "done"), next(iter(found), None))

    def require(self, run_id: str, problem: Problem, other: RunSpec) -> None:
        """Raise `BadInput` where the run would go on with something else than it began with."""
        found = RunSpec.of(problem, other.method, other.settings, measures=self.execution.measures).identity()
        for name, value in self.identity().items():
            if name not in _MAY_CHANGE and found.get(name) != value:
                raise BadInput(
                    f"Run {run_id} can only continue with `{name}` as it began: {value}. Found {found.get(name)}. "
                    "Restore that, or start a new run."
                )

    def require_checkpoints(self, problem: Problem) -> None:
        """Raise `BadInput` where the suite's checkpoints are not the run's own any more."""
        for role, expected in self.hashes.items():
            if problem.hashes.get(role, expected) != expected:
                raise BadInput(
                    f"The checkpoint of `{role}` should be the one this run was made from. Found another: the "
                    "suite has changed since. Choose a run of the present suite."
                )

    def part(self, problem: Problem) -> Problem:
        """The variant of a loaded problem that the run works on."""
        how = self.execution
        unseen = problem.unseen if how.unseen is None else how.unseen
        return variant(problem, self.tasks, unseen, how.images, how.images_from)


def settings_for(method: Method, suite: SuiteFile, given: Mapping[str, Any]) -> MethodSettings:
    """The method's defaults, replaced by the suite's, replaced by those given; raises `BadInput`."""
    return parse(method.Settings, {**suite.defaults.get(method.name, {}), **given}, method.name)


def _key(record: RunRecord) -> str:
    try:
        return RunSpec.stored(record).key
    except MergescopeError:
        return ""
