"""Task vectors in 8 and 4 bits: what is rounded how far, and that everything works with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import methods
from core.errors import BadInput
from core.insight.similarity import similarity
from core.problem import packed
from core.problem.loading import load
from core.problem.mapped import InMemory
from core.problem.method import Step
from core.problem.packed import BITS, BLOCK, Packed, empty
from core.problem.problem import Problem
from core.problem.stress import stressed
from core.problem.variants import variant
from core.runs import runner
from core.runs.spec import RunSpec
from core.store import Store
from core.suite.find import find
from tests.core.properties import assert_close, rounding, run
from tests.core.test_runner import bits

CPU = torch.device("cpu")
forms = pytest.mark.parametrize("form", BITS)
ROUNDED = ("adamerging_pp", "adarank", "best", "wemoe")
"""Methods that keep what they derive of task vectors, and round it again."""
QUICK = ("--set", "steps=4", "--set", "batch=4")


def rounded(numbers: Tensor, form: str) -> Packed:
    """These numbers, packed."""
    matrix = empty(InMemory(), *numbers.shape, form, CPU)
    assert isinstance(matrix, Packed)
    return matrix.copy_(numbers)


def narrowed(problem: Problem, form: str) -> Problem:
    """The same problem with packed task vectors."""
    vectors = problem.task_vectors
    return replace(problem, task_vectors=replace(vectors, deltas=rounded(vectors.deltas, form)))


def widened(problem: Problem) -> Problem:
    """The same numbers, not packed."""
    vectors = problem.task_vectors
    return replace(problem, task_vectors=replace(vectors, deltas=vectors.deltas.to(vectors.origin)))


def naive(row: np.ndarray, form: str) -> np.ndarray:
    """Each block of 64 divided by its scale and rounded to whole numbers, one at a time."""
    most, found = {"int8": 128, "int4": 8}[form], []
    for begin in range(0, len(row), 64):
        block = row[begin : begin + 64]
        scale = float(torch.tensor(max(block, key=abs) / -most).bfloat16())
        found += [0.0 if scale == 0 else scale * max(-most, min(most - 1, round(float(x) / scale))) for x in block]
    return np.array(found)


@forms
@pytest.mark.parametrize("columns", [1, 63, 64, 65, 1000])
def test_numbers_are_rounded_as_the_formula_says(form: str, columns: int) -> None:
    random = np.random.default_rng(columns)
    rows = (random.standard_normal((3, columns)) * random.choice([1e-6, 1e-3, 10], (3, columns))).astype(np.float32)
    rows[1, : columns // 2] = 0
    found = rounded(torch.from_numpy(rows), form).to(torch.float64).numpy()
    expected = np.stack([naive(row, form) for row in rows])
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(rows).max()
    assert np.array_equal(found, expected)


@forms
def test_no_number_is_off_by_more_than_half_a_step_unless_it_rivals_the_largest(form: str) -> None:
    numbers = torch.randn(4, 640, generator=torch.Generator().manual_seed(0))
    matrix = rounded(numbers, form)
    step = matrix.scales.double().abs().repeat_interleave(BLOCK, 1)
    off, most = (matrix.to(torch.float64) - numbers).abs(), 2 ** (BITS[form] - 1)
    rivals = numbers.abs() > (most - 0.5) * step
    assert (off <= torch.where(rivals, 1.01, 0.5 + 1e-6) * step).all()
    assert rivals.sum() < 2 * step[:, ::BLOCK].numel()


@forms
def test_views_and_copies_show_the_same_numbers(form: str) -> None:
    matrix = rounded(torch.randn(5, 300, generator=torch.Generator().manual_seed(0)), form)
    wide = matrix.to(torch.float32)
    assert [tuple(part.shape) for part in (matrix, matrix[2], matrix[1:3], matrix[:, 7:131])] == [
        (5, 300), (300,), (2, 300), (5, 124),
    ]  # fmt: skip
    for at in (2, slice(1, 4), (slice(None), slice(7, 131)), (3, slice(65, 66)), (slice(1, 3), slice(299, 300))):
        assert torch.equal(matrix[at].to(wide), wide[at])
    assert torch.equal(matrix[1:4][:, 10:200][:, 5:70].to(wide), wide[1:4, 15:80])
    assert torch.equal(torch.stack([row.to(wide) for row in matrix]), wide)
    again = empty(InMemory(), 5, 300, form, CPU)
    again[:] = matrix
    assert torch.equal(again.to(wide), wide)
    assert torch.equal(rounded(wide, form).to(wide), wide)


@forms
def test_any_whole_blocks_can_be_written(form: str) -> None:
    numbers = torch.randn(3, 300, generator=torch.Generator().manual_seed(0))
    expected, matrix = rounded(numbers, form), rounded(numbers.flip(0), form)
    matrix[:, 64:192] = numbers[:, 64:192]
    matrix[0, 192:300] = numbers[0, 192:300]
    wide = matrix.to(numbers)
    assert torch.equal(wide[:, 64:192], expected.to(numbers)[:, 64:192])
    assert torch.equal(wide[0, 192:], expected.to(numbers)[0, 192:])
    assert torch.equal(wide[1:, 192:], rounded(numbers.flip(0), form).to(numbers)[1:, 192:])
    for part in (slice(1, 64), slice(0, 63), slice(64, 250)):
        with pytest.raises(RuntimeError, match="whole blocks of 64"):
            matrix[:, part] = numbers[:, part]


@forms
def test_long_rows_are_rounded_and_widened_piece_by_piece(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    wide = rounded(numbers, form).to(torch.float32)
    monkeypatch.setattr(packed, "PIECE", 128)
    found = rounded(numbers, form)
    assert torch.equal(found.to(torch.float64), wide.double())
    assert torch.equal(found[:, 7:999].to(wide), wide[:, 7:999])
    assert torch.equal(found[1].to(torch.bfloat16), wide[1].bfloat16())


def test_they_take_a_quarter_and_an_eighth_of_float32() -> None:
    sizes = {form: empty(InMemory(), 3, 6400, form, CPU).nbytes for form in ("float32", *BITS)}
    assert sizes["int8"] / sizes["float32"] == (1 + 2 / BLOCK) / 4
    assert sizes["int4"] / sizes["float32"] == (0.5 + 2 / BLOCK) / 4
    assert rounded(torch.ones(3, 6400), "int4")[1, :64].nbytes == 32 + 2


@forms
@pytest.mark.parametrize("method", methods.names())
def test_every_method_works_with_them(method: str, form: str, problem32: Problem) -> None:
    narrow = narrowed(problem32, form)
    found, expected = run(method, narrow), run(method, widened(narrow))
    step = float(narrow.task_vectors.deltas.scales.abs().max())  # type: ignore[union-attr]
    for task in problem32.tasks:
        ours, theirs = (steps[-1].outcome.weights_for(task) for steps in (found, expected))  # type: ignore[union-attr]
        assert_close(ours, theirs, step if method in ROUNDED else 0)


@forms
def test_combine_and_contract_follow_the_exact_formula(form: str, problem32: Problem) -> None:
    vectors, random = narrowed(problem32, form).task_vectors, torch.Generator().manual_seed(0)
    groups, tasks = len(vectors.names), len(vectors.tasks)
    rows, slope = torch.rand(groups, tasks, generator=random), torch.randn(len(vectors.origin), generator=random)
    tau, found = vectors.deltas.to(torch.float64), vectors.contract(slope, range(groups), groups)
    theta = vectors.combine(rows, range(groups))
    for at, span in enumerate(vectors.spans):
        own = vectors.origin[span].double() + rows[at].double() @ tau[:, span]
        torch.testing.assert_close(theta[span].double(), own, rtol=0, atol=rounding(torch.float32, tasks + 1) * 10)
        products = tau[:, span] * slope[span]
        limit = rounding(torch.float32, span.stop - span.start) * float(products.abs().sum(1).max())
        torch.testing.assert_close(found[at].double(), products.sum(1), rtol=0, atol=limit)


@forms
def test_parts_and_altered_experts_stay_packed(form: str, problem32: Problem) -> None:
    problem = narrowed(problem32, form)
    for tasks in (problem.tasks[1:], (problem.tasks[2], problem.tasks[0])):
        part = variant(problem, tasks)
        assert part.execution == problem.execution
        for task in tasks:
            assert_close(part.task_vectors.expert(task), problem.task_vectors.expert(task), 0)
    changed = stressed(problem, [{"kind": "weakened", "tasks": ["task0"], "by": 0.5}])
    assert changed.execution["deltas"] == form
    before, after = problem.task_vectors.deltas, changed.task_vectors.deltas
    assert torch.equal(after[1:].to(torch.float32), before[1:].to(torch.float32))
    assert torch.equal(after[0].to(torch.float32), before[0].to(torch.float32) / 2)


@forms
def test_similarity_is_that_of_the_rounded_task_vectors(form: str, problem32: Problem) -> None:
    problem = narrowed(problem32, form)
    found, expected = (similarity(one.task_vectors).overall for one in (problem, widened(problem)))
    assert torch.equal(found.cosine, expected.cosine)
    assert torch.equal(found.conflict, expected.conflict)


@forms
def test_loading_rounds_what_loading_in_float32_finds(form: str, tiny_suite: Path, problem32: Problem) -> None:
    how: dict[str, Any] = {"device": "cpu", "precision": "float32", "micro_batch": 8}
    file = find(str(tiny_suite))
    found = load(file, deltas=form, **how)
    assert found.execution["deltas"] == form
    expected = rounded(problem32.task_vectors.deltas, form).to(torch.float32)
    assert torch.equal(found.task_vectors.deltas.to(torch.float32), expected)
    mapped = load(file, deltas=form, memory="mapped", **how).task_vectors
    assert mapped.memory.mapped
    assert torch.equal(mapped.deltas.to(torch.float32), expected)


def test_a_run_in_four_bits_is_another_run_than_one_in_eight(problem32: Problem) -> None:
    method = methods.get("adamerging")
    made = [narrowed(problem32, form) for form in BITS]
    keys = {RunSpec.of(one, method, method.Settings()).key for one in (problem32, *made)}
    assert len(keys) == 3


@pytest.mark.slow
@forms
def test_a_resumed_run_ends_with_the_same_bits(form: str, tiny_suite: Path, tmp_path: Path) -> None:
    method = methods.get("adamerging")
    settings = method.Settings(steps=6, batch=4)  # type: ignore[call-arg]
    problem = load(find(str(tiny_suite)), device="cpu", precision="float32", deltas=form)
    spec = RunSpec.of(problem, method, settings, origin=str(tiny_suite))

    def stop(step: Step) -> None:
        if step.number == 3:
            raise KeyboardInterrupt

    with Store.open(tmp_path) as store:
        whole, stopped = spec.create(store), spec.create(store)
        runner.execute(store, whole, problem, spec)
        with pytest.raises(KeyboardInterrupt):
            runner.execute(store, stopped, problem, spec, on_step=stop)
        again, spec = runner.reopen(store.run(stopped))
        assert again.execution == problem.execution
        runner.execute(store, stopped, again, spec)
        assert bits(store, stopped) == bits(store, whole)
        other = load(find(str(tiny_suite)), device="cpu", precision="float32")
        with pytest.raises(BadInput, match="`deltas` as it began"):
            RunSpec.stored(store.run(whole)).require(whole, other, spec)


@pytest.mark.slow
def test_merge_holds_them_as_it_is_told_and_says_so(cli: Any, tiny_suite: Path) -> None:
    told = cli("merge", tiny_suite, *QUICK, "--memory", "int4", "--precision", "float32").out
    assert "cpu, float32, task vectors in int4" in told
    found = {held: cli("merge", tiny_suite, *QUICK, "--memory", held, "--json").data for held in ("float32", *BITS)}
    assert [one.get("deltas", "float32") for one in found.values()] == list(found)
    assert found["int4"]["coefficients"] != found["float32"]["coefficients"]
