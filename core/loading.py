"""Suite file -> Problem: reads every checkpoint once, checks it, and keeps no more in memory than is needed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence

import torch

from core import paths
from core.checkpoints import Checkpoint, load_checkpoint
from core.encoder import Encoder, micro_batch_for
from core.errors import BadCheckpoint, BadInput, BadSuite, UnknownName
from core.files import sha256
from core.heads import HeadBuilder
from core.models import VISUAL
from core.precision import choose_device, choose_precision
from core.problem import Problem
from core.progress import Progress, Silent
from core.suites import SuiteFile
from core.task_vectors import TaskVectors, check_against_base
from core.tasks import Images, load_arrays

DELTAS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LARGE = 2**30
"""Bytes of float32 task vectors from which `deltas=auto` halves them to bfloat16."""


def load(
    suite: SuiteFile,
    tasks: Sequence[str] | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    deltas: str = "auto",
    micro_batch: int | None = None,
    progress: Progress | None = None,
) -> Problem:
    """Load a suite, or those of its `tasks` that are named, ready to be merged.

    Raises `BadSuite`, `BadCheckpoint` or `UnknownName`; nothing of the person's files is changed.
    """
    progress = progress or Silent()
    if missing := suite.missing():
        raise BadSuite(f"Suite `{suite.name}`: {'; '.join(missing)}.")
    chosen = [suite.task(name) for name in dict.fromkeys(tasks)] if tasks is not None else list(suite.tasks)
    if not any(task.expert for task in chosen):
        raise BadInput(f"`tasks` should name at least one task with an expert. Found: {[t.name for t in chosen]}.")
    encoder = Encoder(suite.arch(), choose_device(device), "float32")
    progress.start("Loading checkpoints", 1 + sum(task.expert is not None for task in chosen))
    base_file = suite.resolve(suite.entry.base.weights)
    base = load_checkpoint(base_file, VISUAL)
    _check_base(base, encoder)
    progress.advance()
    experts = {}
    vectors = _empty_vectors(base, encoder, [t.name for t in chosen if t.expert], deltas, precision)
    for row, task in enumerate(task for task in chosen if task.expert):
        assert task.expert is not None
        expert = load_checkpoint(suite.resolve(task.expert.weights), VISUAL)
        check_against_base(expert.path.name, base.tensors, expert.tensors, vectors.names, task.expert.cast)
        for name, span in zip(vectors.names, vectors.spans, strict=True):
            difference = expert.tensors[name].to(vectors.origin.dtype).reshape(-1) - vectors.origin[span].cpu()
            vectors.deltas[row, span] = difference.to(vectors.deltas)
        experts[task.name] = expert.sha256
        progress.advance()
    progress.finish()
    _check_experts(experts, vectors)

    heads = HeadBuilder(encoder.arch, base_file, base.sha256, paths.cache())
    built = {t.name: heads.head(t.classes, t.templates).to(vectors.origin) for t in chosen}
    entries = {task.name: task for task in chosen}

    def load_images(task: str, split: str) -> Images | None:
        entry = entries[task]
        return load_arrays(suite.resolve(entry.data.path), split, len(entry.classes))

    images = next((found for s in ("test", "held-out", "train") if (found := load_images(chosen[0].name, s))), None)
    if images is None:
        raise BadSuite(f"Suite `{suite.name}`: task `{chosen[0].name}` has no images in any split.")
    precision = choose_precision(precision, encoder, vectors.base, images.pixels, paths.cache())
    encoder = encoder.with_precision(precision)
    return Problem(
        suite=suite.name,
        task_vectors=vectors,
        encoder=encoder,
        heads=built,
        load_images=load_images,
        classes={task.name: task.classes for task in chosen},
        micro_batch=micro_batch or micro_batch_for(encoder, vectors.base, images.pixels),
        hashes={"base": base.sha256} | experts,
        content={
            t.name: _content(
                base.sha256, encoder.arch.config, t.classes, t.templates, sha256(suite.resolve(t.data.path))
            )
            for t in chosen
        },
    )


def _content(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _check_base(base: Checkpoint, encoder: Encoder) -> None:
    wanted = encoder.parameter_shapes
    problems = [f"{name} is missing" for name in (*wanted, *encoder.buffer_names) if name not in base.tensors]
    for name, shape in wanted.items():
        found = base.tensors.get(name)
        if found is not None and tuple(found.shape) != shape:
            problems.append(f"{name} should have shape {list(shape)}, found {list(found.shape)}")
        elif found is not None and not found.is_floating_point():
            problems.append(f"{name} should be floating-point, found {found.dtype}")
    problems += [
        f"{name} is unexpected" for name in base.tensors if name not in wanted and name not in encoder.buffer_names
    ]
    if problems:
        more = f"; and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise BadCheckpoint(
            f"`{base.path.name}` is no {encoder.arch.name} base (tensors `{VISUAL}…`): {'; '.join(problems[:4])}{more}."
        )


def _empty_vectors(base: Checkpoint, encoder: Encoder, tasks: list[str], deltas: str, precision: str) -> TaskVectors:
    """Task vectors with the base filled in and room for the experts."""
    names = tuple(encoder.parameter_shapes)
    shapes = tuple(encoder.parameter_shapes.values())
    numel = sum(math.prod(shape) for shape in shapes)
    exact = torch.float64 if precision == "float64" else torch.float32
    if deltas == "auto":
        dtype = exact if exact == torch.float64 or len(tasks) * numel * 4 <= LARGE else torch.bfloat16
    elif deltas in DELTAS:
        dtype = DELTAS[deltas]
    else:
        raise UnknownName("deltas", deltas, ("auto", *DELTAS))
    origin = torch.cat([base.tensors[name].to(exact).reshape(-1) for name in names]).to(encoder.device)
    fixed = {name: base.tensors[name].to(encoder.device) for name in encoder.buffer_names}
    return TaskVectors(
        tuple(tasks),
        names,
        shapes,
        origin,
        torch.empty(len(tasks), numel, dtype=dtype, device=encoder.device),
        fixed,
    )


def _check_experts(hashes: dict[str, str], vectors: TaskVectors) -> None:
    for at, task in enumerate(vectors.tasks):
        if not vectors.deltas[at].any():
            raise BadCheckpoint(
                f"The expert of `{task}` equals the base: its task vector is zero. Give its fine-tuned weights."
            )
        for other in vectors.tasks[:at]:
            if hashes[other] == hashes[task]:
                raise BadCheckpoint(f"The experts of `{other}` and `{task}` are the same file; give each task its own.")
