"""The data-free methods against FusionBench's own functions, on the tiny suite in float64.

Where the two differ by design, the difference is one that the method's `paper` names: TSV-Merge and Iso-CTS drop
arbitrary singular vectors of zeros, WUDI keeps the base outside the blocks, masks compare with ≥ where theirs has >.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from core.methods.model_stock import ratio
from core.methods.tall_masks import masks
from core.problem.problem import Problem
from core.seeds import generator
from tests.core.properties import assert_close, merged

METHOD = "fusion_bench.method."
pytestmark = pytest.mark.slow  # Importing them takes that long.


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """They print as they go; what they warn of while being imported is their own business."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def theirs(module: str, name: str) -> Any:
    """One of their functions or classes."""
    with quietly():
        return getattr(import_module(METHOD + module), name)


def deltas(problem: Problem) -> list[dict[str, Tensor]]:
    """Task vectors as they take them: one mapping per expert."""
    vectors = problem.task_vectors
    return [{name: vectors.delta(name)[row].clone() for name in vectors.names} for row in range(len(vectors.tasks))]


def added(method: str, problem: Problem, **values: Any) -> dict[str, Tensor]:
    """What our method adds to the base."""
    found, base = merged(method, problem, "task0", **values), problem.task_vectors.base
    return {name: found[name] - base[name] for name in problem.task_vectors.names}


def test_weight_averaging(problem64: Problem) -> None:
    experts = [problem64.task_vectors.expert(task) for task in problem64.tasks]
    with quietly():
        expected = theirs("simple_average", "simple_average")([dict(expert) for expert in experts])
    assert_close(merged("average", problem64, "task0"), {n: expected[n] for n in experts[0]}, 1e-15)


SPECTRAL: dict[str, Callable[[list[dict[str, Tensor]]], dict[str, Tensor]]] = {
    "tsv_m": lambda given: theirs(
        "task_singular_vector.utils.TSVM_utils", "compute_and_sum_svd_mem_reduction"
    )(given, accelerator="cpu"),
    "iso_c": lambda given: theirs("isotropic_merging.iso_utils", "iso_c")(given, accelerator="cpu"),
    "iso_cts": lambda given: theirs("isotropic_merging.iso_utils", "iso_cts")(given, 0.8, accelerator="cpu"),
}  # fmt: skip


@pytest.mark.parametrize("method", SPECTRAL)
def test_methods_on_singular_values(method: str, problem64: Problem) -> None:
    with quietly():
        expected = SPECTRAL[method](deltas(problem64))
    assert_close(added(method, problem64), expected, 1e-11)


def test_wudi_in_the_blocks_and_the_base_elsewhere(problem64: Problem) -> None:
    with quietly():
        expected = theirs("wudi.wudi", "wudi_merging")(deltas(problem64), accelerator="cpu", iter_num=40)
    found = added("wudi", problem64, iterations=40)
    for name, tensor in found.items():
        if "resblocks" in name and tensor.dim() == 2:
            torch.testing.assert_close(tensor, expected[name].detach(), rtol=0, atol=1e-11)
        else:
            assert not tensor.any(), name
    mean = added("wudi", problem64, iterations=40, others="average")
    vectors = [n for n in mean if mean[n].dim() != 2]
    torch.testing.assert_close([mean[n] for n in vectors], [expected[n].detach() for n in vectors], rtol=0, atol=1e-14)


def test_dare_with_the_same_mask(problem64: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """They draw from the global generator, tensor by tensor; here they are handed our numbers."""
    drop, total = theirs("dare.utils", "module_random_drop_"), 0
    for row, task in enumerate(problem64.tasks):
        delta = deltas(problem64)[row]
        drawn = iter(torch.rand(problem64.task_vectors.origin.numel(), generator=generator(0, task, "dare")).split(
            [tensor.numel() for tensor in delta.values()]
        ))  # fmt: skip
        monkeypatch.setattr(torch, "rand_like", lambda like, drawn=drawn: next(drawn).view(like.shape))
        drop(delta, 0.6, rescale=True)
        total = total + problem64.task_vectors.flat(delta)
    monkeypatch.undo()
    found = problem64.task_vectors.flat(added("dare", problem64, drop=0.6))
    torch.testing.assert_close(found, 0.3 * total, rtol=0, atol=1e-15)


def test_tall_masks(problem64: Problem) -> None:
    vectors = problem64.task_vectors
    with quietly():
        expected = theirs("tall_mask.utils", "generate_task_masks")(
            vectors.deltas, vectors.origin + vectors.deltas, vectors.origin, tall_mask_lambda=0.4
        )
    assert torch.equal(masks(vectors.deltas, 0.4), expected)
    assert 0.2 < expected.double().mean() < 0.95


def test_model_stock(problem64: Problem) -> None:
    """They work in degrees and add 1e-8 to a denominator."""
    vectors = problem64.task_vectors
    mean = vectors.deltas.mean(0)
    related = [dict(vectors.named(vectors.origin + row + mean)) for row in vectors.deltas]
    module = "model_stock.model_stock"
    angle, interpolate = theirs(module, "compute_angle"), theirs(module, "compute_ratio")
    pairs = [angle(related[i], related[j], vectors.base) for i in range(3) for j in range(i)]
    expected = interpolate({n: sum(pair[n] for pair in pairs) / 3 for n in vectors.names}, k=3)
    for name in vectors.names:
        delta = torch.stack([expert[name] - vectors.base[name] for expert in related])
        assert ratio(delta) == pytest.approx(expected[name], abs=2e-6), name  # They multiply in float32.
