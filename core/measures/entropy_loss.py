"""Whether entropy can stand in for the loss: their rank correlation over test samples, during learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.nn import functional as F

from core.measures import Measure, Subject
from core.objectives.entropy import entropy
from core.problem.probe import Probe
from core.statistics import Half, mean, spearman
from core.step import Outcome

BESIDE = ("accuracy", "agreement", "entropy", "kl")
"""What is told beside ρ."""


class EntropyLossMeasure(Measure):
    """Spearman's ρ between prediction entropy and cross-entropy of the test samples of each task (AdaMerging, 3.2.2).

    The merged models of the asked steps are computed again from their recorded λ.
    """

    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """`{"steps": [...], "tasks": {task: [ρ or None a step]}, "experts": {measure: [mean over tasks a step]}}`.

        ρ is None where one of the two does not vary. `experts` has what `BESIDE` names, on the reporting half of the
        watched images; entropy and KL in nats.
        """
        problem = subject.problem
        labelled = [task for task in problem.tasks if problem.split(task, "test").labels is not None]
        steps, tasks = [], {task: list[float | None]() for task in labelled}
        probe, experts = Probe.of(problem, "test"), {name: list[float | None]() for name in BESIDE}
        for record, weights in subject.at(options["steps"]):
            steps.append(record.number)
            watched = probe.evaluate(Outcome.of(weights), Half.REPORTING)
            for name, values in experts.items():
                values.append(mean([value for one in watched if (value := getattr(one, name)) is not None]))
            for task in labelled:
                images = problem.split(task, "test")
                assert images.labels is not None
                logits = problem.logits(weights, task, images.pixels).float().cpu()
                losses = F.cross_entropy(logits, images.labels, reduction="none")
                found = spearman(entropy(logits).tolist(), losses.tolist())
                tasks[task].append(found and found[0])
        return {"steps": steps, "tasks": tasks, "experts": experts}
