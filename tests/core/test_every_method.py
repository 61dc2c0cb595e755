"""What is asked of every method. The registry is collected, so a new file is tested without being named here."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch

from core import methods, studies
from core.errors import UnknownName
from core.problem.evaluate import evaluate_outcome
from core.problem.grouping import group
from core.problem.method import Need, Role
from core.problem.problem import Problem
from core.settings import parse
from core.studies.engine.scope import Scope, StudyOptions
from core.suite.find import find
from tests.core.formulas import FORMULAS, esm_of_one
from tests.core.naive import Naive
from tests.core.properties import (
    LEARNING,
    assert_close,
    copies_of_the_base,
    fingerprint,
    merged,
    only,
    permuted,
    run,
    settings,
    with_experts,
)
from tests.tiny import CONFIG

ALL = methods.names()
every_method = pytest.mark.parametrize("method", ALL)


def test_the_methods_of_the_issue_are_registered() -> None:
    expected = {"pretrained", "individual", "average", "task_arithmetic", "ties", "adamerging", "adamerging_pp"}
    assert expected <= set(ALL)


def test_an_unknown_method_lists_those_that_exist() -> None:
    with pytest.raises(UnknownName, match=r"`adamergin`.*adamerging.*ties"):
        methods.get("adamergin")


@every_method
def test_a_method_says_whether_the_seed_changes_its_result(method: str, problem64: Problem) -> None:
    found = []
    # Fewer than a task has, else all of them are taken whatever the seed is.
    few = {"samples": 8} if "samples" in methods.get(method).Settings.model_fields else {}
    for seed in (3, 4):
        steps = run(method, problem64, seed=seed, **few)
        outcome = steps[-1].outcome
        assert outcome is not None
        # Of a result with modules of its own only the answers differ; where a method chooses, other images may lead to
        # the same choice.
        answers = evaluate_outcome(problem64, outcome, "task0").entropy
        losses = [loss for step in steps for loss in step.losses.values()]
        found.append([*outcome.weights_for("task0").values(), torch.tensor([answers, *losses])])
    assert methods.get(method).random == any(not torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_study_of_seeds_repeats_every_method_that_is_random(tiny_suite: Path) -> None:
    scope = Scope(find(str(tiny_suite)), StudyOptions(), own_seeds=(0, 1))
    planned = {(cell.method, cell.settings["seed"]) for cell in studies.get("seeds").plan(scope)}
    assert planned == {(name, seed) for name in ALL if methods.get(name).random for seed in (0, 1)}
    assert ("dare", 1) in planned


@every_method
def test_a_method_describes_itself(method: str) -> None:
    found = methods.get(method)
    assert found.name == method
    for text in (found.title, found.paper, found.summary, found.cost, found.trains):
        assert text.strip()
    for name, field in found.Settings.model_fields.items():
        assert field.description, name
        extra = field.json_schema_extra
        assert isinstance(extra, dict), name
        assert extra["source"], name
    assert found.needed(parse(found.Settings, {}, method)) in Need


@every_method
def test_weights_have_the_base_shapes_and_are_finite(method: str, problem32: Problem) -> None:
    steps = run(method, problem32)
    assert [step.number for step in steps] == list(range(methods.get(method).total_steps(settings(method)) + 1))
    assert [step.outcome is not None for step in steps] == [False] * (len(steps) - 1) + [True]
    base, outcome = problem32.task_vectors.base, steps[-1].outcome
    assert outcome is not None
    for task in problem32.tasks:
        weights = outcome.weights_for(task)
        assert {n: (w.shape, w.dtype) for n, w in weights.items()} == {n: (w.shape, w.dtype) for n, w in base.items()}
        assert all(w.isfinite().all() for w in weights.values())


@every_method
def test_neither_merging_nor_writing_into_the_outcome_changes_the_inputs(method: str, problem32: Problem) -> None:
    before = fingerprint(problem32)
    weights = merged(method, problem32, "task1")
    assert fingerprint(problem32) == before
    for tensor in weights.values() if method != "pretrained" else ():  # It hands out views of the base.
        tensor.mul_(2)
    assert fingerprint(problem32) == before


@every_method
def test_the_order_of_tasks_does_not_matter(method: str, problem64: Problem) -> None:
    """Streams are keyed by task name, so only the order of additions changes: float64 rounding."""
    order = [2, 0, 1]
    straight, other = run(method, problem64), run(method, permuted(problem64, order))
    for one, two in zip(straight, other, strict=True):
        assert one.losses == pytest.approx(two.losses, abs=1e-12)
        if one.coefficients is not None and two.coefficients is not None:
            assert two.coefficients.tasks == tuple(one.coefficients.tasks[i] for i in order)
            torch.testing.assert_close(two.coefficients.values, one.coefficients.values[:, order], rtol=0, atol=1e-6)
    assert straight[-1].outcome is not None
    assert other[-1].outcome is not None
    # Training moves `k_proj.bias` too, whose gradient is zero but for rounding, which Adam's normalisation enlarges.
    tolerance = 1e-9 if methods.get(method).role is Role.YARDSTICK else 1e-10
    for task in problem64.tasks:
        assert_close(other[-1].outcome.weights_for(task), straight[-1].outcome.weights_for(task), tolerance)


@every_method
def test_the_same_seed_gives_the_same_weights_bit_for_bit(method: str, problem32: Problem) -> None:
    assert_close(merged(method, problem32, "task0", seed=3), merged(method, problem32, "task0", seed=3), 0)


@pytest.mark.parametrize("method", [name for name in ALL if methods.get(name).role is not Role.YARDSTICK])
def test_merging_copies_of_the_base_returns_the_base(method: str, problem64: Problem) -> None:
    problem = copies_of_the_base(problem64)
    outcome = run(method, problem)[-1].outcome
    assert outcome is not None
    for task in problem.tasks:
        assert_close(outcome.weights_for(task), problem.task_vectors.base, 0)


def _trimmed(tau: torch.Tensor, keep: float = 0.2) -> torch.Tensor:
    """TIES with one expert: trimming alone, no sign can be outvoted."""
    smallest = tau.abs().sort().values[len(tau) - int(keep * len(tau)) - 1]
    return tau * (tau.abs() >= smallest)


def _half_the_components(tau: torch.Tensor) -> torch.Tensor:
    """The tiny suite's task vector with the weaker half of each block matrix's singular values set to 0."""
    naive = open_clip.CLIP(**CONFIG).visual
    parts = []
    for name, parameter in naive.named_parameters():
        part = tau[sum(len(p) for p in parts) :][: parameter.numel()].view(parameter.shape)
        if name.startswith("transformer.resblocks.") and part.dim() == 2:
            u, s, vt = torch.linalg.svd(part, full_matrices=False)
            s[len(s) // 2 :] = 0
            part = u @ torch.diag(s) @ vt
        parts.append(part.flatten())
    return torch.cat(parts)


ONE_EXPERT = {
    "pretrained": lambda tau: 0 * tau,
    "individual": lambda tau: tau,
    "average": lambda tau: tau,
    "task_arithmetic": lambda tau: 0.3 * tau,
    "ties": lambda tau: 0.3 * _trimmed(tau),
    # Learning hardly moves λ from 0.3 with lr = 1e-9.
    "adamerging": lambda tau: 0.3 * tau,
    "adamerging_pp": lambda tau: 0.3 * _trimmed(tau),
    "samerging": lambda tau: 0 * tau,  # It begins at λ = 0.
    "best": lambda tau: tau,  # The start alone: TSV-Merge of one expert keeps every singular component.
    # What is exported of these is the encoder alone; their modules are tested in test_modules.py.
    "surgery": lambda tau: 0.3 * tau,
    "distillation": lambda tau: 0.3 * tau,
    "multi_task": lambda tau: 0 * tau,  # It trains the base and looks at no expert.
    "wemoe": lambda tau: 0.3 * tau,
    "adarank": lambda tau: 0.3 * _half_the_components(tau),
    "tall_masks": lambda tau: tau,
    "grouped": lambda tau: tau,
    "fisher": lambda tau: tau,
    "regmean": lambda tau: tau,
    "regmean_pp": lambda tau: tau,
    "featcal": lambda tau: tau,
    "soup": lambda tau: tau,
    "esm": esm_of_one,
    "fw_hard": lambda tau: (1 - 0.7 * math.prod(1 - 0.1 * 0.3 * 2 / (t + 2) for t in range(4))) * tau,
    "fw_soft": lambda tau: 0.3 * tau,  # Up to the 1e-8 that the later rounds begin with.
}
"""Method -> what is added to the base for a single task vector, with default settings; more of them in `FORMULAS`."""


LIMITS = {
    "esm": {"energy_power": 0},
    "featcal": {"ridge": 1e-9, "mix": 0, "begin_with": "average"},
    "regmean": {},
    "regmean_pp": {},
}
"""Settings in the limit of which the formula holds; images come in, so that rounding is seen."""


@every_method
def test_one_expert_returns_what_the_formula_says(method: str, problem64: Problem) -> None:
    assert method in (*ONE_EXPERT, *FORMULAS), f"add the formula of `{method}` to ONE_EXPERT or FORMULAS"
    problem = only(problem64, "task1")
    learns = method in (*LEARNING, "fw_soft") or methods.get(method).role is Role.YARDSTICK
    slow = {"lr": 1e-9} if learns else LIMITS.get(method, {})
    vectors = problem.task_vectors
    added = ONE_EXPERT[method](vectors.deltas[0]) if method in ONE_EXPERT else FORMULAS[method](vectors)
    expected = vectors.named(vectors.origin + torch.as_tensor(added))
    assert_close(merged(method, problem, "task1", **slow), expected, 1e-7 if slow or method in LIMITS else 1e-12)


def test_individual_gives_unseen_tasks_the_base(problem64: Problem) -> None:
    assert_close(merged("individual", only(problem64, "task1"), "task0"), problem64.task_vectors.base, 0)


def test_the_average_of_identical_experts_is_that_expert(problem64: Problem) -> None:
    tau = problem64.task_vectors.deltas[1]
    problem = with_experts(problem64, dict.fromkeys(problem64.tasks, tau))
    assert_close(merged("average", problem, "task0"), problem64.task_vectors.expert("task1"))


@pytest.mark.slow
@pytest.mark.parametrize("method", LEARNING)
@pytest.mark.parametrize("kind", ["task", "block", "tensor"])
def test_learning_from_zero_starts_at_the_base(method: str, kind: str, problem64: Problem) -> None:
    found = merged(method, problem64, "task0", start="none", init=0.0, lr=1e-12, group=kind, clamp=False)
    assert_close(found, problem64.task_vectors.base, 1e-10)


@pytest.mark.parametrize("kind", ["task", "block", "tensor"])
class TestLinearMerge:
    """θ₀ + Σ_k λ[g, k] τ_k for every grouping."""

    def test_zero_is_the_base(self, kind: str, problem64: Problem) -> None:
        vectors, grouping = problem64.task_vectors, group(problem64.task_vectors.names, kind)
        rows = torch.zeros(len(grouping.groups), 3)
        assert torch.equal(vectors.combine(rows, grouping.row_of), vectors.origin)

    def test_one_hot_is_that_expert(self, kind: str, problem64: Problem) -> None:
        vectors, grouping = problem64.task_vectors, group(problem64.task_vectors.names, kind)
        for at, task in enumerate(vectors.tasks):
            rows = torch.eye(3)[at].expand(len(grouping.groups), 3)
            assert_close(vectors.named(vectors.combine(rows, grouping.row_of)), vectors.expert(task), 0)

    def test_equal_rows_equal_the_task_wise_result(self, kind: str, problem64: Problem) -> None:
        vectors, grouping = problem64.task_vectors, group(problem64.task_vectors.names, kind)
        row = torch.tensor([[0.7, -0.2, 1.3]], dtype=torch.float64)
        task_wise = vectors.combine(row, [0] * len(vectors.names))
        assert torch.equal(vectors.combine(row.repeat(len(grouping.groups), 1), grouping.row_of), task_wise)

    def test_each_tensor_gets_its_own_row(self, kind: str, problem64: Problem) -> None:
        vectors, grouping = problem64.task_vectors, group(problem64.task_vectors.names, kind)
        rows = torch.randn(len(grouping.groups), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        found = vectors.named(vectors.combine(rows, grouping.row_of))
        for name, row in zip(vectors.names, grouping.row_of, strict=True):
            expected = vectors.base[name] + torch.einsum("k,k...->...", rows[row], vectors.delta(name))
            torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-13)

    def test_bfloat16_deltas_change_only_their_own_rounding(self, kind: str, problem32: Problem) -> None:
        vectors, grouping = problem32.task_vectors, group(problem32.task_vectors.names, kind)
        half = replace(vectors, deltas=vectors.deltas.bfloat16())
        widened = replace(vectors, deltas=half.deltas.float())
        rows = torch.rand(len(grouping.groups), 3, generator=torch.Generator().manual_seed(0))
        narrow, wide = half.combine(rows, grouping.row_of), widened.combine(rows, grouping.row_of)
        torch.testing.assert_close(narrow, wide, rtol=0, atol=1e-7)
        gradient = torch.randn(vectors.origin.shape, generator=torch.Generator().manual_seed(1))
        found = half.contract(gradient, grouping.row_of, len(grouping.groups))
        expected = widened.contract(gradient, grouping.row_of, len(grouping.groups))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_expert_is_the_checkpoint(problem64: Problem, naive: Naive) -> None:
    for task in problem64.tasks:
        weights = problem64.task_vectors.expert(task)
        for name, expected in naive.experts[task].items():
            torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-15)
