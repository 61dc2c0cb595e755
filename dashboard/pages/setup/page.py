"""The page "Set up": suite, tasks, method, options, what to expect, Start. Only in the owner's app.

The browser draws the form (setup*.js) from what its questions are answered; every answer is made of plain
values, and every value that comes back is checked by `dashboard.pages.setup.wish`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from typing_extensions import TypedDict

from core import methods
from core.cluster.connection import missing
from core.cluster.queued import elsewhere
from core.errors import BadInput
from core.problem.evaluate import references
from core.progress import Progress, Standing
from core.suite.find import SuiteFile
from dashboard.asked import Line
from dashboard.door import Desk, Failed, Pending, Waiting, owners
from dashboard.pages.page import Page
from dashboard.pages.setup import gallery, wish
from dashboard.pages.setup.catalogue import describe_all, presets
from dashboard.pages.setup.caution import caution, checked, doubts
from dashboard.pages.setup.forecast import forecast
from dashboard.pages.setup.shapes import Asked, Card, Caution, Expected, Form, Found, Preset
from dashboard.settings_file import from_yaml, to_yaml

LATEST_RUNS = 50
"""How far back a run may lie whose speed is taken for the forecast."""

TEMPLATE = """
<div class="ms-setup ms-form">
  <div class="ms-stack">
    <section class="ms-card ms-suite" aria-label="Suite"></section>
    <section class="ms-card ms-tasks" aria-label="Tasks"></section>
    <section class="ms-card ms-method" aria-label="Method"></section>
    <section class="ms-card ms-options" aria-label="Options"></section>
  </div>
  <aside class="ms-card ms-plan" aria-label="What will happen"></aside>
</div>
"""


class Suite(TypedDict):
    """A suite to choose; `missing` says what keeps it from being used."""

    name: str
    title: str
    description: str
    tasks: int
    missing: list[str]


class Catalogue(TypedDict):
    """All there is to choose from; `broken` are suites that can't be read, with the reason."""

    suites: list[Suite]
    suite: str
    broken: list[str]
    methods: list[Form]
    devices: list[str]
    alone: str
    """Why nothing but this machine can be chosen; empty where Ray is installed."""
    startable: bool


class Tasks(TypedDict):
    """The tasks of a suite, and the presets of every method on it."""

    suite: str
    tasks: list[Card]
    presets: dict[str, list[Preset]]


class Pair(TypedDict):
    """Accuracies of one task."""

    base: float | None
    expert: float | None


class Accuracies(TypedDict):
    """Those of base and experts by task, as far as they are measured; `problem` says why not."""

    pending: bool
    accuracies: dict[str, Pair]
    problem: str


class Wrong(TypedDict):
    """What does not fit, in one line."""

    wrong: str


class Plan(TypedDict):
    """What to expect; `ahead` are runs that wait or are running, `needs` what the method has to be given."""

    forecast: Expected | Waiting | Failed
    caution: Caution | Pending | Failed | None
    doubts: Found | Pending | Failed
    doing: Standing | None
    ahead: int
    needs: str


class Started(TypedDict):
    """The id of the run."""

    run: str


class Saved(TypedDict):
    """A settings file."""

    yaml: str
    file: str


class SetUp(Desk):
    """What the form asks the server for."""

    @owners
    def setup_catalogue(self) -> Catalogue:
        """Suites, methods and devices to choose from."""
        suites: list[Suite] = [
            {"name": suite.name, "title": suite.title, "description": suite.entry.description,
             "tasks": len(suite.tasks), "missing": _missing(suite)}
            for suite in self._ctx.suites().values()
        ]  # fmt: skip
        devices = ["auto", "cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        broken = [f"{name}: {reason}" for name, reason in self._ctx.library.broken.items()]
        return {
            "suites": sorted(suites, key=lambda suite: (suite["name"] != self._ctx.suite, bool(suite["missing"]))),
            "suite": self._ctx.suite,
            "broken": broken,
            "methods": describe_all(),
            "devices": devices,
            "alone": missing(),
            "startable": self._ctx.jobs is not None,
        }

    @owners
    def setup_tasks(self, suite: Line) -> Tasks:
        """A suite's task cards, and the presets of every method on it."""
        file = self._ctx.library.suite(suite)
        self._ctx.library.warm(file.name)
        return {
            "suite": file.name,
            "tasks": self._ctx.library.remember(("cards", file.name), file, lambda: gallery.cards(file)),
            "presets": {
                name: presets(methods.get(name), file.defaults.get(name, {})) for name in methods.names()
            },
        }  # fmt: skip

    @owners
    def setup_accuracies(self, suite: Line) -> Accuracies:
        """Accuracies of base and experts; `pending` while they are measured."""
        file = self._ctx.library.suite(suite)

        def compute(told: Progress) -> dict[str, Pair]:
            found = references(self._ctx.library.problem(file.name, progress=told), progress=told)
            return {
                task: {"base": item.base.accuracy, "expert": item.expert.accuracy if item.expert else None}
                for task, item in found.items()
            }

        answer = self._ctx.library.later(("references", *self._ctx.library.identity(file)), compute)
        return {"pending": answer.pending, "accuracies": answer.value or {}, "problem": answer.error}

    @owners
    def setup_plan(self, given: dict[str, Any]) -> Plan | Wrong:
        """What is wrong or doubtful, how long it takes, which tasks need caution, how many runs are ahead."""
        try:
            asked = wish.read(given, self._ctx.library)
        except BadInput as error:
            return {"wrong": str(error)}
        active = self._ctx.jobs.active() if self._ctx.jobs is not None else []
        runs = self._ctx.store.runs(suite=asked.suite.name, limit=LATEST_RUNS)
        return {
            "forecast": forecast(asked, self._ctx.library, runs),
            "caution": caution(asked, self._ctx.library),
            "doubts": doubts(asked, self._ctx.library),
            "doing": self._ctx.library.doing(),
            "ahead": len(active),
            "needs": asked.spec.method.needed(asked.spec.settings).value,
        }

    @owners
    def setup_start(self, given: dict[str, Any]) -> Started:
        """Queue the run."""
        asked = wish.read(given, self._ctx.library)
        jobs, spec, library = self._ctx.writing_jobs(), checked(asked, self._ctx.library), self._ctx.library
        if not asked.on:
            return {"run": jobs.submit(spec, asked.suite)}
        load = partial(library.load, asked.suite, asked.tasks)
        return {"run": jobs.submit(spec, asked.suite, elsewhere(asked.on, asked.device, self._ctx.store, load))}

    @owners
    def setup_save(self, given: dict[str, Any]) -> Saved:
        """The settings as a YAML file."""
        asked = wish.read(given, self._ctx.library)
        file = f"mergescope-{asked.suite.name}-{asked.spec.method.name}.yaml"
        return {"yaml": to_yaml(asked.plain()), "file": file}

    @owners
    def setup_load(self, yaml: str) -> Asked:
        """What a settings file says."""
        return wish.read(from_yaml(yaml), self._ctx.library).plain()


def _missing(suite: SuiteFile) -> list[str]:
    """What keeps a suite from being used; one whose folder of checkpoints has gone must not hide the others."""
    try:
        return suite.missing()
    except BadInput as error:
        return [str(error).rstrip(".")]


PAGE = Page(
    "Set up",
    "setup",
    (SetUp,),
    template=TEMPLATE,
    charts=False,
    owner_only=True,
)
