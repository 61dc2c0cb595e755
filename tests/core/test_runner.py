"""A run from its first step to its report: what stops it is noted, what was done is kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core import methods
from core.errors import BadInput, Cancelled, NonFinite
from core.learning.coefficients import LearningSettings
from core.problem.evaluate import evaluate
from core.problem.method import Method, Outcome, State, Step
from core.problem.problem import Problem
from core.runs import runner, session
from core.runs.spec import RunSpec
from core.settings import MethodSettings
from core.store import CannotWrite, Store
from tests.core.store_help import Chain, ChainSettings, start


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as store:
        yield store


@pytest.fixture
def problem(problem32: Problem) -> Problem:
    return dataclasses.replace(problem32)


def bits(store: Store, run_id: str) -> list[tuple[object, ...]]:
    """Everything of the steps that must not depend on how often the run was stopped."""
    return [
        (s.number, s.losses, s.entropies, s.samples, None if s.coefficients is None else s.coefficients.tobytes())
        for s in store.steps(run_id)
    ]


def whole(store: Store, problem: Problem, **settings: Any) -> list[tuple[object, ...]]:
    """The steps of an uninterrupted run."""
    run_id, spec = start(store, problem, **settings)
    runner.execute(store, run_id, problem, spec)
    return bits(store, run_id)


def stop_at(number: int, error: BaseException) -> Any:
    """A listener that raises at a step."""

    def listen(step: Step) -> None:
        if step.number == number:
            raise error

    return listen


def test_a_run_ends_with_its_steps_its_model_and_its_report(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem, steps=4)
    seen: list[int] = []
    report = runner.execute(store, run_id, problem, spec, on_step=lambda s: seen.append(s.number))
    found = store.run(run_id)
    assert found.status == "done"
    assert found.report == json.loads(json.dumps(report))
    assert seen == [s.number for s in store.steps(run_id)] == [0, 1, 2, 3, 4]
    assert (report["steps"], report["seconds"], report["samples_seen"]) == (4, 5 * 0.5, 12)
    assert [e.full for e in store.evaluations(run_id)] == [True] * 3
    assert [e.step for e in store.evaluations(run_id)] == [4] * 3
    merged = load_file(store.artefact(run_id, "merged.safetensors"))
    for name, tensor in problem.task_vectors.base.items():
        assert torch.equal(merged[f"visual.{name}"], tensor)


@pytest.mark.grid
@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt(), Cancelled("stop"), OSError(28, "No space left"), ZeroDivisionError()]
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(store: Store, problem: Problem, stop: BaseException) -> None:
    expected = whole(store, problem, steps=6)
    for at in (0, 1, 3, 6):
        run_id, spec = start(store, problem, steps=6)
        with pytest.raises(type(stop)):
            runner.execute(store, run_id, problem, spec, on_step=stop_at(at, stop))
        status = {"KeyboardInterrupt": "interrupted", "Cancelled": "cancelled"}.get(type(stop).__name__, "failed")
        assert store.run(run_id).status == status
        assert bits(store, run_id) == expected[: at + 1]
        runner.execute(store, run_id, problem, spec)
        assert (store.run(run_id).status, store.run(run_id).error) == ("done", None)
        assert bits(store, run_id) == expected
        assert store.run(run_id).seconds == 7 * 0.5


@pytest.mark.slow
def test_nan_stops_before_the_update_and_keeps_the_last_good_step(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem, steps=6, bad_at=4)
    with pytest.raises(NonFinite):
        runner.execute(store, run_id, problem, spec)
    found = store.run(run_id)
    assert (found.status, found.error, found.steps_done) == ("failed", "Step 4: the loss is NaN.", 3)
    assert bits(store, run_id) == whole(store, problem, steps=6)[:4]
    assert (store.last_state(run_id) or (0,))[0] == 3


class Broken(Chain):
    """Yields what it should not."""

    changes: dict[str, Any]

    def steps(self, problem: Problem, settings: MethodSettings, resume: State | None = None) -> Iterator[Step]:
        for step in super().steps(problem, settings, resume):
            yield dataclasses.replace(step, **self.changes) if step.number == 2 else step


@pytest.mark.parametrize("bad", ["loss", "entropy", "lambda"])
def test_numbers_that_are_not_finite_are_never_stored(store: Store, problem: Problem, bad: str) -> None:
    run_id, spec = start(store, problem)
    method = Broken()
    first = next(iter(Chain().steps(problem, ChainSettings())))
    assert first.coefficients is not None
    method.changes = {
        "loss": {"losses": {"task0": float("nan")}},
        "entropy": {"entropies": {"task1": float("inf")}},
        "lambda": {"coefficients": dataclasses.replace(first.coefficients, values=torch.full((1, 3), float("nan")))},
    }[bad]
    with pytest.raises(NonFinite, match="step 2"):
        runner.execute(store, run_id, problem, dataclasses.replace(spec, method=method))
    assert [s.number for s in store.steps(run_id)] == [0, 1]
    assert (store.run(run_id).status, (store.last_state(run_id) or (0,))[0]) == ("failed", 1)


@pytest.mark.slow
def test_accuracies_along_the_way_are_those_of_the_model_of_that_step(
    store: Store, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = methods.get("adamerging_pp")
    settings = method.Settings(steps=4, batch=4, lr=0.05, keep_step="last")
    spec = RunSpec.of(problem, method, settings, evaluate_every=2)
    monkeypatch.setattr(session, "SAMPLE", 20)
    run_id = spec.create(store)
    runner.execute(store, run_id, problem, spec)
    found = store.evaluations(run_id)
    assert [(e.step, e.full) for e in found] == [(0, False)] * 3 + [(2, False)] * 3 + [(4, True)] * 3
    assert {e.total for e in found if not e.full} == {20}
    # The same model, reached by a run that ends there.
    shorter = method.Settings(steps=2, batch=4, lr=0.05, keep_step="last")
    *_, last = method.steps(problem, shorter)
    assert last.outcome is not None
    for record in found:
        if record.step == 2:
            again = evaluate(problem, last.outcome.weights_for(record.task), record.task, limit=20)
            assert (again.correct, again.entropy) == (record.correct, pytest.approx(record.entropy, rel=1e-5))


@pytest.mark.slow
def test_a_run_that_is_done_is_not_resumed(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem, steps=1)
    runner.execute(store, run_id, problem, spec)
    with pytest.raises(BadInput, match="done"):
        runner.execute(store, run_id, problem, spec)
    assert store.run(run_id).status == "done"


@pytest.mark.slow
def test_a_run_goes_on_only_with_what_it_began_with(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem)
    with pytest.raises(KeyboardInterrupt):
        runner.execute(store, run_id, problem, spec, on_step=stop_at(1, KeyboardInterrupt()))
    changed = dataclasses.replace(problem, hashes={**problem.hashes, "task1": "f" * 64})
    average = RunSpec.of(problem, methods.get("average"), MethodSettings())
    for other, own, named in (
        (changed, spec, "checkpoint of task1"),
        (problem, dataclasses.replace(spec, settings=ChainSettings(seed=3)), "settings"),
        (problem, average, "method"),
    ):
        with pytest.raises(BadInput, match=named):
            runner.execute(store, run_id, other, own)
    assert bits(store, run_id) == whole(store, problem)[:2]
    runner.execute(store, run_id, problem, spec)
    assert bits(store, run_id) == whole(store, problem)


def test_threads_and_micro_batch_are_those_of_the_first_session(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem)
    stored = store.run(run_id).execution.plain()
    store.describe(run_id, execution=stored | {"threads": 2, "micro_batch": 7})
    seen: list[tuple[int, int]] = []
    before = torch.get_num_threads()
    assert before != 2

    def look(step: Step) -> None:
        seen.append((torch.get_num_threads(), problem.micro_batch))
        if step.number == 1:
            raise Cancelled("seen enough")

    with pytest.raises(Cancelled):
        runner.execute(store, run_id, problem, spec, on_step=look)
    assert seen == [(2, 7)] * 2
    assert torch.get_num_threads() == before


def test_a_halved_micro_batch_is_noted(store: Store, problem: Problem) -> None:
    run_id, spec = start(store, problem, steps=3)

    def halve(step: Step) -> None:
        problem.micro_batch = 5
        if step.number == 2:
            raise Cancelled("seen enough")

    with pytest.raises(Cancelled):
        runner.execute(store, run_id, problem, spec, on_step=halve)
    assert store.run(run_id).execution.micro_batch == 5


@pytest.mark.slow
def test_the_tick_of_a_problem_is_given_back(store: Store, problem: Problem) -> None:
    before = problem.tick
    run_id, spec = start(store, problem, steps=1)
    runner.execute(store, run_id, problem, spec)
    assert problem.tick is before


@pytest.mark.slow
def test_a_full_disk_fails_the_run_with_one_clear_line_and_it_goes_on_later(
    store: Store, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, spec = start(store, problem)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.files.os.fsync", full)
    with pytest.raises(CannotWrite, match="disk is full"):
        runner.execute(store, run_id, problem, spec)
    monkeypatch.undo()
    found = store.run(run_id)
    assert found.status == "failed"
    assert "the disk is full. Free some space" in (found.error or "")
    assert bits(store, run_id) == whole(store, problem)
    report = runner.execute(store, run_id, problem, spec)
    assert (report["steps"], report["seconds"]) == (6, 7 * 0.5)
    assert bits(store, run_id) == whole(store, problem)


@pytest.mark.parametrize(("name", "split"), [("average", "nothing"), ("adamerging", "held-out")])
def test_adapted_on_says_whose_images_were_used(problem: Problem, name: str, split: str) -> None:
    method = methods.get(name)
    given = {"adapt_on": "held-out"} if issubclass(method.Settings, LearningSettings) else {}
    assert RunSpec.of(problem, method, method.Settings(**given)).adapted_on == split


class Several(Method):
    """A model per task."""

    name, title, paper, summary, cost = "several", "Several", "", "", ""

    def steps(self, problem: Problem, settings: MethodSettings, resume: State | None = None) -> Iterator[Step]:
        yield Step(0, outcome=Outcome(problem.task_vectors.expert, single=False))


@pytest.mark.slow
def test_a_method_with_a_model_per_task_stores_no_merged_model(store: Store, problem: Problem) -> None:
    spec = RunSpec.of(problem, Several(), MethodSettings())
    run_id = spec.create(store)
    report = runner.execute(store, run_id, problem, spec)
    assert store.artefacts(run_id) == []
    assert [task["normalised"] for task in report["tasks"]] == [1.0] * 3
