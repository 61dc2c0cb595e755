"""The same results on a CUDA device as on the CPU; what only a device can do wrong. Left out where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core import methods
from core.errors import Cancelled
from core.learning.coefficients import LearningSettings
from core.problem.evaluate import evaluate, evaluate_outcome
from core.problem.loading import load
from core.problem.problem import Problem
from core.runs import runner
from core.runs.model import MERGED
from core.runs.spec import RunSpec
from core.runs.whatif import save
from core.step import Step
from core.store import Edit, Store
from core.store.state import pack, unpack
from core.suite.find import find
from tests.core.properties import CONDITION, LEARNING, assert_same_steps, rounding, run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def on_cuda(tmp_path_factory: pytest.TempPathFactory, tiny_suite: Path, problem64: Problem) -> Problem:
    """The tiny suite on the device, everything in float64."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERGESCOPE_HOME", str(tmp_path_factory.mktemp("home-cuda")))
        problem = load(find(str(tiny_suite)), device="cuda", precision="float64", micro_batch=64, ahead=1)
    heads = {task: head.to(problem.device) for task, head in problem64.heads.items()}
    return replace(problem, heads=heads)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as opened:
        yield opened


@pytest.mark.parametrize("method", methods.names())
def test_a_method_makes_what_it_makes_on_the_cpu(method: str, on_cuda: Problem, problem64: Problem) -> None:
    there, here = run(method, on_cuda)[-1].outcome, run(method, problem64)[-1].outcome
    assert there is not None
    assert here is not None
    vectors = problem64.task_vectors
    for task in problem64.tasks:
        expected = vectors.flat(here.weights_for(task))
        found = on_cuda.task_vectors.flat(there.weights_for(task)).cpu()
        # As in test_golden.py: sums over all parameters, after up to four steps of learning.
        limit = rounding(torch.float64, terms=len(expected), steps=4, condition=CONDITION)
        assert (found - expected).norm() <= limit * max(1, (expected - vectors.origin).norm().item())
        mine, other = evaluate_outcome(on_cuda, there, task), evaluate_outcome(problem64, here, task)
        assert (mine.correct, mine.total) == (other.correct, other.total)
        assert mine.entropy == pytest.approx(other.entropy, abs=1e-6)


@pytest.mark.parametrize("method", LEARNING)
def test_a_stopped_method_goes_on_bit_for_bit(method: str, on_cuda: Problem) -> None:
    whole = run(method, on_cuda)
    assert_same_steps(run(method, on_cuda), whole)
    state = whole[2].state
    assert state is not None
    assert_same_steps(run(method, on_cuda, resume=unpack(*pack(state()))), whole[3:])


def test_a_run_is_cancelled_resumed_stored_and_changed(store: Store, on_cuda: Problem, problem64: Problem) -> None:
    method, settings = methods.get("adamerging"), LearningSettings(steps=4, batch=5, lr=0.05)

    def stop(step: Step) -> None:
        if step.number == 2:
            raise Cancelled("stop")

    run_id = RunSpec.of(on_cuda, method, settings).create(store)
    with pytest.raises(Cancelled):
        runner.execute(store, run_id, on_cuda, RunSpec.of(on_cuda, method, settings), on_step=stop)
    report = runner.execute(store, run_id, on_cuda, RunSpec.of(on_cuda, method, settings))
    assert store.run(run_id).execution.device == "cuda"
    assert report["steps"] == 4
    outcome = run("adamerging", problem64)[-1].outcome
    assert outcome is not None
    exported = load_file(store.artefact(run_id, MERGED))
    for name, expected in outcome.weights_for("task0").items():
        torch.testing.assert_close(exported[f"visual.{name}"].double(), expected, rtol=0, atol=1e-6)
    last = store.steps(run_id)[-1].coefficients
    assert last is not None
    changed = save(store, on_cuda, store.run(run_id), 4, np.clip(last * 0.5, 0, 1), (Edit("", "", "scale", 0.5),))
    assert store.run(changed).status == "done"


@pytest.mark.parametrize("how", [{"ahead": 5}, {"capture": True}, {"ahead": 5, "capture": True}])
@pytest.mark.parametrize("method", ["adamerging", "samerging", "adarank"])
def test_neither_reading_later_nor_a_graph_changes_a_bit(method: str, how: dict[str, Any], on_cuda: Problem) -> None:
    values = {"steps": 12, "batch": 4, "lr": 0.05, "keep_step": "last"}
    plain, problem = replace(on_cuda), replace(on_cuda, **how)
    # A recorded step counts in float64 on the device: it is compared with one that does so too.
    expected = run(method, replace(plain, capture="capture" in how), **values)
    found = run(method, problem, **values)
    assert problem.captured in ("", "yes")
    assert [one.losses for one in found] == [one.losses for one in expected]


def test_running_out_of_memory_halves_the_micro_batch(on_cuda: Problem) -> None:
    problem = replace(on_cuda, micro_batch=2**15)
    weights = problem.task_vectors.base
    pixels = problem.images("task0").repeat(2**10, 1, 1, 1)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(problem.device).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 256 * 2**20) / total)
    try:
        found = problem.logits(weights, "task0", pixels)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert problem.micro_batch < 2**15
    expected = on_cuda.logits(weights, "task0", problem.images("task0"))
    torch.testing.assert_close(found[: len(expected)], expected, rtol=0, atol=1e-9)


def test_images_lie_on_the_device_and_batches_are_those_of_the_cpu(on_cuda: Problem, problem64: Problem) -> None:
    assert on_cuda.near("task0", "test").device.type == "cuda"  # type: ignore[union-attr]  # of an array file
    assert problem64.near("task0", "test") is problem64.images("task0", "test")
    assert torch.equal(on_cuda.near("task0", "test").cpu(), problem64.images("task0", "test"))  # type: ignore[union-attr]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_evaluation_agrees_in_the_precisions_that_people_use(
    precision: str, on_cuda: Problem, problem32: Problem
) -> None:
    vectors = on_cuda.task_vectors
    plain = replace(vectors, origin=vectors.origin.float(), deltas=vectors.deltas.float())
    heads = {task: head.float() for task, head in on_cuda.heads.items()}
    problem = replace(on_cuda, task_vectors=plain, heads=heads, encoder=on_cuda.encoder.with_precision(precision))
    found = evaluate(problem, plain.base, "task0").entropy
    expected = evaluate(problem32, problem32.task_vectors.base, "task0").entropy
    assert found == pytest.approx(expected, abs=0.05 if precision == "bfloat16" else 1e-3)
