"""ESM against the paper's formulas over open_clip's own encoder, what its settings do, and degenerate experts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy import linalg as la
from scipy import linalg

from core.methods.esm import merge, principal
from core.problem.problem import Problem
from tests.core import formulas
from tests.core.naive import Naive
from tests.core.properties import assert_close, copies_of_the_base, merged, permuted, with_experts

ALL = 24
"""All images of a split."""
LAYERS = ("attn.in_proj_weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
Array = formulas.Array


@torch.no_grad()
def inputs(naive: Naive, task: str, split: str) -> dict[str, Array]:
    """Layer -> what flows into it in the task's expert, `[tokens, in]`."""
    visual, found = naive.visual_of(task), dict[str, Array]()

    def noting(name: str) -> Any:
        def note(_module: Any, given: tuple[torch.Tensor, ...]) -> None:
            found[name] = given[0].reshape(-1, given[0].shape[-1]).numpy()

        return note

    for at, block in enumerate(visual.transformer.resblocks):  # type: ignore[union-attr, arg-type]
        place = f"transformer.resblocks.{at}."
        block.attn.register_forward_pre_hook(noting(place + LAYERS[0]))
        block.mlp.c_fc.register_forward_pre_hook(noting(place + LAYERS[1]))
        block.mlp.c_proj.register_forward_pre_hook(noting(place + LAYERS[2]))
    visual(naive.images(task, slice(None), split))
    return found


def one_layer(taus: list[Array], seen: list[Array], polarise: float, power: float) -> Array:
    """The paper's steps for one layer, with the principal directions of the output changes themselves."""
    kept = len(taus[0]) // len(taus)
    mean_length = np.mean([la.norm(tau) for tau in taus])
    bases, coordinates = [], []
    for tau, x in zip(taus, seen, strict=True):
        _, s, vt = la.svd(x @ tau.T, full_matrices=False)
        own = min(kept, int((s > 1e-9 * s[0]).sum()))
        energy = (s[:own] ** 2 / np.mean(s[:own] ** 2)) ** power
        energy /= energy.mean()
        bases.append(vt[:own].T * energy)
        coordinates.append(energy[:, None] * (vt[:own] @ tau) * (la.norm(tau) / mean_length) ** polarise)
    basis, stacked = np.hstack(bases), np.vstack(coordinates)
    columns = la.norm(stacked, axis=0)
    stacked = stacked * (columns / columns.mean()) ** polarise
    factors = [linalg.polar(one)[0] * la.norm(one, "nuc") / min(one.shape) for one in (basis, stacked)]
    return np.asarray(2 * factors[0] @ factors[1])


def naively(problem: Problem, naive: Naive, polarise: float, power: float, split: str = "held-out") -> dict[str, Array]:
    """Name -> Δ."""
    vectors, found = problem.task_vectors, dict[str, Array]()
    seen = {task: inputs(naive, task, split) for task in vectors.tasks}
    for name in vectors.names:
        delta = vectors.delta(name).numpy()
        if name.endswith(LAYERS):
            found[name] = one_layer(list(delta), [seen[task][name] for task in vectors.tasks], polarise, power)
        else:
            found[name] = formulas.tsv_m(delta) if delta.ndim == 3 else delta.mean(0)
    for kind in (*LAYERS, "attn.out_proj.weight"):
        names = [name for name in found if name.endswith(kind)]
        lengths = [la.norm(found[name]) for name in names]
        for name, length in zip(names, lengths, strict=True):
            found[name] = found[name] * (length / np.mean(lengths)) ** polarise
    return found


@pytest.mark.parametrize(("polarise", "power", "split"), [(2, 0.15, "held-out"), (2, 0, "train"), (0, 0.5, "held-out")])
def test_esm_equals_its_formula(polarise: float, power: float, split: str, problem64: Problem, naive: Naive) -> None:
    vectors = problem64.task_vectors
    unequal = with_experts(problem64, dict(zip(vectors.tasks, vectors.deltas, strict=True)))
    expected = naively(unequal, naive, polarise, power, split)
    found = merged(
        "esm", problem64, "task0", samples=ALL, polarise=polarise, energy_power=power, adapt_on=split, scale=0.8
    )
    for name in vectors.names:
        np.testing.assert_allclose(found[name] - vectors.base[name], 0.8 * expected[name], rtol=0, atol=1e-9)


def test_a_longer_task_vector_counts_more_and_the_images_matter(problem64: Problem) -> None:
    delta = problem64.task_vectors.delta("transformer.resblocks.0.mlp.c_fc.weight")
    essentials = [principal(tau, torch.eye(32, dtype=torch.float64), 42) for tau in delta]
    plain = merge(delta, essentials, 2, 0.15)
    longer = delta * torch.tensor([3.0, 1.0, 1.0], dtype=torch.float64)[:, None, None]

    def along(merged: torch.Tensor, tau: torch.Tensor) -> float:
        return torch.nn.functional.cosine_similarity(merged.flatten(), tau.flatten(), dim=0).item()

    assert along(merge(longer, essentials, 2, 0.15), delta[0]) > along(plain, delta[0]) + 0.2
    few, many = (merged("esm", problem64, "task0", samples=count) for count in (4, ALL))
    vectors = problem64.task_vectors
    few_change, many_change = (vectors.flat(one) - vectors.origin for one in (few, many))
    assert (few_change - many_change).norm() > 1e-4


def test_principal_directions_are_those_of_the_outputs_whichever_side_is_longer() -> None:
    random = torch.Generator().manual_seed(0)
    for out, width in ((12, 5), (5, 12)):
        tau, x = (torch.randn(size, generator=random, dtype=torch.float64) for size in ((out, width), (40, width)))
        directions, energies = principal(tau, x.T @ x / len(x), 3)
        _, s, vt = torch.linalg.svd(x @ tau.T, full_matrices=False)
        torch.testing.assert_close(energies, s[:3].square() / len(x))
        torch.testing.assert_close((directions * vt[:3].T).sum(0).abs(), torch.ones(3, dtype=torch.float64))


def test_what_does_not_move_takes_no_part(problem64: Problem) -> None:
    vectors = problem64.task_vectors
    assert_close(merged("esm", copies_of_the_base(problem64), "task0"), vectors.base, 0)
    rows = dict(zip(vectors.tasks, vectors.deltas, strict=True)) | {"task2": torch.zeros_like(vectors.origin)}
    found = merged("esm", with_experts(problem64, rows), "task0")
    assert all(tensor.isfinite().all() for tensor in found.values())


@pytest.mark.parametrize("rank", [1, 2])
def test_low_rank_repeated_and_tied_experts_fill_no_direction_of_their_own(rank: int, problem64: Problem) -> None:
    random = torch.Generator().manual_seed(2)
    for out, width in ((32, 128), (128, 32)):
        sizes = (out, rank), (width, rank)
        left, right = (torch.linalg.qr(torch.randn(s, generator=random, dtype=torch.float64))[0] for s in sizes)
        tau = left @ right.T  # All its singular values are 1.
        gram = torch.eye(width, dtype=torch.float64)
        for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
            delta = torch.stack([tau, 2 * tau, 3 * tau]).to(dtype)
            found = merge(delta, [principal(one, gram.to(dtype), out // 3) for one in delta], 2, 0.15)
            inside = left @ left.T @ found
            torch.testing.assert_close(inside, found, rtol=0, atol=tolerance)
            assert torch.linalg.matrix_rank(found, rtol=1e-4) <= rank


def test_low_rank_experts_do_not_depend_on_the_order_of_tasks(problem64: Problem) -> None:
    vectors, random = problem64.task_vectors, torch.Generator().manual_seed(7)
    rows = {}
    for task in vectors.tasks:
        layout = zip(vectors.names, vectors.shapes, strict=True)
        delta = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in layout}
        for name in (name for name in delta if delta[name].dim() == 2):
            sizes = (delta[name].shape[0], 2), (2, delta[name].shape[1])
            b, a = (torch.randn(size, generator=random, dtype=torch.float64) for size in sizes)
            delta[name] = 0.02 * b @ a
        rows[task] = vectors.flat(delta)
    problem = with_experts(problem64, rows)
    one, other = (merged("esm", given, "task0") for given in (problem, permuted(problem, [2, 0, 1])))
    assert_close(other, one, 1e-9)
