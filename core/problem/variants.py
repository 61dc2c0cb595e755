"""The same loaded suite with fewer experts or altered test images: what the cells of a study work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from core.errors import BadInput
from core.problem.problem import Problem
from core.problem.stress import stressed
from core.tasks import Images


def variant(
    problem: Problem,
    tasks: Sequence[str],
    unseen: Sequence[str] = (),
    images: Mapping[str, Any] | None = None,
    images_from: Sequence[str] = (),
) -> Problem:
    """`problem` merging `tasks` and evaluating `unseen` too, on images as `images` says; the same object where that
    is what it is already. λ is learned from the images of `images_from`, or of the merged tasks.

    `images`: `{"corruption": kind, "severity": 1…5, "seed": n}`, applied to the test split, or `{"stress": […]}` with
    alterations of `core.problem.stress`, of experts and heads too. Memory is shared.
    Raises `BadInput` for tasks that `problem` does not have.
    """
    if tuple(tasks) != problem.tasks or tuple(unseen) != problem.unseen:
        problem = _part(problem, tasks, unseen)
    if tuple(images_from) != problem.images_from:
        if missing := [name for name in images_from if name not in problem.heads]:
            raise BadInput(f"`images_from` should be among {', '.join(problem.heads)}. Found {', '.join(missing)}.")
        problem = replace(problem, images_from=tuple(images_from))
    if images and "stress" in images:
        return replace(stressed(problem, images["stress"]), altered=dict(images))
    return _corrupted(problem, images) if images else problem


def _part(problem: Problem, tasks: Sequence[str], unseen: Sequence[str]) -> Problem:
    vectors = problem.task_vectors
    missing = [name for name in tasks if name not in vectors.tasks]
    missing += [name for name in unseen if name not in problem.heads]
    if missing or not tasks:
        raise BadInput(f"`tasks` should be among {', '.join(vectors.tasks)}. Found {', '.join(missing) or 'none'}.")
    return replace(
        problem,
        task_vectors=vectors.part(tasks),
        heads={name: problem.heads[name] for name in (*tasks, *unseen)},
        hashes={role: value for role, value in problem.hashes.items() if role in ("base", *tasks)},
        findings=tuple(one for one in problem.findings if one.holds_for((*tasks, *unseen))),
        # The whole problem keeps what it has loaded, so that its parts do not read it again.
        load_images=problem.found,
    )


def _corrupted(problem: Problem, images: Mapping[str, Any]) -> Problem:
    def load(task: str, split: str) -> Images | None:
        found = problem.found(task, split)
        return found if found is None or split != "test" else _altered(found, images)

    return replace(problem, load_images=load, altered=dict(images))


def _altered(found: Images, images: Mapping[str, Any]) -> Images:
    # Imported when needed: SciPy and Pillow are slow to load, and nearly no run asks for it.
    from core.problem.stress.corruptions import corrupt

    kind, severity, seed = str(images["corruption"]), int(images["severity"]), int(images.get("seed", 0))
    return Images(torch.from_numpy(corrupt(found.pixels.numpy(), kind, severity, seed)), found.labels)
