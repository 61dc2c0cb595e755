"""Mergescope's engine: merge fine-tuned checkpoints of one base model, from Python.

>>> import core
>>> problem = core.load(core.find("demo"))
>>> method = core.methods.get("adamerging")
>>> *_, last = method.steps(problem, core.parse(method.Settings, {"steps": 150}, method.name))
>>> core.evaluate(problem, last.outcome.weights_for("digits"), "digits").accuracy
"""

from core import methods, objectives
from core.errors import BadInput, MergescopeError, RunFailed
from core.evaluate import Evaluation, evaluate, references
from core.loading import load
from core.merged import merge
from core.problem import Problem
from core.settings import parse
from core.similarity import similarity
from core.suites import SuiteFile, find
from core.trust import trust

__all__ = [
    "BadInput",
    "Evaluation",
    "MergescopeError",
    "Problem",
    "RunFailed",
    "SuiteFile",
    "evaluate",
    "find",
    "load",
    "merge",
    "methods",
    "objectives",
    "parse",
    "references",
    "similarity",
    "trust",
]
