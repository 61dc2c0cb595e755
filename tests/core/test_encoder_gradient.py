"""The forward and backward pass on flat buffers: exact in bfloat16 too, and stopped in the middle of a micro-batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from core import objectives
from core.errors import Cancelled
from core.objectives.entropy import entropy
from core.problem.merged import Batch, EncoderGradient
from core.problem.problem import Problem


def given(problem: Problem) -> list[Batch]:
    return [Batch(task, problem.images(task)[:6]) for task in problem.tasks]


def plain(problem: Problem, weights: Tensor) -> tuple[Tensor, float]:
    """dL/dθ by autograd over float32 leaves, and L."""
    leaf = weights.clone().requires_grad_()
    named = problem.task_vectors.named(leaf)
    loss = torch.zeros(())
    images = torch.cat([batch.images for batch in given(problem)])
    features = problem.encoder.features(named, problem.encoder.prepare(images))
    for task, own in zip(problem.tasks, features.split(6), strict=True):
        loss = loss + entropy(own @ problem.heads[task].T).sum() / 6
    return torch.autograd.grad(loss, leaf)[0], loss.item()


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_one_pass_is_plain_autograd_on_weights_in_float32(problem32: Problem, precision: str, together: bool) -> None:
    problem = replace(problem32, encoder=problem32.encoder.with_precision(precision))
    encoder = EncoderGradient(problem, problem.task_vectors, together)
    weights = problem.task_vectors.flat(problem.task_vectors.expert("task1"))
    expected, loss = plain(problem, weights)
    for _ in range(2):  # The second pass must not remember the first.
        encoder.weights.copy_(weights)
        sums = encoder.run(given(problem), objectives.get("entropy"))
        torch.testing.assert_close(encoder.gradient, expected, rtol=1e-5, atol=1e-6)
        assert sum(found.values[0].item() for found in sums.values()) == pytest.approx(loss, rel=1e-5)


@pytest.mark.slow
def test_micro_batches_are_added_up_in_float32(problem32: Problem) -> None:
    problem = replace(problem32, encoder=problem32.encoder.with_precision("bfloat16"), micro_batch=4)
    each, together = (EncoderGradient(problem, problem.task_vectors, way) for way in (False, True))
    for encoder in (each, together):
        assert encoder.gradient.dtype == torch.float32
        encoder.weights.copy_(problem.task_vectors.origin)
        encoder.run(given(problem), objectives.get("entropy"))
    expected, _ = plain(problem, problem.task_vectors.origin)
    assert float(torch.cosine_similarity(each.gradient, expected, dim=0)) > 0.999
    assert torch.equal(each.gradient, together.gradient)


class Ticks:
    """Counts ticks; raises at one of them."""

    def __init__(self, last: int = 0) -> None:
        self.count, self.last = 0, last

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.last:
            raise Cancelled("stop")


@pytest.mark.slow
def test_a_run_can_be_stopped_between_blocks_forwards_and_backwards(problem32: Problem) -> None:
    problem = replace(problem32, micro_batch=1000)
    encoder, batches = EncoderGradient(problem, problem.task_vectors), given(problem)

    def run(last: int = 0) -> int:
        problem.tick = ticks = Ticks(last)
        encoder.weights.copy_(problem.task_vectors.origin)
        encoder.run(batches, objectives.get("entropy"))
        return ticks.count

    whole = run()
    blocks = len({name.split("resblocks.")[1][0] for name in problem.task_vectors.names if "resblocks." in name})
    assert whole >= 1 + blocks + len(problem.task_vectors.names)
    expected = encoder.gradient.clone()
    for last in range(1, whole + 1):
        with pytest.raises(Cancelled, match="stop"):
            run(last)
    run()
    assert torch.equal(encoder.gradient, expected), "a pass that was stopped leaves nothing behind"


def test_evaluation_can_be_stopped_between_blocks(problem32: Problem) -> None:
    problem = replace(problem32, micro_batch=1000)
    problem.tick = Ticks(2)
    with pytest.raises(Cancelled):
        problem.logits(problem.task_vectors.base, "task0", problem.images("task0"))


def test_the_tick_is_that_of_the_pass_alone(problem32: Problem) -> None:
    ticks = Ticks()
    prepared = problem32.encoder.prepare(problem32.images("task0")[:2])
    with problem32.encoder.ticking(ticks):
        problem32.encoder.features(problem32.task_vectors.base, prepared)
    inside = ticks.count
    problem32.encoder.features(problem32.task_vectors.base, prepared)
    assert 0 < inside == ticks.count


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_second_pass_needs_its_weights_again(problem32: Problem, precision: str) -> None:
    problem = replace(problem32, encoder=problem32.encoder.with_precision(precision))
    encoder = EncoderGradient(problem, problem.task_vectors)
    encoder.weights.copy_(problem.task_vectors.origin)
    encoder.run(given(problem), objectives.get("entropy"))
    with pytest.raises(RuntimeError, match="written before each pass"):
        encoder.run(given(problem), objectives.get("entropy"))
