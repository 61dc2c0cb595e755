"""The page "Set up": suite, tasks, method, options, what to expect, Start. Only in the owner's app.

The browser draws the form (setup*.js) from what its questions are answered; every answer is made of plain
values, and every value that comes back is checked by `dashboard.planning.wish`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core.errors import BadInput
from core.progress import Progress
from dashboard.asked import Line
from dashboard.context import Context
from dashboard.door import Answer, owners
from dashboard.pages.page import Page

if TYPE_CHECKING:
    from core.suite.find import SuiteFile

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


class SetUp:
    """What the form asks the server for."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    @owners
    def setup_catalogue(self) -> Answer:
        """Suites, methods and devices to choose from."""
        import torch

        from dashboard.planning import catalogue

        suites = [
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
            "methods": catalogue.describe_all(),
            "devices": devices,
            "startable": self._ctx.jobs is not None,
        }

    @owners
    def setup_tasks(self, suite: Line) -> Answer:
        """A suite's task cards, and the presets of every method on it."""
        from core import methods
        from dashboard.planning import gallery
        from dashboard.planning.presets import presets

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
    def setup_accuracies(self, suite: Line) -> Answer:
        """Accuracies of base and experts; `pending` while they are measured."""
        from core.problem.evaluate import references

        file = self._ctx.library.suite(suite)

        def compute(told: Progress) -> dict[str, Any]:
            found = references(self._ctx.library.problem(file.name, progress=told), progress=told)
            return {
                task: {"base": item.base.accuracy, "expert": item.expert.accuracy if item.expert else None}
                for task, item in found.items()
            }

        answer = self._ctx.library.later(("references", *self._ctx.library.identity(file)), compute)
        return {"pending": answer.pending, "accuracies": answer.value or {}, "problem": answer.error}

    @owners
    def setup_plan(self, given: dict[str, Any]) -> Answer:
        """What is wrong or doubtful, how long it takes, which tasks need caution, how many runs are ahead."""
        from dashboard.planning import wish
        from dashboard.planning.caution import caution
        from dashboard.planning.doubts import doubts
        from dashboard.planning.forecast import forecast

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
            "doing": None if (doing := self._ctx.library.doing()) is None else asdict(doing),
            "ahead": len(active),
            "needs": asked.spec.method.needed(asked.spec.settings).value,
        }

    @owners
    def setup_start(self, given: dict[str, Any]) -> Answer:
        """Queue the run."""
        from dashboard.planning import wish
        from dashboard.planning.caution import checked

        asked = wish.read(given, self._ctx.library)
        run_id = self._ctx.writing_jobs().submit(checked(asked, self._ctx.library), asked.suite)
        return {"run": run_id}

    @owners
    def setup_save(self, given: dict[str, Any]) -> Answer:
        """The settings as a YAML file."""
        from dashboard.planning import wish

        asked = wish.read(given, self._ctx.library)
        file = f"mergescope-{asked.suite.name}-{asked.spec.method.name}.yaml"
        return {"yaml": wish.to_yaml(asked.plain()), "file": file}

    @owners
    def setup_load(self, yaml: str) -> Answer:
        """What a settings file says."""
        from dashboard.planning import wish

        return wish.from_yaml(yaml, self._ctx.library).plain()


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
    styles=("setup.css",),
    charts=False,
    owner_only=True,
)
