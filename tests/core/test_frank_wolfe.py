"""FW-Merging: choices against FusionBench, moves by hand, learning by finite differences, resuming, and memory."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core import methods
from core.errors import BadInput
from core.learning.frank_wolfe import Selection, choose, expert_norms, scores
from core.problem.method import Need, Step
from core.problem.problem import Problem
from core.settings import parse
from tests.core.properties import assert_close, assert_same_steps, merged, run, settings, with_experts

METHODS = ("fw_hard", "fw_soft")


def slope(problem: Problem) -> Tensor:
    """Some gradient `[D]`."""
    shape = problem.task_vectors.origin.shape
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def found_scores(problem: Problem, gradient: Tensor) -> Tensor:
    """The engine's cosines."""
    return scores(problem.task_vectors, gradient, expert_norms(problem.task_vectors))


class Checkpoint:
    """As much of a module as FusionBench's selection asks for."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights

    def to(self, _device: str) -> Checkpoint:
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return self._weights


@pytest.mark.slow
@pytest.mark.parametrize("taken", [(), ("task1",)])
@pytest.mark.parametrize("per", ["model", "layer"])
def test_choices_equal_fusion_bench(per: Any, taken: tuple[str, ...], problem64: Problem) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fusion_bench.method.fw_merging.fw_soft import FrankWolfeSoftAlgorithm
    vectors, gradient = problem64.task_vectors, slope(problem64)
    experts = {task: Checkpoint({n: vectors.expert(task)[n] for n in vectors.names}) for task in vectors.tasks}
    named = {n: g for n, g in vectors.named(gradient).items() if n in vectors.names}
    theirs = FrankWolfeSoftAlgorithm.frank_wolfe_selection(
        None, named, experts,
        list(taken) if per == "model" else {name: list(taken) for name in vectors.names},
        type="task" if per == "model" else "layer",
    )[1]  # fmt: skip
    mask = torch.tensor([[task in taken for task in vectors.tasks]]).expand(len(vectors.names), -1)
    found = [vectors.tasks[i] for i in choose(found_scores(problem64, gradient), per, mask)]
    assert found == ([theirs] * len(found) if per == "model" else [theirs[name] for name in vectors.names])
    assert per == "model" or len(set(found)) > 1


def test_a_zero_tensor_does_not_hide_its_expert(problem64: Problem) -> None:
    """In FusionBench 0/0 makes the sum NaN, which is never the minimum."""
    vectors = problem64.task_vectors
    deltas = vectors.deltas.clone()
    span = vectors.spans[vectors.names.index("ln_post.bias")]
    deltas[2, span] = -vectors.origin[span]
    problem = with_experts(problem64, dict(zip(vectors.tasks, deltas, strict=True)))
    gradient = -problem.task_vectors.flat(problem.task_vectors.expert("task2"))
    gradient[problem.task_vectors.spans[0]] = 0
    table = found_scores(problem, gradient)
    assert table.isfinite().all()
    assert not table[vectors.names.index("ln_post.bias"), 2]
    assert set(choose(table, "model", torch.zeros_like(table, dtype=torch.bool)).tolist()) == {2}


def test_a_bias_does_not_outvote_a_matrix(problem64: Problem) -> None:
    """By the inner product over the whole vector (the paper's) the expert that lies down the slope is found."""
    vectors, down, up = problem64.task_vectors, 1, 2
    gradient = torch.zeros_like(vectors.origin)
    for name, span in zip(vectors.names, vectors.spans, strict=True):
        if name.endswith("mlp.c_fc.weight"):
            gradient[span] = -vectors.deltas[down, span]
        elif name.endswith("bias"):
            gradient[span] = -1e-6 * (vectors.origin + vectors.deltas[up])[span]
    nothing = torch.zeros(len(vectors.names), 3, dtype=torch.bool)
    assert set(choose(scores(vectors, gradient), "model", nothing).tolist()) == {down}
    assert set(choose(found_scores(problem64, gradient), "model", nothing).tolist()) == {up}


@pytest.mark.slow
@pytest.mark.parametrize(("begin_with", "per", "score"), [
    ("task_arithmetic", "model", "inner_product"), ("ties", "layer", "inner_product"),
    ("pretrained", "model", "cosine"), ("task_arithmetic", "layer", "cosine"), ("pretrained", "model", None),
])  # fmt: skip
def test_hard_moves_towards_what_it_chose(begin_with: str, per: str, score: str | None, problem64: Problem) -> None:
    """θ ← θ + γ·0.3·(θ_sel − θ) on whole weights, with choices made from plain autograd's gradient."""
    vectors = problem64.task_vectors
    named = {"score": score} if score else {}
    steps = run("fw_hard", problem64, steps=3, begin_with=begin_with, per=per, samples=1000, **named)
    theta = vectors.flat(merged(begin_with, problem64, "task0"))
    experts = torch.stack([vectors.flat(vectors.expert(task)) for task in vectors.tasks])
    for at, step in enumerate(steps[1:]):
        gradient = _pooled_gradient(problem64, theta)
        chosen = torch.stack([
            torch.stack([
                torch.cosine_similarity(gradient[s], e[s], dim=0) if score == "cosine" else gradient[s] @ e[s]
                for e in experts
            ])
            for s in vectors.spans
        ])  # fmt: skip
        best = chosen.argmin(1) if per == "layer" else chosen.sum(0).argmin().expand(len(chosen))
        target = torch.cat([experts[k, s] for k, s in zip(best, vectors.spans, strict=True)])
        theta = theta + 2 / (at + 2) * 0.1 * 0.3 * (target - theta)
        assert step.weights is not None
        torch.testing.assert_close(vectors.flat(step.weights()), theta, rtol=0, atol=1e-12)


def _pooled_gradient(problem: Problem, theta: Tensor) -> Tensor:
    leaf = theta.clone().requires_grad_()
    weights, total = problem.task_vectors.named(leaf), 0.0
    for task in problem.tasks:
        features = problem.encoder.features(weights, problem.encoder.prepare(problem.images(task)))
        logits = features @ problem.heads[task].T
        total = total - (logits.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()
    return torch.autograd.grad(total, leaf)[0]


@pytest.mark.slow
def test_the_coefficients_of_hard_are_its_model(problem64: Problem) -> None:
    vectors = problem64.task_vectors
    last = run("fw_hard", problem64, per="layer", keep_step="last")[-1]
    assert last.coefficients is not None
    assert last.outcome is not None
    again = vectors.combine(last.coefficients.values, range(len(vectors.names)))
    torch.testing.assert_close(vectors.flat(last.outcome.weights_for("task0")), again, rtol=0, atol=1e-7)


@pytest.mark.slow
def test_the_first_round_of_soft_is_adamerging_without_a_clamp(problem64: Problem) -> None:
    """Where every task gets another expert, Σ_j μ_j (θ_sel(j) − θ₀) is Σ_k λ_k τ_k."""
    soft = run("fw_soft", problem64, rounds=1, steps=4)
    adamerging = run("adamerging", problem64, steps=4, clamp=False)
    for one, other in zip(soft[1:], adamerging[1:], strict=True):
        assert one.losses == pytest.approx(other.losses, abs=1e-12)
        assert one.coefficients is not None
        assert other.coefficients is not None
        torch.testing.assert_close(one.coefficients.values, other.coefficients.values, rtol=0, atol=1e-7)


@pytest.mark.slow
def test_later_rounds_follow_the_slope_of_their_coefficients(problem64: Problem) -> None:
    """Adam's first moment, 0.1 of the gradient, against central differences of the loss, through the generator."""
    values: dict[str, Any] = {"steps": 2, "rounds": 2, "per": "layer"}
    middle = run("fw_soft", problem64, **values)
    assert middle[1].state is not None
    assert middle[2].state is not None
    last = dict(middle[2].state())
    # The same round again, from a state in which its first update is still to come.
    begun = last | {"number": torch.tensor(1), "began": torch.tensor(1), "raw": torch.full_like(last["raw"], 0.05)}
    begun |= {name: torch.zeros_like(last[name]) for name in ("exp_avg", "exp_avg_sq")}
    begun |= {n: v for n, v in middle[1].state().items() if "positions" in n}

    def after(raw: Tensor) -> Step:
        return next(
            iter(
                methods.get("fw_soft").steps(longer, settings("fw_soft", **values | {"steps": 4}), begun | {"raw": raw})
            )
        )

    longer = problem64
    gradient = after(begun["raw"]).state()["exp_avg"] / 0.1  # type: ignore[misc]
    names = problem64.task_vectors.names
    for at, j in itertools.product((names.index("proj"), names.index("ln_pre.weight")), range(3)):
        change = torch.zeros_like(begun["raw"])
        change[at, j] = 1e-4
        up, down = (sum(after(begun["raw"] + sign * change).losses.values()) for sign in (1, -1))
        assert gradient[at, j].item() == pytest.approx((up - down) / 2e-4, rel=1e-4, abs=1e-8)


@pytest.mark.slow
def test_no_expert_is_chosen_twice_in_a_round(problem64: Problem) -> None:
    for per in ("model", "layer"):
        state = run("fw_soft", problem64, rounds=4, per=per)[-1].state
        assert state is not None
        assert all(sorted(row) == [0, 1, 2] for row in state()["chosen"].tolist())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_resuming_equals_never_having_stopped(method: str, problem64: Problem) -> None:
    values: dict[str, Any] = {"per": "layer"} | ({"rounds": 2} if method == "fw_soft" else {})
    whole = run(method, problem64, **values)
    assert len(whole) == 5
    for stop, step in enumerate(whole):
        assert step.state is not None
        again = run(method, problem64, resume={n: v.clone() for n, v in step.state().items()}, **values)
        assert_same_steps(again, whole[stop + 1 :]) if stop < 4 else assert_close(
            again[-1].outcome.weights_for("task0"), step.outcome.weights_for("task0"), 0  # type: ignore[union-attr]
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_labels_are_used_only_where_asked_for_and_never_those_of_the_test(method: str, problem64: Problem) -> None:
    found = methods.get(method)
    assert found.needed(parse(found.Settings, {}, method)) is Need.UNLABELLED
    supervised = {"select_by": "cross_entropy"}
    assert found.needed(parse(found.Settings, supervised, method)) is Need.LABELLED
    with pytest.raises(BadInput, match="should not read the labels that accuracy is measured on"):
        run(method, problem64, **supervised)
    assert run(method, problem64, adapt_on="train", **supervised)[-1].outcome is not None


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_number_of_experts(method: str, problem64: Problem) -> None:
    """No tensor as large as all task vectors together is made, whatever their number."""
    from torch.utils._python_dispatch import TorchDispatchMode

    vectors = problem64.task_vectors
    size = vectors.origin.numel()
    many = {t: vectors.deltas[i] for i, t in enumerate(vectors.tasks)}
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor) and result.untyped_storage().data_ptr() != storage:
                largest = max(largest, result.untyped_storage().nbytes() // result.element_size())
            return result

    problem = with_experts(problem64, many)
    storage = problem.task_vectors.deltas.untyped_storage().data_ptr()
    few = {"steps": 2, "samples": 2} | ({"batch": 2} if method == "fw_soft" else {"begin_with": "pretrained"})
    with Watch():
        run(method, replace(problem, micro_batch=2), **few)
    assert size <= largest < 2 * size


def test_an_irrelevant_expert_is_left_aside(problem64: Problem) -> None:
    """An expert that lies up the slope for every task is never walked towards."""
    vectors = problem64.task_vectors
    gradient = _pooled_gradient(problem64, vectors.flat(merged("task_arithmetic", problem64, "task0")))
    rows = dict(zip(vectors.tasks, vectors.deltas, strict=True))
    rows["task0"] = 3 * gradient / gradient.norm()
    rows["task1"] = -3 * gradient / gradient.norm()
    problem = with_experts(problem64, rows)
    selection = Selection(problem, settings("fw_hard", samples=1000), 1)  # type: ignore[arg-type]
    _, table = selection.pooled(vectors.flat(merged("task_arithmetic", problem64, "task0")))
    assert int(choose(table, "model", torch.zeros_like(table, dtype=torch.bool))[0]) == 1
