"""The suites of `equal_suites`, made of a loaded one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core import methods
from core.errors import BadInput
from core.problem.problem import Problem
from core.problem.variants import variant
from core.settings import parse
from core.tasks import Images

BUDGETS = (2560, 512, 5120)
"""Images over all tasks, those that tell most first."""
SUITES = ("demo", "weak", "uneven", "many")
TRAINED = {"steps": 200, "keep_every": 200, "lr": 3e-4}
"""How an expert of half a task is trained: as the demo suite's `multi_task`, half as long."""


def made(demo: Problem, names: Sequence[str], many: Path | None = None) -> dict[str, Problem]:
    """Those suites by name; `many` is the file with the experts of the suite of that name."""
    return {name: _made(demo, name, many) for name in names}


def _made(demo: Problem, name: str, many: Path | None) -> Problem:
    if name == "many":
        if many is None:
            raise BadInput("The suite `many` needs `--many FILE`. Found none; make the file with `--make FILE`.")
        return with_experts(halves(demo), load_file(many))
    alterations = altered(name, demo.tasks)
    return variant(demo, demo.tasks, images={"stress": alterations}) if alterations else demo


def altered(name: str, tasks: Sequence[str]) -> list[Mapping[str, Any]]:
    """What is done to the demo suite."""
    fourth = len(tasks) // 4
    shares: dict[str, list[Mapping[str, Any]]] = {
        "demo": [],
        "weak": [{"kind": "weakened", "by": 0.65}],
        "uneven": [
            {"kind": "weakened", "by": 0.75, "tasks": list(tasks[:fourth])},
            {"kind": "weakened", "by": 0.5, "tasks": list(tasks[fourth : 2 * fourth])},
            {"kind": "lengthened", "by": 2.0, "tasks": list(tasks[2 * fourth : 3 * fourth])},
        ],
    }
    return shares[name]


def halves(problem: Problem) -> Problem:
    """Two tasks of each: its classes at even places, and those at odd ones. They share the expert."""
    parts = {f"{task}-{side}": (task, side) for task in problem.tasks for side in (0, 1)}

    def load(name: str, split: str) -> Images | None:
        task, side = parts[name]
        try:
            images = problem.split(task, split)
        except BadInput:
            return None
        if images.labels is None:
            return None
        chosen = (images.labels % 2 == side).nonzero().flatten()
        return Images(images.pixels[chosen], images.labels[chosen] // 2)

    vectors = problem.task_vectors
    return replace(
        problem,
        task_vectors=replace(vectors, tasks=tuple(parts), deltas=vectors.deltas.repeat_interleave(2, 0), own={}),
        heads={name: problem.heads[task][side::2] for name, (task, side) in parts.items()},
        classes={name: problem.classes[task][side::2] for name, (task, side) in parts.items()},
        load_images=load, hashes={}, content={}, stated={}, data={}, findings=(),
    )  # fmt: skip


def with_experts(problem: Problem, deltas: Mapping[str, Tensor]) -> Problem:
    """The same tasks with other task vectors, task -> τ `[D]`."""
    vectors = problem.task_vectors
    rows = torch.stack([deltas[task] for task in problem.tasks]).to(vectors.deltas)
    return replace(problem, task_vectors=replace(vectors, deltas=rows))


def train_halves(demo: Problem, file: Path) -> None:
    """Train an expert of each half from the base on its training images, and write their task vectors."""
    problem, method, found = halves(demo), methods.get("multi_task"), dict[str, Tensor]()
    settings = parse(method.Settings, TRAINED, method.name)
    for task in problem.tasks:
        alone = replace(problem, task_vectors=problem.task_vectors.part([task]), heads={task: problem.heads[task]})
        last = None
        for step in method.steps(alone, settings):
            last = step.outcome or last
        assert last is not None
        vectors = problem.task_vectors
        found[task] = (vectors.flat(last.weights_for(task)) - vectors.origin).to(torch.float16).cpu()
        print(task, flush=True)
    save_file(found, file)
