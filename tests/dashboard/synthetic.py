"""Runs whose numbers are made up by a formula, written through the real store: for charts, browser tests, the bench."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from core.learning.watch import due
from core.problem.method import Coefficients, Step
from core.statistics import Evaluation, Half
from core.store import Store
from dashboard.charts.columns import MapColumn

TASKS = ("digits", "house numbers", "letters", "flags", "animals", "icons", "vehicles", "satellite")
_INSIDE = (
    "ln_1.weight",
    "ln_1.bias",
    "attn.in_proj_weight",
    "attn.in_proj_bias",
    "attn.out_proj.weight",
    "attn.out_proj.bias",
    "ln_2.weight",
    "ln_2.bias",
    "mlp.c_fc.weight",
    "mlp.c_fc.bias",
    "mlp.c_proj.weight",
    "mlp.c_proj.bias",
)


def tensor_names(blocks: int = 8) -> tuple[str, ...]:
    """Names of a vision transformer's tensors, in open_clip's order (`proj` before the blocks)."""
    inside = (f"transformer.resblocks.{block}.{name}" for block in range(blocks) for name in _INSIDE)
    return (
        "class_embedding",
        "positional_embedding",
        "proj",
        "conv1.weight",
        "ln_pre.weight",
        "ln_pre.bias",
        *inside,
        "ln_post.weight",
        "ln_post.bias",
    )


def task_names(count: int) -> tuple[str, ...]:
    """`count` names, the first eight of them words."""
    return (*TASKS, *(f"task {index}" for index in range(len(TASKS), count)))[:count]


def create(store: Store, *, tasks: int = 8, steps: int = 100, method: str = "adamerging", name: str = "") -> str:
    """A queued run of made-up steps."""
    return store.create(
        suite="synthetic",
        method=method,
        settings={"objective": "entropy", "lr": 1e-3, "init": 0.3, "start": "none"},
        seed=0,
        tasks=task_names(tasks),
        steps=steps,
        hashes={},
        adapted_on="test",
        name=name,
        execution={"device": "cpu", "precision": "float32", "threads": 2},
    )


def coefficients(names: Sequence[str], tasks: int, number: int, steps: int, seed: int = 0) -> np.ndarray:
    """λ `[groups, tasks]`: from 0.3 towards a pattern that grows with depth and differs by task and tensor."""
    random = np.random.default_rng(seed)
    depth = np.linspace(0, 1, len(names))[:, None]
    waves = 1 + 0.5 * np.sin(1.7 * np.arange(tasks) + seed)
    goal = 0.12 + 0.45 * depth**1.2 * waves + 0.1 * random.normal(size=(len(names), tasks))
    share = 1 - np.exp(-3 * number / max(steps, 1))
    return np.clip(0.3 + share * (goal - 0.3), 0, 1).astype(np.float32)


def looked(tasks: int, number: int, kept: int) -> list[Evaluation]:
    """Made-up agreement on 80 images per task, which is best after step `kept`."""
    far = abs(number - kept) / (kept + 10)
    return [
        Evaluation(task, None, 80, 0.5, agreeing=round(80 * (0.9 - 0.02 * place) / (1 + far)), kl=0.1 + 0.3 * far)
        for place, task in enumerate(task_names(tasks))
    ]


def made_up(tasks: int, steps: int, groups: Sequence[str], seed: int = 0, kept: int | None = None) -> Iterator[Step]:
    """Step 0 and `steps` more; where one of them is `kept` they are watched."""
    names, random = task_names(tasks), np.random.default_rng(seed + 1)
    for number in range(steps + 1):
        level = 0.25 + (0.5 + 0.09 * np.arange(tasks)) * np.exp(-number / (0.2 * steps + 1))
        level *= 1 + 0.08 * random.normal(size=tasks)
        entropies = {task: float(value) for task, value in zip(names, level, strict=True)} if number else {}
        values = torch.from_numpy(coefficients(groups, tasks, number, steps, seed))
        watched = {}
        if kept is not None and number in {kept, *due(steps)}:
            watched[Half.CHOOSING] = looked(tasks, number, kept)
            if number in (0, steps):
                watched[Half.REPORTING] = looked(tasks, kept if number else 0, kept)
        yield Step(
            number,
            losses=entropies,
            entropies=entropies,
            seconds=0.1,
            samples=16 * tasks if number else 0,
            coefficients=Coefficients(tuple(groups), names, values),
            watched=watched,
            kept=kept if number == steps else None,
        )


def measure(store: Store, run_id: str, number: int, steps: int, *, full: bool = False, falling: str = "") -> None:
    """Made-up accuracies after a step; those of the task `falling` fall while its entropy falls as well."""
    found = []
    total = 400 if full else 128
    for place, task in enumerate(store.run(run_id).tasks):
        share = 1 - np.exp(-4 * number / max(steps, 1))
        accuracy = 0.55 + 0.03 * (place % 5) + (-0.2 if task == falling else 0.25) * share
        found.append(Evaluation(task, round(accuracy * total), total, float(1.2 - 0.7 * share)))
    store.add_evaluation(run_id, number, found, full=full)


def finish(store: Store, run_id: str, **more: Any) -> None:
    """Note the run as done, with a report that holds `more`."""
    record = store.run(run_id)
    last = {one.task: one for one in store.evaluations(run_id)}
    tasks = [
        {
            "name": task,
            "accuracy": one.correct / one.total if (one := last.get(task)) else 0.5,
            "ci95": list(one.ci95) if one and one.ci95 else [0.4, 0.6],
            "expert_accuracy": 0.9 + 0.01 * (place % 7),
            "base_accuracy": 0.35 + 0.02 * (place % 6),
            "normalised": 0.9,
        }
        for place, task in enumerate(record.tasks)
    ]
    store.finish(
        run_id,
        {
            "tasks": tasks,
            "average_accuracy": 0.8,
            "average_normalised": 0.9,
            "steps": record.steps_done,
            "seconds": record.seconds,
            "peak_memory_mb": 640.0,
            "entropy": [],
            "coefficients": {"groups": list(record.groups), "tasks": list(record.tasks), "values": []},
        }
        | more,
    )


def finished(
    store: Store, *, tasks: int = 8, blocks: int = 8, steps: int = 60, seed: int = 0, name: str = "", falling: str = "",
    kept: int | None = None, **more: Any,
) -> str:  # fmt: skip
    """A whole run: steps, accuracies every tenth, report with `more`; watched where a step is `kept`."""
    run_id = create(store, tasks=tasks, steps=steps, name=name)
    groups = tensor_names(blocks)
    for step in made_up(tasks, steps, groups, seed, kept):
        store.record(run_id, step)
        if step.number % max(1, steps // 10) == 0:
            measure(store, run_id, step.number, steps, falling=falling)
    measure(store, run_id, steps if kept is None else kept, steps, full=True, falling=falling)
    finish(store, run_id, **more)
    return run_id


def decode(text: str, origin: np.ndarray, columns: Sequence[MapColumn]) -> np.ndarray:
    """The inverse of `dashboard.charts.feed.encode`: λ `[step, groups, tasks]`."""
    order = [column.row for column in columns]
    groups, tasks = origin.shape
    differences = np.frombuffer(base64.b64decode(text), "<f2").reshape(-1, tasks, groups).astype(np.float32)
    values = np.empty((len(differences), groups, tasks), np.float32)
    values[:, order] = differences.transpose(0, 2, 1)
    return values + origin
