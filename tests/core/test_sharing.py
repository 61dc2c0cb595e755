"""One merge over several processes: the same numbers as one, and no process holds more than its share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from core import objectives
from core.errors import BadInput
from core.problem.loading import load
from core.problem.problem import Problem
from core.problem.sharing.launch import started
from core.problem.sharing.share import Share, parted, whole_blocks
from core.problem.sharing.team import form_of, raw, size_of, unpacked
from core.problem.sharing.vectors import SharedVectors
from core.step import Step
from core.suite.find import find
from tests.core.properties import exact, merged, run, sure
from tests.tiny import make_suite

TASKS = 4
CLOSE = 1e-6
LEARNED: dict[str, tuple[str, dict[str, Any]]] = {
    "task-wise": ("adamerging", {"group": "task"}),
    "tensor by tensor": ("adamerging", {"group": "tensor"}),
    "a start": ("adamerging", {"start": "iso_c"}),
    "AdaMerging++": ("adamerging_pp", {}),
    "SAMerging": ("samerging", {}),
    "AdaRank": ("adarank", {}),
    "best": ("best", {}),
    "best with masks": ("best", {"masks": "on"}),
    "best of TSV-Merge's components": ("best", {"masks": "on", "components": "orthogonal", "qkv": "split"}),
}
DATA_FREE = (
    *("average", "task_arithmetic", "tsv_m", "iso_cts", "breadcrumbs", "consensus", "model_stock", "wudi", "svc"),
    *("cart", "dc_merge"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite and a home."""
    folder = tmp_path_factory.mktemp("sharing")
    return make_suite(folder, TASKS)


def loaded(place: Path, **how: Any) -> Problem:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERGESCOPE_HOME", str(place.parent / "home"))
        return load(find(str(place)), precision="float64", micro_batch=5, **how)


@pytest.fixture(scope="module")
def alone(place: Path) -> Problem:
    """One process holds all."""
    return loaded(place)


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.nightly), 4])
def shared(request: pytest.FixtureRequest, place: Path) -> Iterator[Problem]:
    """Several processes hold it together."""
    with started(request.param, "cpu") as team:
        yield loaded(place, team=team)


def moments(steps: list[Step]) -> dict[str, Tensor]:
    """What is learned and everything that the next step depends on, after the last step."""
    assert steps[-1].state is not None
    return {name: value.double() for name, value in steps[-1].state().items()}


@pytest.mark.slow
@pytest.mark.parametrize("objective", objectives.names())
def test_every_objective_is_learned_as_by_one_process(alone: Problem, shared: Problem, objective: str) -> None:
    found, expected = (
        run("adamerging", sure(problem, objective), objective=objective, steps=20, batch=5)
        for problem in (shared, alone)
    )
    assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("case", LEARNED)
def test_every_method_that_learns_does_so_as_by_one_process(alone: Problem, shared: Problem, case: str) -> None:
    method, settings = LEARNED[case]
    found, expected = (run(method, problem, **settings, steps=20, batch=5) for problem in (shared, alone))
    assert_same(found, expected)


def assert_same(found: list[Step], expected: list[Step]) -> None:
    for name, value in moments(expected).items():
        torch.testing.assert_close(moments(found)[name], value, rtol=0, atol=CLOSE, equal_nan=True)
    for one, other in zip(found, expected, strict=True):
        assert one.losses == pytest.approx(other.losses, abs=CLOSE)
        assert one.entropies == pytest.approx(other.entropies, abs=CLOSE)
    made, wanted = found[-1].outcome, expected[-1].outcome
    assert made is not None
    assert wanted is not None
    for name, weights in wanted.weights_for("task0").items():
        torch.testing.assert_close(made.weights_for("task0")[name], weights, rtol=0, atol=CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("method", DATA_FREE)
def test_data_free_methods_make_the_same_model(alone: Problem, shared: Problem, method: str) -> None:
    found, expected = (merged(method, problem, "task0") for problem in (shared, alone))
    for name, weights in expected.items():
        torch.testing.assert_close(found[name], weights, rtol=0, atol=CLOSE)


@pytest.mark.slow
def test_a_run_resumes_bit_for_bit_on_the_same_number_of_processes(shared: Problem) -> None:
    whole = run("adamerging_pp", shared, steps=6, batch=5)
    state = whole[2].state
    assert state is not None
    rest = run("adamerging_pp", shared, steps=6, batch=5, resume=state())
    assert [step.losses for step in rest] == [step.losses for step in whole[3:]]
    assert all(torch.equal(value, moments(rest)[name]) for name, value in moments(whole).items())


@pytest.mark.slow
def test_every_process_holds_whole_tensors_of_its_own_and_nothing_else(alone: Problem, shared: Problem) -> None:
    vectors = shared.task_vectors
    assert isinstance(vectors, SharedVectors)
    here, share = vectors.here, vectors.share
    assert here.deltas.shape == (TASKS, share.here.stop)
    assert here.deltas.untyped_storage().nbytes() == here.deltas.nbytes
    assert torch.equal(here.deltas, alone.task_vectors.deltas[:, share.here])
    assert [part.stop for part in share.columns][:-1] == [part.start for part in share.columns][1:]
    sizes = [part.stop - part.start for part in share.columns]
    largest = max(weights.numel() for weights in alone.task_vectors.base.values())
    assert max(sizes) <= sum(sizes) / len(sizes) + largest
    assert vectors.deltas.nbytes == alone.task_vectors.deltas.nbytes


@pytest.mark.slow
def test_experts_sums_and_some_of_the_tasks_are_those_of_one_process(alone: Problem, shared: Problem) -> None:
    found, expected = shared.task_vectors, alone.task_vectors
    for task in expected.tasks:
        assert all(torch.equal(found.expert(task)[name], value) for name, value in expected.expert(task).items())
    torch.testing.assert_close(found.total(), expected.total(), rtol=0, atol=1e-12)
    some = ("task3", "task1")
    rows = torch.tensor([[0.3, 0.9]], dtype=torch.float64)
    one, other = (vectors.part(some).combine(rows, [0] * len(vectors.names)) for vectors in (found, expected))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_what_would_read_the_whole_matrix_fails_instead_of_reading_something_else(shared: Problem) -> None:
    with pytest.raises(NotImplementedError, match="meta"):
        shared.task_vectors.delta("proj").to(shared.task_vectors.origin)
    with pytest.raises(RuntimeError, match="latest pass"):
        shared.task_vectors.contract(shared.task_vectors.origin, [0] * len(shared.task_vectors.names), 1)


@pytest.mark.slow
def test_what_nobody_uses_any_more_is_let_go_of(shared: Problem) -> None:
    vectors = shared.task_vectors
    assert isinstance(vectors, SharedVectors)
    for _ in range(3):
        run("adamerging_pp", shared, steps=1, batch=5, **exact("adamerging_pp"))
    vectors.total()
    assert len(vectors.share.kept) == 1


def test_blocks_stay_whole_but_for_the_last() -> None:
    assert whole_blocks([32, 160, 64, 30, 34, 7], 64) == [slice(0, 2), slice(2, 3), slice(3, 5), slice(5, 6)]
    assert whole_blocks([3, 5], 1) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("parts", range(1, 8))
def test_cuts_leave_no_part_empty_and_none_much_larger_than_the_others(parts: int) -> None:
    for sizes in ([5, 1, 1, 1, 1, 1, 5], [1, 1, 1, 1, 1, 1, 100], [100, 1, 1, 1, 1, 1, 1], [3] * 20):
        found = parted(sizes, parts)
        assert [at for part in found for at in range(len(sizes))[part]] == list(range(len(sizes)))
        totals = [sum(sizes[part]) for part in found]
        assert all(totals)
        assert max(totals) <= sum(sizes) / parts + max(sizes)


def test_more_processes_than_tensors_are_refused(problem64: Problem) -> None:
    vectors = problem64.task_vectors
    team: Any = SimpleNamespace(rank=0, size=len(vectors.names) + 1)
    with pytest.raises(BadInput, match=f"`--processes` should be at most {len(vectors.names)}"):
        Share(team, problem64.encoder, vectors.tasks, vectors.origin.dtype)


def test_numbers_of_any_format_come_out_of_their_bytes_as_they_went_in() -> None:
    tensors = [
        torch.arange(3, dtype=torch.uint8), torch.tensor(2.5), torch.randn(2, 3).bfloat16(), torch.tensor([True]),
        torch.randn(4, dtype=torch.float64), torch.zeros(0, 3), torch.arange(5),
    ]  # fmt: skip
    forms = [form_of(tensor) for tensor in tensors]
    assert [size_of(form) for form in forms] == [tensor.nbytes for tensor in tensors]
    found = unpacked(torch.cat([raw(tensor) for tensor in tensors]), forms)
    assert all(torch.equal(one, other) and one.dtype == other.dtype for one, other in zip(found, tensors, strict=True))
