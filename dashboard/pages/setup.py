"""The page "Set up": suite, tasks, method, options, what to expect, Start. Only in the owner's app.

The browser draws the form (assets/web/setup*.js) from what the server functions answer; every answer is made of plain
values, and every value that comes back is checked by `dashboard.planning.wish`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from core.errors import BadInput
from dashboard import ui
from dashboard.context import Context

TITLE = "Set up"
TAB_ID = "setup"
OWNER_ONLY = True
SCRIPTS = ("setup_tasks.js", "setup_form.js", "setup_methods.js", "setup.js")
STYLES = ("setup.css",)
LATEST_RUNS = 50
"""How far back a run may lie whose speed is taken for the forecast."""

TEMPLATE = """
<div class="ms-setup ms-form">
  <div class="ms-setup-main">
    <section class="ms-card ms-suite" aria-label="Suite"></section>
    <section class="ms-card ms-tasks" aria-label="Tasks"></section>
    <section class="ms-card ms-method" aria-label="Method"></section>
    <section class="ms-card ms-options" aria-label="Options"></section>
  </div>
  <aside class="ms-card ms-plan" aria-label="What will happen"></aside>
</div>
"""


def build(ctx: Context) -> gr.HTML:
    """One component; its server functions are made in here, so that each app has its own."""
    functions = [_catalogue(ctx), _tasks(ctx), _known(ctx), _plan(ctx), _start(ctx), _save(ctx), _load(ctx)]
    return ui.drawn(
        TEMPLATE, "window.mergescopeSetup(element, server);", elem_id="ms-setup", server_functions=functions
    )


def _catalogue(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def setup_catalogue(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        import torch

        from dashboard.planning import catalogue

        suites = [
            {"name": suite.name, "title": suite.title, "description": suite.description, "tasks": len(suite.tasks),
             "missing": suite.missing()}
            for suite in ctx.suites().values()
        ]  # fmt: skip
        devices = ["auto", "cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        broken = [f"{name}: {reason}" for name, reason in ctx.library.broken.items()]
        return {
            "suites": sorted(suites, key=lambda suite: (suite["name"] != ctx.suite, bool(suite["missing"]))),
            "suite": ctx.suite,
            "broken": broken,
            "methods": catalogue.describe_all(),
            "devices": devices,
            "startable": ctx.jobs is not None,
        }

    return setup_catalogue


def _tasks(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def setup_tasks(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        from core import methods
        from dashboard.planning import gallery
        from dashboard.planning.presets import presets

        suite = ctx.library.suite(_named(args, "suite"))
        ctx.library.warm(suite.name)
        return {
            "suite": suite.name,
            "tasks": ctx.library.remember(("cards", suite.name), suite, lambda: gallery.cards(suite)),
            "presets": {
                name: presets(methods.get(name), suite.defaults.get(name, {})) for name in methods.names()
            },
        }  # fmt: skip

    return setup_tasks


def _known(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def setup_accuracies(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        from core.evaluate import references

        suite = ctx.library.suite(_named(args, "suite"))

        def compute() -> dict[str, Any]:
            library = ctx.library
            problem = library.problem(suite.name, progress=library.progress)
            with library.computing():
                found = references(problem, progress=library.progress)
            return {
                task: {"base": item.base.accuracy, "expert": item.expert.accuracy if item.expert else None}
                for task, item in found.items()
            }

        answer = ctx.library.later(("references", *ctx.library.identity(suite)), compute)
        return {"pending": answer.pending, "accuracies": answer.value or {}, "problem": answer.error}

    return setup_accuracies


def _plan(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def setup_plan(args: Any, request: gr.Request) -> dict[str, Any]:
        """What is wrong, how long it takes, which tasks need caution, how many runs are ahead."""
        ctx.owner(request)
        from dashboard.planning import wish
        from dashboard.planning.caution import caution
        from dashboard.planning.forecast import forecast

        try:
            asked = wish.read(args, ctx.library)
        except BadInput as error:
            return {"wrong": str(error)}
        active = ctx.jobs.active() if ctx.jobs is not None else []
        runs = ctx.store.runs(suite=asked.suite.name, limit=LATEST_RUNS)
        return {
            "forecast": forecast(asked, ctx.library, runs),
            "caution": caution(asked, ctx.library),
            "doing": None if (doing := ctx.library.progress.standing()) is None else asdict(doing),
            "ahead": len(active),
            "needs": asked.method.needed(asked.settings).value,
        }

    return setup_plan


def _start(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def setup_start(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        from dashboard.planning import wish

        run_id = ctx.writing_jobs().submit(wish.read(args, ctx.library).request())
        return {"run": run_id}

    return setup_start


def _save(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def setup_save(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        from dashboard.planning import wish

        asked = wish.read(args, ctx.library)
        return {"yaml": wish.to_yaml(asked), "file": f"mergescope-{asked.suite.name}-{asked.method.name}.yaml"}

    return setup_save


def _load(ctx: Context) -> Callable[..., Any]:
    @ui.answered
    def setup_load(args: Any, request: gr.Request) -> dict[str, Any]:
        ctx.owner(request)
        from dashboard.planning import wish

        asked = wish.from_yaml(args.get("yaml") if isinstance(args, dict) else None, ctx.library)
        return {
            "suite": asked.suite.name,
            "tasks": list(asked.tasks),
            "method": asked.method.name,
            "settings": asked.settings.model_dump(mode="json"),
            "device": asked.device,
            "precision": asked.precision,
            "evaluate_every": asked.evaluate_every,
            "name": asked.name,
        }

    return setup_load


def _named(args: Any, key: str) -> str:
    value = args.get(key) if isinstance(args, dict) else None
    if not isinstance(value, str):
        raise BadInput(f"`{key}` should be a text. Found {type(value).__name__}.")
    return value
