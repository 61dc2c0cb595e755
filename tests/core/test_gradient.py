"""The λ-gradient against finite differences, plain autograd and FusionBench; micro-batches and memory that runs out."""

from __future__ import annotations

import copy
import itertools
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core import objectives
from core.encoders.encoder import Encoder
from core.errors import Cancelled, RunFailed
from core.objectives import Target
from core.problem.grouping import group
from core.problem.merged import Batch, Measured, MergedModel, _micro_batches
from core.problem.mixture import Mixture
from core.problem.problem import Problem
from tests.core.naive import Naive, groups, naive_loss
from tests.core.properties import LEARNING, exact, permuted, run, sure

OBJECTIVES = objectives.names()
ONE_OF_EACH = {objectives.get(name).target: name for name in OBJECTIVES}
"""One objective for each kind of target."""
PAIRS = [
    pytest.param(method, objective, marks=[] if usual else pytest.mark.nightly)
    for method, objective in itertools.product(LEARNING, OBJECTIVES)
    for usual in [method == "adamerging" or objective in ONE_OF_EACH.values()]
]
"""Every objective with AdaMerging, and one of each kind with every other method that learns."""
KINDS = ("task", "block", "tensor")
SIZES = {"task0": 5, "task1": 3, "task2": 7}
"""Batches of unequal length, so that a mean over the wrong number of images shows."""


def batches(problem: Problem, objective: str) -> list[Batch]:
    """The first images of every task with the objective's target."""
    found = []
    for task in problem.tasks:
        pixels = problem.images(task)[: SIZES[task]]
        labels = problem.split(task, "test").labels
        assert labels is not None
        expert = problem.logits(problem.task_vectors.expert(task), task, pixels)
        target = {
            Target.NOTHING: None,
            Target.LABELS: labels[: SIZES[task]],
            Target.EXPERT: expert,
            Target.MARGINAL: torch.full_like(expert, 1 / expert.shape[1]).log(),
        }
        found.append(Batch(task, pixels, target[objectives.get(objective).target]))
    return found


def coefficients(rows: int, tasks: int = 3) -> Tensor:
    """λ with nothing special about it."""
    return torch.rand(rows, tasks, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


def measure(problem: Problem, kind: str, objective: str, values: Tensor | None = None) -> Measured:
    """The engine's losses and gradient."""
    grouping = group(problem.task_vectors.names, kind)  # type: ignore[arg-type]
    model = MergedModel(problem, Mixture(problem.task_vectors, grouping))
    values = coefficients(len(grouping.groups)) if values is None else values
    return model.measure(values, batches(problem, objective), objectives.get(objective))


def naive_gradient(problem: Problem, naive: Naive, kind: str, objective: str) -> tuple[list[float], Tensor]:
    """Losses and gradient by autograd through the merge itself."""
    rows = groups(naive.names, kind)
    values = coefficients(len(rows)).requires_grad_()
    weights = {
        name: naive.base[name] + sum(values[g, k] * naive.delta(task, name) for k, task in enumerate(naive.tasks))
        for g, names in enumerate(rows)
        for name in names
    }
    losses = []
    for task in naive.tasks:
        chosen, head = slice(0, SIZES[task]), problem.heads[task]
        images = naive.images(task, chosen)
        with torch.no_grad():
            expert = naive.logits(naive.experts[task], images, head)
        labels = naive.labels(task)[chosen]
        losses.append(naive_loss(objective, naive.logits(weights, images, head), labels, expert))
    return [loss.item() for loss in losses], torch.autograd.grad(sum(losses), values)[0]


@pytest.mark.grid
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradient_equal_plain_autograd(kind: str, objective: str, problem64: Problem, naive: Naive) -> None:
    problem64 = sure(problem64, objective)
    found = measure(problem64, kind, objective)
    losses, gradient = naive_gradient(problem64, naive, kind, objective)
    assert list(found.losses.values()) == pytest.approx(losses, abs=1e-11)
    torch.testing.assert_close(found.gradient, gradient, rtol=1e-8, atol=1e-11)
    assert gradient.abs().min() > 1e-7  # Far above the tolerance: nothing is compared with noise.


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_entropies_are_reported_whatever_is_minimised(objective: str, problem64: Problem) -> None:
    found, entropies = measure(problem64, "task", objective), measure(problem64, "task", "entropy").losses
    assert found.entropies == pytest.approx(entropies, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "objective"), PAIRS)
def test_a_methods_gradient_equals_central_finite_differences(method: str, objective: str, problem64: Problem) -> None:
    """Through the generator itself: step 1 from a λ of our choice, and Adam's first moment, 0.1 × the gradient."""
    problem64 = sure(problem64, objective)
    values: dict[str, Any] = {"steps": 1, "group": "block", "objective": objective, **exact(method)}
    start = run(method, problem64, **values)[0]
    assert start.state is not None
    state = dict(start.state())
    raw = coefficients(*state["raw"].shape)

    def step(at: Tensor) -> Any:
        return run(method, problem64, resume=state | {"raw": at}, **values)[-1]

    gradient = step(raw).state()["exp_avg"] / (1 - 0.9)
    for g, k in itertools.product(*map(range, raw.shape)):
        change = torch.zeros_like(raw)
        change[g, k] = 1e-4
        difference = sum(step(raw + change).losses.values()) - sum(step(raw - change).losses.values())
        assert gradient[g, k].item() == pytest.approx(difference / 2e-4, rel=1e-5, abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARNING)
def test_a_clamped_coefficient_has_no_gradient_and_the_others_do(method: str, problem64: Problem) -> None:
    values: dict[str, Any] = {"steps": 1, "group": "task", "clamp": True, **exact(method)}
    state = dict(run(method, problem64, **values)[0].state())  # type: ignore[misc]
    raw = torch.tensor([[-0.1, 1.2, 0.4]], dtype=torch.float64)
    found = run(method, problem64, resume=state | {"raw": raw}, **values)[-1].state()["exp_avg"]  # type: ignore[misc]
    assert (found != 0).tolist() == [[False, False, True]]
    edge = torch.tensor([[0.0, 1.0, 0.4]], dtype=torch.float64)
    found = run(method, problem64, resume=state | {"raw": edge}, **values)[-1].state()["exp_avg"]  # type: ignore[misc]
    assert (found != 0).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("micro_batch", [1, 3, 7])
def test_micro_batches_are_exact(micro_batch: int, objective: str, problem64: Problem) -> None:
    problem64 = sure(problem64, objective)
    whole = measure(problem64, "tensor", objective)
    pieces = measure(replace(problem64, micro_batch=micro_batch), "tensor", objective)
    torch.testing.assert_close(pieces.gradient, whole.gradient, rtol=0, atol=1e-12)
    assert pieces.losses == pytest.approx(whole.losses, abs=1e-12)
    assert pieces.entropies == pytest.approx(whole.entropies, abs=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 15, 16])
def test_micro_batches_cover_every_image_once_and_are_full(size: int, problem64: Problem) -> None:
    whole = batches(problem64, "cross_entropy")
    found = _micro_batches(whole, size)
    lengths = [sum(len(piece.images) for piece, _ in pieces) for pieces in found]
    assert lengths == [size] * (15 // size) + ([15 % size] if 15 % size else [])
    for batch in whole:
        own = [(piece, share) for pieces in found for piece, share in pieces if piece.task == batch.task]
        assert torch.equal(torch.cat([piece.images for piece, _ in own]), batch.images)
        assert torch.equal(torch.cat([piece.target for piece, _ in own]), batch.target)  # type: ignore[arg-type]
        assert {share for _, share in own} == {1 / len(batch.images)}


def test_a_second_measurement_forgets_the_first(problem64: Problem) -> None:
    grouping = group(problem64.task_vectors.names, "block")
    model = MergedModel(problem64, Mixture(problem64.task_vectors, grouping))
    objective, given = objectives.get("entropy"), batches(problem64, "entropy")
    first = model.measure(coefficients(4), given, objective)
    model.measure(-coefficients(4), given, objective)
    assert torch.equal(model.measure(coefficients(4), given, objective).gradient, first.gradient)


class SmallMemory(Encoder):
    """An encoder whose memory holds `limit` images."""

    def __init__(self, inner: Encoder, limit: int, message: str = "") -> None:
        self.__dict__.update(inner.__dict__)
        self.limit, self.message, self.failures = limit, message, 0

    def features(self, weights: Any, prepared: Tensor) -> Tensor:
        if len(prepared) > self.limit:
            self.failures += 1
            raise RuntimeError(self.message) if self.message else torch.OutOfMemoryError("no memory left")
        return super().features(weights, prepared)


CPU_MESSAGE = "[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried to allocate"


@pytest.mark.parametrize("message", ["", CPU_MESSAGE, "CUDA error: out of memory"])
def test_running_out_of_memory_halves_the_micro_batch_and_changes_nothing(message: str, problem64: Problem) -> None:
    encoder = SmallMemory(problem64.encoder, 4, message)
    small = replace(problem64, encoder=encoder)
    given = batches(problem64, "entropy")  # Prepared with enough memory.
    model = MergedModel(small, Mixture.of(small.task_vectors, "block"))
    found = model.measure(coefficients(4), given, objectives.get("entropy"))
    count = sum(len(batch.images) for batch in given)
    assert (count // 4, encoder.failures) == (small.micro_batch, 2)  # At all images and at half of them.
    expected = measure(problem64, "block", "entropy")
    torch.testing.assert_close(found.gradient, expected.gradient, rtol=0, atol=1e-12)
    assert found.losses == pytest.approx(expected.losses, abs=1e-12)


def test_memory_for_no_single_image_is_a_named_failure(problem64: Problem) -> None:
    given = batches(problem64, "entropy")
    small = replace(problem64, encoder=SmallMemory(problem64.encoder, 0))
    model = MergedModel(small, Mixture.of(small.task_vectors, "task"))
    with pytest.raises(RunFailed, match="no memory left"):
        model.measure(coefficients(1), given, objectives.get("entropy"))


def test_another_runtime_error_is_not_taken_for_memory(problem64: Problem) -> None:
    given = batches(problem64, "entropy")
    small = replace(problem64, encoder=SmallMemory(problem64.encoder, 4, "shapes do not fit"))
    model = MergedModel(small, Mixture.of(small.task_vectors, "task"))
    with pytest.raises(RunFailed, match="shapes do not fit"):
        model.measure(coefficients(1), given, objectives.get("entropy"))
    assert small.micro_batch == 64


def test_a_stop_between_micro_batches_leaves_the_next_measurement_right(problem64: Problem) -> None:
    calls = itertools.count()

    def tick() -> None:
        if next(calls) == 2:
            raise Cancelled("stop")

    stopped = replace(problem64, micro_batch=4, tick=tick)
    given = batches(problem64, "entropy")
    model = MergedModel(stopped, Mixture.of(stopped.task_vectors, "task"))
    with pytest.raises(Cancelled):
        model.measure(coefficients(1), given, objectives.get("entropy"))
    found = model.measure(coefficients(1), given, objectives.get("entropy"))
    torch.testing.assert_close(found.gradient, measure(problem64, "task", "entropy").gradient, rtol=0, atol=1e-12)


def test_float32_gradient_agrees_with_float64(problem32: Problem, problem64: Problem) -> None:
    values = coefficients(4)
    narrow, wide = measure(problem32, "block", "entropy", values), measure(problem64, "block", "entropy", values)
    torch.testing.assert_close(narrow.gradient.double(), wide.gradient, rtol=1e-3, atol=1e-5)


def test_bfloat16_gradient_points_the_same_way(problem32: Problem, problem64: Problem) -> None:
    half = replace(problem32, encoder=problem32.encoder.with_precision("bfloat16"))
    found, exact = (measure(p, "tensor", "entropy").gradient.double().flatten() for p in (half, problem64))
    assert torch.cosine_similarity(found, exact, dim=0) > 0.98


def test_permuted_tasks_give_the_permuted_gradient(problem64: Problem) -> None:
    order = [1, 2, 0]
    straight = measure(problem64, "block", "entropy").gradient
    other = measure(permuted(problem64, order), "block", "entropy", coefficients(4)[:, order]).gradient
    torch.testing.assert_close(other, straight[:, order], rtol=0, atol=1e-12)


def fusion_bench_wrapper(name: str) -> Any:
    """FusionBench's wrapper; what it warns of while it is imported is its own business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "layer":
            from fusion_bench.models.wrappers.layer_wise_fusion import LayerWiseMergedModel as Wrapper
        else:
            from fusion_bench.models.wrappers.task_wise_fusion import TaskWiseMergedModel as Wrapper
    return Wrapper


@pytest.mark.slow
@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("kind", ["layer", "task"])
def test_gradient_equals_fusion_bench(kind: str, clamp: bool, problem64: Problem, naive: Naive) -> None:
    """Their λ is `[tasks, tensors]`; their loop calls backward for each task's loss in turn."""
    rows = len(naive.names) if kind == "layer" else 1
    values = coefficients(rows) * 1.6 - 0.3  # Some below 0, some above 1.
    experts = []
    for task in naive.tasks:
        expert = copy.deepcopy(naive.visual)
        expert.load_state_dict(naive.experts[task])
        experts.append(expert)
    pretrained = copy.deepcopy(naive.visual).requires_grad_(True)
    given = values.T.clone() if kind == "layer" else values[0].clone()
    model = fusion_bench_wrapper(kind)(given, pretrained, experts, clamp_weights=clamp)
    model.merge_weights()
    losses = {}
    for task in naive.tasks:
        features = model(naive.images(task, slice(0, SIZES[task])))
        logits = features / features.norm(dim=-1, keepdim=True) @ problem64.heads[task].T
        loss = naive_loss("entropy", logits, naive.labels(task), logits)
        loss.backward(retain_graph=True)
        losses[task] = loss.item()
    theirs = model.merge_weight.grad.T if kind == "layer" else model.merge_weight.grad[None]

    used = values.clamp(0, 1) if clamp else values
    found = measure(problem64, "tensor" if kind == "layer" else "task", "entropy", used)
    assert found.losses == pytest.approx(losses, abs=1e-11)
    # `measure` differentiates with respect to what was merged; learning masks what the clamp cut off.
    torch.testing.assert_close(found.gradient * (used == values), theirs, rtol=1e-8, atol=1e-11)
