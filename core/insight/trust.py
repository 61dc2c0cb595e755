"""Whether minimising entropy can be trusted on a task: a check that needs no labels.

Entropy stands in for the loss only where the expert is sure. Where a task's own expert is less sure of its answers than
the merged model that λ starts from, minimising entropy leads away from the expert, not towards it.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.problem.evaluate import evaluate
from core.problem.merged import merge
from core.problem.problem import Problem
from core.progress import Progress

REMEDY = "set objective=expert_kl, take fewer steps, or leave the task out"


@dataclass(frozen=True)
class TaskTrust:
    """The check of one task."""

    task: str
    expert_entropy: float
    """Mean entropy of the task's expert on its images, in nats."""
    start_entropy: float
    """Mean entropy of the merged model that λ starts from, on the same images."""

    @property
    def trusted(self) -> bool:
        """Whether the expert is the surer one."""
        return self.expert_entropy < self.start_entropy

    @property
    def advice(self) -> str:
        """What to do, in a sentence; empty where nothing needs doing."""
        if self.trusted:
            return ""
        return (
            f"{self.task}: its expert is less sure ({self.expert_entropy:.2f} nats) than the merged model at the start "
            f"({self.start_entropy:.2f}); entropy can't be trusted here: {REMEDY}."
        )


def trust(
    problem: Problem,
    init: float = 0.3,
    split: str = "test",
    limit: int = 128,
    progress: Progress | None = None,
) -> list[TaskTrust]:
    """Check every task that takes part in the merge on up to `limit` images; `init` is the λ learning starts from."""
    progress = progress or Progress()
    start = merge(problem.task_vectors, dict.fromkeys(problem.tasks, init))
    found = []
    progress.start("Checking whether entropy can be trusted, task", len(problem.tasks))
    for task in problem.tasks:
        expert = evaluate(problem, problem.task_vectors.expert(task), task, split, limit)
        merged = evaluate(problem, start, task, split, limit)
        found.append(TaskTrust(task, expert.entropy, merged.entropy))
        progress.advance()
    progress.finish()
    return found
