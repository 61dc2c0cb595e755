"""Joint fine-tuning: its gradient, schedule and balanced variants, and that a run goes on bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.methods import get
from core.methods.multi_task import _shuffled, gradnorm, pcgrad
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.store import Store
from tests.core.naive import Naive, naive_loss
from tests.core.properties import run, settings
from tests.core.test_trained import assert_same
from tests.core.test_trajectory import stored

BALANCES = ("none", "pcgrad", "gradnorm")


def random_gradients(seed: int, count: int = 4, size: int = 12) -> Tensor:
    """Gradients of which many pairs disagree."""
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def conflicting() -> Tensor:
    """Four gradients of which most pairs disagree: each less most of their mean."""
    gradients = random_gradients(1)
    return gradients - 1.2 * gradients.mean(0)


@pytest.mark.parametrize("seed", range(5))
def test_pcgrad_equals_its_algorithm(seed: int) -> None:
    """Two tasks: each gradient less its component along the other where they disagree; the order plays no part."""
    one, other = random_gradients(seed, 2)
    if one @ other > 0:
        other = -other
    expected = (one - (one @ other) / (other @ other) * other) + (other - (one @ other) / (one @ one) * one)
    found = pcgrad(torch.stack([one, other]), ["a", "b"], (0,))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_pcgrad_of_many_tasks_projects_each_gradient_on_the_others_in_the_drawn_order() -> None:
    gradients, tasks, key = conflicting(), ["d", "a", "c", "b"], (7, 3)
    projected = []
    for own, task in enumerate(tasks):
        g = gradients[own].clone()
        for other in _shuffled(tasks, (*key, task)):
            along = g @ gradients[other]
            if other != own and along < 0:
                g = g - along / gradients[other].square().sum() * gradients[other]
        projected.append(g)
    found = pcgrad(gradients, tasks, key)
    torch.testing.assert_close(found, torch.stack(projected).sum(0), rtol=0, atol=1e-12)
    assert not torch.allclose(found, gradients.sum(0))


def test_listing_the_tasks_in_another_order_changes_nothing() -> None:
    gradients, tasks, order = conflicting(), ["d", "a", "c", "b"], [2, 0, 3, 1]
    straight = pcgrad(gradients, tasks, (7, 3))
    other = pcgrad(gradients[order], [tasks[i] for i in order], (7, 3))
    torch.testing.assert_close(other, straight, rtol=0, atol=1e-12)


def test_pcgrad_of_gradients_that_agree_is_their_sum() -> None:
    gradients = random_gradients(2).abs()
    torch.testing.assert_close(pcgrad(gradients, ["a", "b", "c", "d"], (0,)), gradients.sum(0))


def test_gradnorm_moves_along_the_gradient_of_its_loss() -> None:
    weights = torch.tensor([0.8, 1.0, 1.2], dtype=torch.float64, requires_grad=True)
    norms, ratios = torch.tensor([1.0, 3.0, 0.5]).double(), torch.tensor([0.5, 0.9, 0.7]).double()
    own = weights * norms
    target = (own.mean() * (ratios / ratios.mean()) ** 1.5).detach()
    slope = torch.autograd.grad((own - target).abs().sum(), weights)[0]
    moved = (weights - 0.01 * slope / norms.mean()).detach()
    found = gradnorm(weights.detach(), norms, ratios, 1.5, 0.01)
    torch.testing.assert_close(found, moved * 3 / moved.sum())
    assert found.sum().item() == pytest.approx(3)


def test_gradnorm_favours_the_task_that_lags_behind() -> None:
    weights, norms = torch.ones(2).double(), torch.ones(2).double()
    for _ in range(10):
        weights = gradnorm(weights, norms, torch.tensor([1.0, 0.1]).double(), 1.5, 0.01)
    assert weights[0] > weights[1] > 0


def naive_gradient(
    problem: Problem, naive: Naive, theta: dict[str, Tensor], chosen: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Of the summed cross-entropies by plain autograd."""
    weights = {name: tensor.detach().requires_grad_() for name, tensor in theta.items()}
    losses = []
    for task in naive.tasks:
        logits = naive.logits(weights, naive.images(task, chosen[task], "train"), problem.heads[task])
        labels = naive.labels(task, "train")[chosen[task]]
        losses.append(naive_loss("cross_entropy", logits, labels, logits))
    gradients = torch.autograd.grad(sum(losses), list(weights.values()))  # type: ignore[arg-type]
    return dict(zip(weights, gradients, strict=True))


@pytest.mark.slow
def test_five_steps_equal_a_naive_loop_with_adamw_and_the_schedule(problem64: Problem, naive: Naive) -> None:
    from core.tasks import Stream

    steps, lr = 5, 1e-3
    theta = {name: tensor.clone() for name, tensor in naive.base.items()}
    adam = torch.optim.AdamW(list(theta.values()), lr=lr, weight_decay=0.1)
    streams = {task: Stream(task, 24, 5, seed=3) for task in naive.tasks}
    for at in range(steps):
        gradients = naive_gradient(problem64, naive, theta, {task: s.next() for task, s in streams.items()})
        for name, tensor in theta.items():
            tensor.grad = gradients[name]
        rate = lr * (at + 1) / 2 if at < 2 else lr * 0.5 * (1 + math.cos(math.pi * (at - 2) / 3))
        adam.param_groups[0]["lr"] = rate
        adam.step()
    outcome = run("multi_task", problem64, steps=steps, lr=lr, batch=5, warmup=0.4, seed=3)[-1].outcome
    assert outcome is not None
    found = outcome.weights_for("task0")
    for name, tensor in theta.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
@pytest.mark.parametrize("balance", BALANCES)
def test_every_balance_resumes_bit_for_bit(balance: str, problem32: Problem, tmp_path: Path) -> None:
    chosen: dict[str, Any] = {"balance": balance, "keep_every": 2, "steps": 5}
    straight = run("multi_task", problem32, **chosen)
    for at in (0, 2, 4):
        state = straight[at].state
        assert state is not None
        assert_same(
            run("multi_task", problem32, resume=stored(state(), tmp_path), **chosen), straight[at + 1 :], problem32
        )


@pytest.mark.slow
def test_balances_differ_and_all_learn(problem64: Problem) -> None:
    # With turned heads the tasks want opposite things; without a conflict PCGrad has nothing to project.
    first, *others = problem64.tasks
    heads = {first: problem64.heads[first]} | {task: -problem64.heads[task] for task in others}
    ends = []
    for balance in BALANCES:
        steps = run("multi_task", replace(problem64, heads=heads), balance=balance, steps=15, lr=2e-3, batch=24)
        losses = [sum(step.losses.values()) for step in steps[1:]]
        assert losses[-1] < losses[0]
        ends.append(losses[-1])
    low, middle, high = sorted(ends)
    assert low < 0.999 * middle < 0.998 * high  # The smallest difference seen is 0.4 %, far above rounding.


def test_the_experts_play_no_part(problem64: Problem) -> None:
    from tests.core.properties import copies_of_the_base

    one, other = (run("multi_task", p)[-1].losses for p in (problem64, copies_of_the_base(problem64)))
    assert one == other


def test_weights_of_a_step_are_those_of_that_step_or_refused(problem64: Problem) -> None:
    steps = get("multi_task").steps(problem64, settings("multi_task"))
    first = next(steps)
    assert first.weights is not None
    at_first = first.weights()
    next(steps)
    assert torch.equal(at_first["proj"], problem64.task_vectors.base["proj"])
    with pytest.raises(RuntimeError, match="step 0 are gone"):
        first.weights()


@pytest.mark.slow
def test_a_large_state_is_kept_in_a_file_and_removed_when_the_run_is_done(
    tmp_path: Path, tiny_suite: Path, problem32: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.control import Control
    from core.errors import Cancelled
    from core.store import state as large

    monkeypatch.setattr(large, "LIMIT", 1000)
    method = get("multi_task")
    chosen = settings("multi_task", keep_every=2, steps=6)
    with Store.open(tmp_path / "runs") as store:
        whole = RunSpec.of(problem32, method, chosen, origin=str(tiny_suite)).create(store)
        expected = runner.execute(store, whole, problem32, RunSpec.of(problem32, method, chosen))
        run_id, control = RunSpec.of(problem32, method, chosen, origin=str(tiny_suite)).create(store), Control()

        def stop(step: Any) -> None:
            if step.number == 5:
                control.cancel()

        with pytest.raises(Cancelled):
            runner.execute(
                store, run_id, problem32, RunSpec.of(problem32, method, chosen), control=control, on_step=stop
            )
        folder = store.artefact(run_id, "x").parent
        assert [file.name for file in folder.iterdir()] == ["state-4.safetensors"]
        state = store.last_state(run_id)
        assert state is not None
        assert state[0] == 4
        assert not store.artefacts(run_id)
        report = runner.execute(store, run_id, problem32, RunSpec.of(problem32, method, chosen))
        assert [task["accuracy"] for task in report["tasks"]] == [task["accuracy"] for task in expected["tasks"]]
        assert {file.name for file in folder.iterdir()} == {"merged.safetensors"}


def test_a_damaged_state_file_is_named(tmp_path: Path, problem32: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.store import state as large
    from core.store.faults import Damaged

    monkeypatch.setattr(large, "LIMIT", 1000)
    steps = run("multi_task", problem32, keep_every=2)
    with Store.open(tmp_path / "runs") as store:
        method = get("multi_task")
        run_id = RunSpec.of(problem32, method, settings("multi_task")).create(store)
        store.record(run_id, steps[0])
        store.record(run_id, steps[2])
        file = store.artefact(run_id, "state-2.safetensors")
        assert not file.with_name("state-0.safetensors").exists()
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        with pytest.raises(Damaged, match="damaged"):
            store.last_state(run_id)
        file.unlink()
        with pytest.raises(Damaged, match="missing"):
            store.last_state(run_id)


@pytest.mark.slow
def test_training_in_bfloat16_follows_training_in_float32(problem32: Problem) -> None:
    """There the pass uses the memory of its weights for the gradient."""

    half = replace(problem32, encoder=problem32.encoder.with_precision("bfloat16"))
    chosen: dict[str, Any] = {"steps": 6, "lr": 1e-3, "batch": 8}
    narrow, wide = (run("multi_task", problem, **chosen)[-1] for problem in (half, problem32))
    assert sum(narrow.losses.values()) == pytest.approx(sum(wide.losses.values()), rel=0.05)
