"""Task modules: gradients, equality with FusionBench, and results that do not pass for a single model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core import objectives
from core.errors import BadInput
from core.export.weights import export_model
from core.methods.surgery import corrected
from core.methods.wemoe import RoutedEncoder, RoutedMLP
from core.problem.evaluate import evaluate, evaluate_outcome
from core.problem.merged import Batch, accumulate, merge
from core.problem.method import Form
from core.problem.problem import Problem
from tests.conftest import Answer
from tests.core.naive import Naive
from tests.core.properties import CONDITION, rounding, run


def loss_of_surgery(problem: Problem, state: dict[str, Tensor]) -> float:
    """What step 1 from this state reports."""
    return sum(run("surgery", problem, resume=state, steps=1)[-1].losses.values())


@pytest.mark.slow
def test_surgerys_gradient_equals_central_finite_differences(problem64: Problem) -> None:
    start = run("surgery", problem64, steps=1)[0]
    assert start.state is not None
    generator = torch.Generator().manual_seed(0)
    state = dict(start.state())
    state["up"] = torch.randn(state["up"].shape, generator=generator, dtype=torch.float64)
    after = run("surgery", problem64, resume=state, steps=1)[-1]
    assert after.state is not None
    for name in ("down", "up"):
        gradient = after.state()[f"{name}.exp_avg"] / (1 - 0.9)
        for at in torch.randint(gradient.numel(), (6,), generator=generator).tolist():
            change = torch.zeros(gradient.numel(), dtype=torch.float64)
            change[at] = 1e-6
            found = [
                loss_of_surgery(problem64, state | {name: state[name] + s * change.view_as(gradient)}) for s in (1, -1)
            ]
            assert gradient.flatten()[at].item() == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.slow
def test_the_routers_gradient_equals_central_finite_differences(problem64: Problem) -> None:
    encoder = RoutedEncoder(problem64)
    fixed = encoder.fixed(merge(problem64.task_vectors, dict.fromkeys(problem64.tasks, 0.3)))
    routers = {name: 10 * tensor for name, tensor in encoder.routers(0, 0.03).items()}
    batches = [Batch(task, problem64.images(task)[:4]) for task in problem64.tasks]
    entropy = objectives.get("entropy")

    def loss(weights: dict[str, Tensor]) -> float:
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
        sums = accumulate(problem64, encoder, fixed | leaves, batches, entropy, 8)
        loss.leaves = leaves  # type: ignore[attr-defined]
        return sum(found.values[0].item() for found in sums.values())

    loss(routers)
    gradients = {name: leaf.grad for name, leaf in loss.leaves.items()}  # type: ignore[attr-defined]
    for name, gradient in gradients.items():
        at = int(gradient.abs().argmax())
        change = torch.zeros(gradient.numel(), dtype=torch.float64)
        change[at] = 1e-5
        found = [loss(routers | {name: routers[name] + s * change.view_as(gradient)}) for s in (1, -1)]
        assert gradient.flatten()[at].item() == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-5, abs=1e-9), name


def quietly(module: str, name: str) -> Any:
    """Something of FusionBench; what it warns of while it is imported is its own business."""
    import importlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(importlib.import_module(module), name)


@pytest.mark.slow
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_routed_mlp_equals_fusion_bench(batch_first: bool) -> None:
    """The same router and MLPs: outputs, and gradients of the router, image by image."""

    def mlp() -> nn.Sequential:
        layers = {"c_fc": nn.Linear(6, 24), "gelu": nn.GELU(), "c_proj": nn.Linear(24, 6)}
        made = nn.Sequential()
        for name, layer in layers.items():
            made.add_module(name, layer)
        return made.double()

    base, experts = mlp(), [mlp() for _ in range(3)]
    theirs = quietly("fusion_bench.models.we_moe", "WeightEnsemblingMoE")(
        6, copy.deepcopy(base), copy.deepcopy(experts), init_lambda=0.3, batch_first=batch_first
    ).double()
    ours = RoutedMLP(copy.deepcopy(base), 3, batch_first)
    for name in ("c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias"):
        deltas = torch.stack([e.get_parameter(name) - base.get_parameter(name) for e in experts])
        setattr(ours, f"tau_{name.replace('.', '_')}", deltas.detach())
    ours.router = nn.ModuleList([copy.deepcopy(theirs.gate.fc1), copy.deepcopy(theirs.gate.fc2)])
    x = torch.randn(4, 4, 6, dtype=torch.float64)
    mine, expected = ours(x), theirs(x)
    torch.testing.assert_close(mine, expected, rtol=0, atol=1e-12)
    for layer, gate in zip(ours.router, (theirs.gate.fc1, theirs.gate.fc2), strict=True):
        found = torch.autograd.grad(mine.square().sum(), layer.weight, retain_graph=True)[0]
        same = torch.autograd.grad(expected.square().sum(), gate.weight, retain_graph=True)[0]
        torch.testing.assert_close(found, same, rtol=1e-9, atol=1e-12)


def test_surgerys_correction_is_a_bottleneck_that_is_subtracted() -> None:
    """FusionBench's own wrapper can't be imported beside the transformers that other tests need."""
    down, up = nn.Linear(8, 3, bias=False), nn.Linear(3, 8, bias=False)
    features = torch.randn(5, 8)
    expected = features - up(torch.relu(down(features)))
    torch.testing.assert_close(corrected(features, down.weight, up.weight), expected)


def test_routers_that_answer_the_same_for_every_image_are_task_arithmetic(problem64: Problem, naive: Naive) -> None:
    encoder = RoutedEncoder(problem64)
    weights = merge(problem64.task_vectors, dict.fromkeys(problem64.tasks, 0.3))
    routers = encoder.routers(0, 0.3)
    routers = {name: 0 * tensor if name.endswith("weight") else tensor for name, tensor in routers.items()}
    fixed = encoder.fixed(weights)
    images = problem64.images("task1")[:6]
    found = problem64.logits({}, "task1", images, lambda _, x: encoder.features(fixed | routers, x))
    expected = naive.logits(dict(weights), naive.images("task1", slice(0, 6)), problem64.heads["task1"])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_each_image_is_routed_on_its_own(problem32: Problem) -> None:
    outcome = run("wemoe", problem32)[-1].outcome
    assert outcome is not None
    assert outcome.features_for is not None
    features = outcome.features_for("task0")
    images = problem32.images("task0")[:6]
    together = problem32.logits({}, "task0", images, features)
    alone = torch.cat([problem32.logits({}, "task0", images[i : i + 1], features) for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["surgery", "wemoe"])
def test_a_result_with_modules_is_measured_with_them_and_not_exported(
    method: str, problem32: Problem, tmp_path: Path
) -> None:
    outcome = run(method, problem32, steps=30, lr=0.01, batch=16)[-1].outcome
    assert outcome is not None
    assert outcome.form is Form.MODULES
    with_modules = evaluate_outcome(problem32, outcome, "task0")
    assert with_modules != evaluate(problem32, outcome.weights_for("task0"), "task0")
    with pytest.raises(BadInput, match="modules beside the encoder"):
        export_model(problem32, outcome, tmp_path / "x.safetensors", {})
    assert not list(tmp_path.iterdir())


def test_surgery_leaves_unseen_tasks_as_they_are(problem32: Problem) -> None:
    from tests.core.properties import only

    outcome = run("surgery", only(problem32, "task1"), steps=20, lr=0.01)[-1].outcome
    assert outcome is not None
    plain = evaluate(problem32, outcome.weights_for("task0"), "task0")
    assert evaluate_outcome(problem32, outcome, "task0").entropy == pytest.approx(plain.entropy, abs=1e-6)


def test_the_command_line_refuses_to_export_modules_before_it_runs(
    cli: Callable[..., Answer], tiny_suite: Path, tmp_path: Path
) -> None:
    answer = cli("merge", tiny_suite, "--method", "wemoe", "--out", tmp_path / "x.safetensors")
    answer.refused("--out", "wemoe", "modules beside the encoder")


GOLDEN = {
    "surgery": {"task0": 0.015467187998659804, "task1": 0.021428543205730254, "task2": 0.02209281808245076},
    "wemoe": {"task0": 1.306850456796279, "task1": 1.3091673004467066, "task2": 1.304961353213332},
}
"""The last losses of a quick run: what `test_golden.py` can't see, since the encoder is Task Arithmetic's."""


@pytest.mark.parametrize("method", GOLDEN)
def test_golden_losses(method: str, problem64: Problem) -> None:
    tolerance = rounding(torch.float64, terms=len(problem64.task_vectors.origin), steps=4, condition=CONDITION)
    assert run(method, problem64)[-1].losses == pytest.approx(GOLDEN[method], rel=tolerance)
