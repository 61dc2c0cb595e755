"""The data-free methods against NumPy and SciPy, and what their settings do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import methods
from core.errors import BadInput, Cancelled, RunFailed
from core.methods.breadcrumbs import _masked
from core.problem.method import Need
from core.problem.problem import Problem
from core.techniques.depth import DepthSettings, depths
from core.techniques.spectral import svd
from core.techniques.tensorwise import PARTS, Tensorwise
from tests.core.formulas import FORMULAS, MATRICES, pcb, per_matrix
from tests.core.properties import assert_close, merged, only, run, settings, with_experts

DATA_FREE = [name for name in methods.names() if methods.get(name).needs is Need.NOTHING]
SCALED = [
    name for name in DATA_FREE if name not in ("lines", "svc") and issubclass(methods.get(name).Settings, DepthSettings)
]


def added(method: str, problem: Problem, **values: Any) -> np.ndarray:
    """What a method adds to the base, `[D]`."""
    vectors = problem.task_vectors
    return (vectors.flat(merged(method, problem, problem.tasks[0], **values)) - vectors.origin).numpy()


def related(problem: Problem, share: float = 0.5) -> Problem:
    """The same problem with task vectors that have something in common, as those of real experts do."""
    vectors = problem.task_vectors
    mean = vectors.deltas.mean(0)
    return with_experts(
        problem, {t: row + share * (mean - row) for t, row in zip(vectors.tasks, vectors.deltas, strict=True)}
    )


@pytest.mark.parametrize("method", FORMULAS)
def test_a_method_equals_its_formula(method: str, problem64: Problem) -> None:
    for problem in (problem64, related(problem64)):
        expected = FORMULAS[method](problem.task_vectors)
        np.testing.assert_allclose(added(method, problem), expected, rtol=0, atol=1e-12)
    assert np.abs(expected).max() > 1e-3


@pytest.mark.parametrize("method", [m for m in DATA_FREE if "qkv" in methods.get(m).Settings.model_fields])
def test_query_key_and_value_can_be_three_matrices(method: str, problem64: Problem) -> None:
    assert method in MATRICES, f"`{method}` has `qkv`; write its formula for one matrix into MATRICES of formulas.py"
    expected = per_matrix(problem64.task_vectors, MATRICES[method], split=True)
    found = added(method, problem64, qkv="split")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.abs(found - added(method, problem64)).max() > 1e-4


@pytest.mark.parametrize("method", [*MATRICES, "wudi", "cart", "svc"])
def test_float32_agrees_with_float64(method: str, problem32: Problem, problem64: Problem) -> None:
    np.testing.assert_allclose(added(method, problem32), added(method, problem64), rtol=0, atol=2e-5)


@pytest.mark.parametrize("method", MATRICES)
def test_more_tasks_than_singular_values(method: str, problem64: Problem) -> None:
    """The smallest matrix of the tiny encoder, its positional embedding, has rank 5."""
    vectors = problem64.task_vectors
    random = torch.Generator().manual_seed(3)
    rows = {f"task{i}": 0.02 * torch.randn(vectors.origin.shape, generator=random).double() for i in range(7)}
    found = merged(method, with_experts(problem64, rows), "task0")
    moved = found["positional_embedding"] - vectors.base["positional_embedding"]
    assert moved.isfinite().all()
    assert moved.norm() > 0.01


def test_tsv_m_of_orthogonal_task_vectors_is_their_sum(problem64: Problem) -> None:
    """Tasks that use different directions do not interfere, so nothing has to be turned."""
    vectors = problem64.task_vectors
    name = "transformer.resblocks.0.attn.out_proj.weight"
    basis = torch.linalg.qr(vectors.base[name])[0]
    rows = {}
    for at, task in enumerate(vectors.tasks):
        delta = {n: torch.zeros_like(w) for n, w in vectors.base.items()}
        delta[name] = basis[:, at * 2 : at * 2 + 2] @ basis[:, at * 2 : at * 2 + 2].T * (at + 1)
        rows[task] = vectors.flat(delta)
    found = merged("tsv_m", with_experts(problem64, rows), "task0")
    assert_close(
        {name: found[name]}, {name: (vectors.origin + sum(rows.values()))[_span(problem64, name)].view(32, 32)}
    )


def _span(problem: Problem, name: str) -> slice:
    return problem.task_vectors.spans[problem.task_vectors.names.index(name)]


def test_iso_c_gives_every_direction_the_same_strength(problem64: Problem) -> None:
    found = merged("iso_c", problem64, "task0")
    name = "transformer.resblocks.1.mlp.c_fc.weight"
    values = torch.linalg.svdvals(found[name] - problem64.task_vectors.base[name])
    torch.testing.assert_close(values, values.mean().expand_as(values))


@pytest.mark.slow
def test_wudi_lowers_its_interference(problem64: Problem) -> None:
    name = "transformer.resblocks.1.mlp.c_fc.weight"
    base, tau = problem64.task_vectors.base[name], problem64.task_vectors.delta(name)

    def interference(iterations: int) -> float:
        change = merged("wudi", problem64, "task0", iterations=iterations, lr=1e-4)[name] - base
        return sum(((change - one) @ one.T).square().sum() / one.square().sum() for one in tau).item()

    assert interference(300) < 0.8 * interference(0)


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("drop", [0.0, 0.5, 0.9])
def test_dare_drops_its_share_and_rescales_the_rest(drop: float, rescale: bool, problem64: Problem) -> None:
    problem = only(problem64, "task1")
    tau = problem.task_vectors.deltas[0].numpy()
    found = added("dare", problem, drop=drop, rescale=rescale, scale=1)
    kept = found != 0
    assert kept.mean() == pytest.approx(1 - drop, abs=0.01)
    np.testing.assert_allclose(found[kept], tau[kept] / (1 - drop if rescale else 1), rtol=0, atol=1e-14)


def test_dare_draws_by_seed_and_task(problem64: Problem) -> None:
    assert np.array_equal(added("dare", problem64, seed=1), added("dare", problem64, seed=1))
    assert not np.array_equal(added("dare", problem64, seed=1), added("dare", problem64, seed=2))
    same = with_experts(problem64, dict.fromkeys(problem64.tasks, problem64.task_vectors.deltas[0]))
    each = [added("dare", only(same, task)) for task in same.tasks]
    assert not np.array_equal(each[0], each[1])


def test_dare_with_nothing_dropped_is_what_it_merges_with(problem64: Problem) -> None:
    for other, values in (("task_arithmetic", {}), ("ties", {"keep": 0.3})):
        found = merged("dare", problem64, "task0", drop=0, merge_with=other, **values)
        assert_close(found, merged(other, problem64, "task0", **values), 1e-15)


def test_dare_with_ties_elects_signs_among_what_is_left(problem64: Problem) -> None:
    """Every entry of the result is a sum of rescaled entries of one sign."""
    rows = {t: problem64.task_vectors.deltas[i].abs() for i, t in enumerate(problem64.tasks)}
    rows["task0"] = -3 * rows["task0"]
    found = added("dare", with_experts(problem64, rows), drop=0.5, merge_with="ties", scale=1, keep=1)
    tau = torch.stack(list(rows.values())).numpy() * 2
    options = np.stack([0 * tau[0], tau[0], tau[1], tau[2], tau[1] + tau[2]])
    assert np.abs(options - found).min(0).max() < 1e-14
    assert (found < 0).any()
    assert (found > 0).any()


def test_breadcrumbs_keeps_ranks_between_its_limits() -> None:
    row = torch.tensor([5.0, -1.0, 4.0, -3.0, 2.0])
    assert _masked(row, 0.4, 0.8).tolist() == [0, 0, 4, -3, 0]
    assert _masked(row, 0, 1).tolist() == row.tolist()
    assert not _masked(row, 0, 0.1).any()


def test_breadcrumbs_keeps_all_entries_as_large_as_those_at_its_limits() -> None:
    row = torch.tensor([1.0, 2.0, -2.0, 2.0, 3.0, 3.0, 9.0])
    assert _masked(row, 0.3, 0.8).tolist() == [0, 2, -2, 2, 3, 3, 0]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_breadcrumbs_keeps_as_much_in_half_precision(half: torch.dtype) -> None:
    """A difference of two rounded weights is a whole number of units in the last place: many entries are equal."""
    random = torch.Generator().manual_seed(0)
    base = torch.rand(10_000, generator=random)
    row = (base + 0.02 * torch.randn(10_000, generator=random)).to(half) - base.to(half)
    assert _masked(row, 0.85, 0.993).count_nonzero() >= int(0.993 * 10_000) - int(0.85 * 10_000)


def test_breadcrumbs_refuses_limits_that_cross() -> None:
    with pytest.raises(BadInput, match=r"`below` should be at most `above`"):
        settings("breadcrumbs", below=0.9, above=0.5)


@pytest.mark.parametrize(("votes", "expected"), [(0, "sum"), (9, "consensus of all")])
def test_votes_go_from_the_sum_to_what_all_tasks_use(votes: int, expected: str, problem64: Problem) -> None:
    total = 0.3 * problem64.task_vectors.deltas.sum(0).numpy()
    found = added("consensus", problem64, votes=votes)
    if expected == "sum":
        np.testing.assert_allclose(found, total, rtol=0, atol=1e-14)
    else:
        assert 0 < np.count_nonzero(found) < 0.5 * len(found)


def test_tall_masks_give_each_task_its_entries_of_the_sum(problem64: Problem) -> None:
    vectors = problem64.task_vectors
    total = vectors.deltas.sum(0)
    for row, task in enumerate(vectors.tasks):
        found = vectors.flat(merged_for("tall_masks", problem64, task)) - vectors.origin
        expected = torch.where(vectors.deltas[row].abs() >= 0.4 * (total - vectors.deltas[row]).abs(), total, 0)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)
    assert_close(merged_for("tall_masks", only(problem64, "task1"), "task0"), vectors.base, 0)


def merged_for(method: str, problem: Problem, task: str) -> dict[str, Tensor]:
    """The weights that a method gives one task, which may have no expert."""
    outcome = run(method, problem)[-1].outcome
    assert outcome is not None
    return dict(outcome.weights_for(task))


def test_pcb_equals_its_formula_for_other_shares(problem64: Problem) -> None:
    for keep in (0.01, 0.3, 1.0):
        expected = pcb(problem64.task_vectors.deltas.numpy(), keep)
        np.testing.assert_allclose(added("pcb", problem64, keep=keep), expected, rtol=0, atol=1e-12)


def test_model_stock_stays_at_the_base_where_experts_are_opposed(problem64: Problem) -> None:
    tau = problem64.task_vectors.deltas[0]
    opposed = with_experts(problem64, {"task0": tau, "task1": -0.5 * tau})
    assert_close(merged("model_stock", opposed, "task0"), problem64.task_vectors.base)


def test_model_stock_of_one_direction_is_the_mean(problem64: Problem) -> None:
    tau = problem64.task_vectors.deltas[0]
    alike = with_experts(problem64, {"task0": tau, "task1": 3 * tau})
    np.testing.assert_allclose(added("model_stock", alike), 2 * tau.numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", SCALED)
def test_depth_scaling_is_an_option_of_every_scaled_method(method: str, problem64: Problem) -> None:
    """θ₀ + (scale + lines·depth)·τ: linear in both, so two runs tell the merged task vector."""
    unit = added(method, problem64, scale=1)
    found = added(method, problem64, scale=0.2, lines=0.7)
    depth = np.concatenate([np.full(w.numel(), d) for w, d in _with_depths(problem64)])
    np.testing.assert_allclose(found, (0.2 + 0.7 * depth) * unit, rtol=0, atol=1e-13)
    assert set(depth) == {0, 1}


def _with_depths(problem: Problem) -> list[tuple[Tensor, float]]:
    vectors = problem.task_vectors
    return list(zip((vectors.base[n] for n in vectors.names), depths(vectors.names), strict=True))


def test_depth_goes_from_0_to_1_in_the_blocks_and_is_0_elsewhere() -> None:
    names = ["conv1.weight", "proj", *[f"transformer.resblocks.{i}.ln_1.weight" for i in (0, 1, 2, 4, 3)]]
    assert depths(names) == [0, 0, 0, 0.25, 0.5, 1, 0.75]
    assert depths(["transformer.resblocks.0.ln_1.weight", "ln_post.bias"]) == [0, 0]


@pytest.mark.parametrize("method", [name for name in DATA_FREE if isinstance(methods.get(name), Tensorwise)])
def test_a_method_can_be_stopped_between_tensors(method: str, problem64: Problem) -> None:
    def stop() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        run(method, replace(problem64, tick=stop))


def test_a_step_is_a_tenth_of_the_parameters(problem64: Problem) -> None:
    """The session times and shows each; the steps come between the tensors, not all at the end."""
    done = 0

    def count() -> None:
        nonlocal done
        done += 1

    seen = [done for _ in run_lazily("iso_c", replace(problem64, tick=count))]
    assert len(seen) == PARTS + 1
    assert len(set(seen)) > 5


def run_lazily(method: str, problem: Problem) -> Any:
    """The steps of a method as they come."""
    from core import methods

    return methods.get(method).steps(problem, settings(method))


def test_singular_values_of_nonsense_are_a_named_failure() -> None:
    with pytest.raises(RunFailed, match=r"singular values of a \[4, 4\] matrix"):
        svd(torch.full((4, 4), float("nan")))
