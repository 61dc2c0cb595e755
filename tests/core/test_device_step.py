"""A step on a device apart from the host, checked by its structure: meta tensors have shapes and no numbers, so that
whatever reads one raises, and a dispatch mode sees each call and each copy between devices."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core import methods, objectives
from core.encoders.building import build
from core.encoders.encoder import Encoder
from core.encoders.family import architecture
from core.encoders.models import Architecture
from core.learning.batches import Batches
from core.learning.made import read
from core.objectives.entropy import entropy
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.tasks import Images
from tests.tiny import CONFIG

APART = torch.device("meta")
CLASSES = 10
VIEWS = {"aten._unsafe_view.default", "aten._reshape_alias.default", "aten.lift_fresh.default"}
"""Views that don't say so in their signature."""


class Calls(TorchDispatchMode):
    """Counts what is asked of PyTorch, and what has tensors of two devices."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.between = Counter[str](), Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        devices = {t.device.type for t in tree_leaves((args, kwargs, found)) if isinstance(t, Tensor)}
        view = any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.arguments)
        if not view and str(func) not in VIEWS:
            self.made[str(func)] += 1
        if len(devices) > 1:
            self.between[str(func)] += 1
        return found


def made(kind: Architecture, tasks: int, images: int) -> Problem:
    """A problem without numbers."""
    encoder = Encoder(kind, APART, "float32")
    columns = sum(math.prod(shape) for shape in encoder.parameter_shapes.values())
    names = tuple(f"task{at}" for at in range(tasks))
    vectors = TaskVectors(
        names,
        tuple(encoder.parameter_shapes),
        tuple(encoder.parameter_shapes.values()),
        torch.empty(columns, device=APART),
        torch.empty(tasks, columns, dtype=torch.bfloat16, device=APART),
        {},
    )
    head = torch.empty(CLASSES, kind.config["embed_dim"], device=APART)
    pixels = torch.empty(images, *kind.input_size, 3, dtype=torch.uint8)
    labels = torch.zeros(images, dtype=torch.int64)
    return Problem(
        suite="apart", task_vectors=vectors, encoder=encoder, heads=dict.fromkeys(names, head),
        load_images=lambda _task, _split: Images(pixels, labels), classes=dict.fromkeys(names, ("class",) * CLASSES),
        micro_batch=1024, ahead=4,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="Triton comes with PyTorch for CUDA")
    monkeypatch.setattr(TaskVectors, "_fused", lambda _self: True)

    def answers(batches: Any, task: str, _stream: Any) -> Tensor | None:
        """The experts' logits are found once, before the first step, and read there."""
        wanted = batches._objective.target is objectives.Target.EXPERT
        return torch.empty(len(batches._problem.images(task)), CLASSES, device=APART) if wanted else None

    monkeypatch.setattr(Batches, "_expert_logits", answers)


def calls(problem: Problem, method: str, **values: Any) -> Calls:
    """What a step calls once everything is set up; with it, reading four steps works."""
    chosen = methods.get(method)
    learner = chosen._learner(problem, chosen.Settings(steps=1000, keep_step="last", **values))  # type: ignore[attr-defined]
    learner.step()
    with Calls() as seen:
        learner.step()
    return seen


@pytest.mark.parametrize("objective", objectives.names())
def test_a_step_reads_nothing_and_brings_nothing(objective: str) -> None:
    seen = calls(made(Architecture("tiny", CONFIG), 3, 40), "adamerging", objective=objective, batch=4)
    assert seen.made
    assert not seen.between


def test_a_read_would_be_seen() -> None:
    problem, chosen = made(Architecture("tiny", CONFIG), 3, 40), methods.get("adamerging")
    learner = chosen._learner(problem, chosen.Settings(batch=4))  # type: ignore[attr-defined]
    measured = learner.step()
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        assert measured.losses
    with Calls() as seen:
        learner._raw + torch.ones(learner._raw.shape, device="cpu").to(APART)
    assert seen.between


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("adamerging_pp", {}),
        ("samerging", {}),
        ("adarank", {"start": "none", "components": "own"}),
        ("adamerging", {"group": "task", "clamp": False}),
    ],
)
def test_neither_does_one_of_its_relatives(method: str, values: dict[str, Any]) -> None:
    assert not calls(made(Architecture("tiny", CONFIG), 3, 40), method, batch=4, **values).between


def test_reading_steps_is_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, chosen = made(Architecture("tiny", CONFIG), 3, 40), methods.get("adamerging")
    learner = chosen._learner(problem, chosen.Settings(steps=1000, batch=4, keep_step="last"))  # type: ignore[attr-defined]
    learner._pace = 1e-6
    block = learner.block()
    assert len(block) == problem.ahead
    reads: list[tuple[int, ...]] = []

    def to_the_host(tensor: Tensor) -> Tensor:
        reads.append(tuple(tensor.shape))
        return torch.zeros(tensor.shape, dtype=tensor.dtype)

    monkeypatch.setattr(Tensor, "cpu", to_the_host)
    found = read(block)
    assert reads == [(4 * (2 * 3 + 1 + len(problem.task_vectors.names) * 3),)]
    assert [one.number for one in found] == [1, 2, 3, 4]
    assert all(one.measured is not None and one.measured.losses == dict.fromkeys(problem.tasks, 0.0) for one in found)


@pytest.mark.slow
def test_a_step_calls_little_more_than_a_plain_pass() -> None:
    """ViT-B/32 with eight experts."""
    problem = made(architecture("ViT-B-32"), 8, 40)
    seen = calls(problem, "adamerging", batch=16)
    plain = build(problem.encoder.arch, device="meta").visual.requires_grad_(True)
    images = torch.empty(128, 224, 224, 3, dtype=torch.uint8, device=APART)
    with Calls() as floor:
        features = torch.nn.functional.normalize(plain(problem.encoder.prepare(images)), dim=-1)
        total = features.new_zeros(())
        for own in features.split(16):
            total = total + entropy(own @ problem.heads["task0"].T).mean()
        total.backward()
    assert sum(seen.made.values()) <= 1.2 * sum(floor.made.values())
    merging = sum(count for name, count in seen.made.items() if name.startswith("mergescope"))
    assert merging == 2
