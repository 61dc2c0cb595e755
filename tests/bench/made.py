"""A problem of random weights and images that needs no files: large models on a machine lent for minutes."""

from __future__ import annotations

import math

import torch

from core.encoders.building import build_visual
from core.encoders.encoder import Encoder, micro_batch_for
from core.encoders.family import architecture
from core.encoders.models import Architecture
from core.encoders.precision import choose_device
from core.problem.mapped import InMemory
from core.problem.packed import empty
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.tasks import Images
from tests.tiny import CONFIG

CLASSES = 10


def make(
    arch: str, experts: int, images: int, *, device: str = "auto", precision: str = "float32", deltas: str = "bfloat16"
) -> Problem:
    """`experts` random task vectors around a randomly initialised base, and `images` random images a task."""
    torch.manual_seed(0)
    kind = Architecture(arch, CONFIG) if arch == "tiny" else architecture(arch)
    place = choose_device(device)
    encoder = Encoder(kind, place, precision)
    state = build_visual(kind, str(place)).state_dict()
    names, shapes = tuple(encoder.parameter_shapes), tuple(encoder.parameter_shapes.values())
    exact = torch.float64 if precision == "float64" else torch.float32
    origin = torch.cat([state[name].to(exact).reshape(-1) for name in names])
    matrix = empty(InMemory(), experts, sum(map(math.prod, shapes)), deltas, place)
    for row in matrix:  # Filled row by row: a second matrix as large may not fit.
        row.copy_(1e-3 * torch.randn(row.shape, device=place))
    tasks = tuple(f"task{at}" for at in range(experts))
    fixed = {name: state[name].to(origin) for name in encoder.buffer_names}
    vectors = TaskVectors(tasks, names, shapes, origin, matrix, fixed)
    heads = torch.nn.functional.normalize(torch.randn(experts, CLASSES, kind.config["embed_dim"]), dim=-1) * 100
    shape = (images, *kind.input_size, 3)
    pixels = {task: torch.randint(0, 256, shape, dtype=torch.uint8) for task in tasks}
    return Problem(
        suite=f"random {arch}",
        task_vectors=vectors,
        encoder=encoder,
        heads=dict(zip(tasks, heads.to(origin), strict=True)),
        load_images=lambda task, _split: Images(pixels[task], torch.arange(images) % CLASSES),
        classes=dict.fromkeys(tasks, tuple(map(str, range(CLASSES)))),
        micro_batch=micro_batch_for(encoder, vectors.base, pixels[tasks[0]][:8]),
    )
