"""Mergescope's engine: merge fine-tuned checkpoints of one base model, from Python.

>>> import core
>>> problem = core.load(core.find("demo"))
>>> method = core.methods.get("adamerging")
>>> *_, last = method.steps(problem, core.parse(method.Settings, {"steps": 50}, method.name))
>>> merged = last.outcome.weights_for("digits")

Names are imported when they are first used, so that a command's help does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "BadInput": "core.errors",
    "MergescopeError": "core.errors",
    "Problem": "core.problem.problem",
    "RunFailed": "core.errors",
    "SuiteFile": "core.suite.find",
    "TaskVectors": "core.problem.task_vectors",
    "find": "core.suite.find",
    "load": "core.problem.loading",
    "merge": "core.problem.merged",
    "parse": "core.settings",
    "references": "core.problem.evaluate",
}

__all__ = [*_HOME, "methods", "objectives"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("methods", "objectives"):
        return import_module(f"core.{name}")
    raise AttributeError(f"module `core` has no attribute `{name}`")
