"""Suite file -> Problem: reads every checkpoint once, checks it, and keeps no more in memory than is needed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from core import paths
from core.checkpoints import Checkpoint, differences, load_checkpoint, remedy
from core.encoders.encoder import Encoder, micro_batch_for
from core.encoders.models import VISUAL, Architecture
from core.encoders.precision import choose_device, choose_precision
from core.encoders.preprocessing import fitting
from core.errors import BadCheckpoint, BadInput, BadSuite, UnknownName
from core.problem.findings import SUITE, Code, Finding, Severity, by_severity, classes, files, images, preparation
from core.problem.heads import TaskHeads, aligned, head_hash
from core.problem.mapped import InMemory, Mapped, Memory
from core.problem.memory import free, give_back
from core.problem.packed import BITS, empty
from core.problem.problem import Problem
from core.problem.sharing.team import Team
from core.problem.sharing.vectors import SharedVectors
from core.problem.task_vectors import TaskVectors
from core.problem.validation import BadFiles, Examiner, activation
from core.progress import SILENT, Progress, Remembered
from core.statistics import Stated
from core.suite.find import SuiteFile
from core.tasks.task import TEST, OpenedTasks, Task

NO_EXPERT = "`tasks` should name at least one task with an expert. Found: {}."
MEMORIES = ("auto", "ram", "mapped")
DELTAS = ("float32", "bfloat16", "float64", *BITS)
LARGE = 2**30
"""Bytes of float32 task vectors from which `deltas=auto` halves them to bfloat16."""
SHARE = 0.5
"""Share of the memory that is free which task vectors may take before `memory=auto` maps them from a file."""


def load(
    suite: SuiteFile,
    tasks: Sequence[str] | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    deltas: str = "auto",
    memory: str = "auto",
    micro_batch: int | None = None,
    ahead: int = 0,
    capture: bool = False,
    team: Team | None = None,
    progress: Progress = SILENT,
) -> Problem:
    """Load a suite, or those of its `tasks` that are named, ready to be merged.

    `deltas` is the precision of the task vectors: `auto`, `float32`, `bfloat16`, `float64`, `int8` or `int4` (with a
    scale for every 64 columns, see `core.problem.packed`). `memory` is where they
    lie: `ram`, `mapped` (a temporary file; `deltas=auto` does not round them then), or `auto`: mapped where they would
    take more than half of the memory that is free. That changes no bit of any result, and neither does `ahead`: the
    steps that are made at most before the host reads them. Nor does `capture`, which on CUDA records a step that learns
    λ once and repeats it: a recording that gives other bits is not used. The processes of a `team` each hold a part of
    the task vectors.
    Raises `BadSuite`, `BadCheckpoint` or `UnknownName`, and `RunFailed` where the disk has no room for the file;
    nothing of the person's files is changed.
    """
    if micro_batch is not None and micro_batch < 1:
        raise BadInput(f"`micro_batch` should be a positive number of images. Found {micro_batch}.")
    if missing := suite.missing():
        raise BadSuite(f"Suite `{suite.name}`: {'; '.join(missing)}.")
    chosen = [suite.task(name) for name in dict.fromkeys(tasks)] if tasks is not None else list(suite.tasks)
    if not any(task.expert for task in chosen):
        raise BadInput(NO_EXPERT.format([task.name for task in chosen]))
    arch = suite.arch()
    # What is wrong with images is told before anything large is read.
    opened = OpenedTasks(suite.name, chosen, fitting(arch))
    opened.prepare(TEST, progress)
    encoder = Encoder(arch, choose_device(device), "float32")
    from_file = suite.entry.base
    base = load_checkpoint(suite.resolve(from_file.weights), VISUAL, inside=from_file.inside, arch=arch)
    check_base(base, encoder)
    progress.start("Building heads", len(chosen))
    builder = TaskHeads(suite, arch, base.sha256)
    heads, named = {}, list[Finding]()
    for task in chosen:
        heads[task.name] = builder.head(task)
        named += classes.found(task, heads[task.name], builder.labels(task))
        progress.advance()
    progress.finish()
    del builder  # The text tower is not needed any more, and can be larger than the image encoder.
    heads = aligned(heads)
    experts = [task for task in chosen if task.expert]
    vectors = _empty_vectors(base, encoder, [task.name for task in experts], deltas, memory, precision, team)
    vectors, hashes, doubts = _read_experts(suite, experts, base, encoder, vectors, heads, progress)
    base_hash = base.sha256
    del base  # The task vectors hold it.

    found = opened.images(chosen[0].name, TEST, progress)
    assert found is not None  # `OpenedTasks` has looked.
    sample = torch.as_tensor(found.pixels[:8])
    chosen_precision = choose_precision(precision, encoder, vectors.base, sample, paths.cache())
    encoder = encoder.with_precision(chosen_precision.name)
    problem = Problem(
        suite=suite.name,
        task_vectors=vectors,
        encoder=encoder,
        heads={task: head.to(vectors.origin) for task, head in heads.items()},
        load_images=lambda task, split: opened.images(task, split, Remembered(lambda: problem.tick())),
        classes={task.name: task.classes for task in chosen},
        micro_batch=micro_batch or micro_batch_for(encoder, vectors.base, sample),
        ahead=ahead,
        capture=capture and encoder.device.type == "cuda",
        hashes={"base": base_hash} | hashes,
        content={task.name: content(suite, base_hash, arch, task, opened) for task in chosen},
        stated={
            task.name: Stated(task.expert.accuracy, task.expert.accuracy_images)
            for task in experts
            if task.expert.accuracy is not None
        },
        data=opened.facts(),
        precision_reason=chosen_precision.reason,
        findings=by_severity([*doubts, *named, *images.found(opened.facts()), *_notes(vectors)]),
    )
    if isinstance(vectors, SharedVectors):
        vectors.begin(problem)
    give_back()
    return problem


def _notes(vectors: TaskVectors) -> list[Finding]:
    found = []
    if vectors.memory.mapped:
        text = (
            f"The task vectors ({vectors.deltas.nbytes / 2**20:,.0f} MiB) are in a temporary file that each step reads."
        )
        remedy = "Steps are faster with more free memory or fewer tasks."
        found.append(Finding(Code.MAPPED_TASK_VECTORS, Severity.NOTE, SUITE, text, remedy))
    if vectors.own:
        text = (
            f"The experts of {', '.join(vectors.own)} have different buffers (BatchNorm statistics) from the base. "
            "Each expert is measured with its own; merged models keep those of the base, which can cost accuracy."
        )
        remedy = "An architecture without BatchNorm has no such loss."
        found.append(Finding(Code.OWN_BUFFERS, Severity.NOTE, SUITE, text, remedy))
    return found


def content(suite: SuiteFile, base: str, arch: Architecture, task: Task, opened: OpenedTasks) -> str:
    """A hash of everything that a task's accuracies depend on beside the image encoder's weights."""
    taken: list[object] = [arch.mean, arch.std, arch.interpolation, arch.resize_mode]
    if not arch.zero_shot:
        taken += [arch.family, arch.size, arch.resized, task.head_key]
    head = [head_hash(suite, task), opened.fingerprint(task.name)]
    parts = [base, arch.config, taken, task.classes, task.templates, task.ids, *head]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_experts(
    suite: SuiteFile,
    tasks: list[Task],
    base: Checkpoint,
    encoder: Encoder,
    vectors: TaskVectors,
    heads: Mapping[str, Tensor],
    progress: Progress,
) -> tuple[TaskVectors, dict[str, str], list[Finding]]:
    """The task vectors filled in, one expert in memory at a time, each expert's SHA-256, and what is doubtful.

    Raises `BadFiles` with everything that is wrong with any of them.
    """
    hashes: dict[str, str] = {}
    own: dict[str, dict[str, Tensor]] = {}
    doubts: list[Finding] = []
    examiner = Examiner(base, vectors.names, encoder.arch)
    progress.start("Loading checkpoints", len(tasks))
    for row, task in enumerate(tasks):
        assert task.expert is not None
        entry = task.expert
        expert = examiner.expert(task.name, suite.resolve(entry.weights), entry.cast, entry.inside)
        progress.advance()
        if expert is None:
            continue
        kept = vectors.written
        vectors.fill(row, (_difference(expert.tensors[name], base.tensors[name], kept) for name in vectors.names))
        own[task.name] = {
            name: _as_used(expert.tensors[name], vectors.origin)
            for name in encoder.buffer_names
            if name in expert.tensors and not torch.equal(expert.tensors[name], base.tensors[name])
        }
        hashes[task.name] = expert.sha256
        doubts += files.found(task, expert, base, heads[task.name])
        doubts += preparation.found(task, expert, encoder.arch)
        del expert  # Before the next one is read.
    progress.finish()
    if examiner.complaints:
        raise BadFiles(examiner.complaints)
    doubts += examiner.vectors.found()
    return replace(vectors, own={task: buffers for task, buffers in own.items() if buffers}), hashes, doubts


def _difference(theta: Tensor, origin: Tensor, kept: torch.dtype) -> Tensor:
    """θ − θ₀ as one vector, in the finest of the three formats: neither is rounded before they are subtracted."""
    exact = torch.promote_types(kept, torch.promote_types(theta.dtype, origin.dtype))
    return (theta.to(exact) - origin.to(exact)).reshape(-1)


def _as_used(buffer: Tensor, origin: Tensor) -> Tensor:
    """A buffer where the weights are, and as exact as they are."""
    return buffer.to(origin) if buffer.is_floating_point() else buffer.to(origin.device)


def check_base(base: Checkpoint, encoder: Encoder) -> None:
    """Raise `BadCheckpoint` unless `base` is an image encoder of the encoder's architecture."""
    if message := activation(base, encoder.arch):
        raise BadCheckpoint(message)
    wanted = {name: torch.empty(shape, device="meta") for name, shape in encoder.parameter_shapes.items()}
    known = wanted | {name: base.tensors[name] for name in encoder.buffer_names if name in base.tensors}
    found = differences(known, base.tensors, (*wanted, *encoder.buffer_names), cast=True)
    problems = list(map(str, found))
    problems += [
        f"{name} should be floating-point, found {tensor.dtype}"
        for name, tensor in base.tensors.items()
        if name in wanted and not tensor.is_floating_point()
    ]
    if problems:
        more = f"; and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise BadCheckpoint(
            f"`{base.path.name}` is not a {encoder.arch.name} base (tensors `{VISUAL}…`): "
            f"{'; '.join(problems[:4])}{more}.{remedy(found)}"
        )


def _empty_vectors(
    base: Checkpoint, encoder: Encoder, tasks: list[str], deltas: str, memory: str, precision: str, team: Team | None
) -> TaskVectors:
    """Task vectors with the base filled in and room for the experts."""
    names = tuple(encoder.parameter_shapes)
    shapes = tuple(encoder.parameter_shapes.values())
    numel = sum(math.prod(shape) for shape in shapes)
    exact = "float64" if precision == "float64" else "float32"
    if memory not in MEMORIES:
        raise UnknownName("memory", memory, MEMORIES)
    if deltas == "auto":
        rounded = memory != "mapped" and exact != "float64" and len(tasks) * numel * 4 > LARGE
        deltas = "bfloat16" if rounded else exact
    elif deltas not in DELTAS:
        raise UnknownName("deltas", deltas, ("auto", *DELTAS))
    origin = torch.cat([base.tensors[name].to(getattr(torch, exact)).reshape(-1) for name in names]).to(encoder.device)
    fixed = {name: _as_used(base.tensors[name], origin) for name in encoder.buffer_names}
    nothing = empty(InMemory(), len(tasks), numel, deltas, torch.device("meta"))
    place = _place(memory, int(nothing.nbytes * (team.near / team.size if team is not None else 1)), encoder.device)
    if team is not None:
        shell = TaskVectors(tuple(tasks), names, shapes, origin, nothing, fixed, memory=place)
        return SharedVectors.of(shell, encoder, team)
    matrix = empty(place, len(tasks), numel, deltas, encoder.device)
    return TaskVectors(tuple(tasks), names, shapes, origin, matrix, fixed, memory=place)


def _place(memory: str, size: int, device: torch.device) -> Memory:
    """Where a matrix of `size` bytes goes."""
    small = size <= SHARE * free(device)
    return InMemory() if memory == "ram" or (memory == "auto" and small) else Mapped(paths.cache())
