"""What could have been known before a run without labels, beside what became of its tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from core import objectives
from core.insight.trust import Look, ahead
from core.learning.watch import kept_of
from core.measures import Measure, Subject
from core.objectives import Objective
from core.objectives.entropy import entropy
from core.problem.evaluate import evaluate
from core.problem.merged import Batch, MergedModel
from core.problem.probe import Probe
from core.statistics import Evaluation, Half

IMAGES = 64
"""Images of a task that gradients are taken on, of those that are watched."""


class TrustMeasure(Measure):
    """Predictors of harm, each with the seconds it took, and accuracies at the start and at the kept step."""

    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """`{"start", "kept", "kept_step", "expert_entropy", "looks", "gradients", "ahead", "seconds"}`.

        `start` and `kept` are task -> accuracy on all test images. `looks` are those of the run itself and `ahead`
        ("ahead steps reach" -> looks) those of shorter ones, `[{"task", "share" or "step", "kl", "agreement",
        "entropy"}]`. `gradients` are cosines of the λ-gradients of objective and KL, `{"sum", "tasks"}`. What the
        method does not have is None.
        """
        problem, found, seconds = subject.problem, dict[str, Any](), dict[str, float]()
        probe = Probe.of(problem, str(getattr(subject.settings, "adapt_on", "test")))
        looks = [one for one in subject.watched if one.half is Half.CHOOSING]
        found["looks"] = [
            {"task": one.task, "step": one.step, "kl": _plain(one.kl), "agreement": one.agreement,
             "entropy": _plain(one.entropy)}
            for one in looks
        ]  # fmt: skip
        found["start"] = _accuracies(subject, 0)
        by_step: dict[int, list[Evaluation]] = {}
        for one in looks:
            by_step.setdefault(one.step, []).append(one)
        found["kept_step"] = kept = kept_of(by_step) if by_step else None
        found["kept"] = None if kept is None else _accuracies(subject, kept)
        found["expert_entropy"] = {task: entropy(answers).mean().item() for task, answers in probe.answers.items()}
        found["gradients"] = _timed(seconds, "gradients", lambda: _directions(subject, probe))
        further = looked_ahead(subject, options.get("ahead", ()))
        return found | {"ahead": further["ahead"], "seconds": seconds | further["seconds"]}

    def evaluations(self, options: Mapping[str, Any]) -> int:
        """At the start and at the kept step; on the demo suite a shortened run takes as long as one or two more."""
        return 2 + 2 * len(options.get("ahead", ()))


def looked_ahead(subject: Subject, ways: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """`{"ahead", "seconds"}` as `TrustMeasure` has them, for shortened runs of these steps and reach."""
    seconds, found = dict[str, float](), {}
    for steps, reach in ways:
        name = f"ahead {steps} {reach:g}"
        look = partial(ahead, subject.problem, subject.method, subject.settings, steps, reach)
        found[name] = [_look(one) for one in _timed(seconds, name, look)]
    return {"ahead": found, "seconds": seconds}


def _timed(seconds: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    begin = time.perf_counter()
    found = work()
    seconds[name] = time.perf_counter() - begin
    return found


def _look(one: Look) -> dict[str, Any]:
    return {"task": one.task, "share": one.share, "kl": _plain(one.kl), "agreement": one.agreement,
            "entropy": _plain(one.entropy)}  # fmt: skip


def _plain(value: float | None) -> float | None:
    """Ready for JSON, which has no infinity."""
    return None if value is None or not math.isfinite(value) else value


def _accuracies(subject: Subject, number: int) -> dict[str, float | None] | None:
    """Task -> accuracy of the model after that step; None where λ alone does not make it."""
    problem = subject.problem
    if number:
        weights = next((weights for _, weights in subject.at([number])), None)
    else:
        first = next(iter(subject.method.steps(problem, subject.settings)))
        weights = first.weights() if first.weights is not None else None
    if weights is None:
        return None
    return {task: evaluate(problem, weights, task).accuracy for task in problem.tasks}


def _directions(subject: Subject, probe: Probe) -> dict[str, Any] | None:
    """Cosines between the λ-gradient of the run's objective, summed over tasks, and that of KL to the experts, at the
    start: summed, and of each task. None where λ is not what is learned or the objective needs more than images."""
    problem, settings = subject.problem, subject.settings
    mixture = subject.method.mixture(settings)
    name = getattr(settings, "objective", None)
    if mixture is None or name is None:
        return None
    objective, kl = objectives.chosen(name, settings), objectives.get("expert_kl")
    if objective.target not in (objectives.Target.NOTHING, objectives.Target.EXPERT):
        return None
    made = mixture(problem)
    model = MergedModel(problem, made)
    init = float(getattr(settings, "init", 0.3))
    rows = made.vectors.origin.new_full((len(made.grouping.groups), len(made.vectors.tasks)), init)

    def gradient(task: str, wanted: Objective) -> Tensor:
        chosen = probe.images[task][:IMAGES]
        pixels = problem.images(task, probe.split)[chosen]
        target = probe.answers[task][: len(chosen)]
        return model.measure(rows, [Batch(task, pixels, target)], wanted).gradient.double().flatten()

    tasks = [task for task in probe.images if len(probe.images[task])]
    towards = {task: gradient(task, kl) for task in tasks}
    taken = torch.stack([gradient(task, objective) for task in tasks]).sum(0)
    total = torch.stack(list(towards.values())).sum(0)
    return {"sum": _cosine(taken, total), "tasks": {task: _cosine(taken, one) for task, one in towards.items()}}


def _cosine(left: Tensor, right: Tensor) -> float | None:
    return _plain((left @ right / (left.norm() * right.norm())).item())
