"""A run whose λ was changed by hand is a run of its own: never its method's, with its parent's cost, and told so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from core import methods
from core.errors import BadInput
from core.export.card import model_card
from core.export.coefficients import export_coefficients
from core.learning.coefficients import LearningSettings
from core.problem.method import Coefficients, Step
from core.problem.problem import Problem
from core.runs import runner
from core.runs.jobs import Jobs
from core.runs.model import MERGED
from core.runs.spec import RunSpec
from core.runs.whatif import save
from core.store import Edit, RunRecord, Store
from core.studies.engine.cells import Cell
from core.studies.engine.cost import forecast

Cli = Callable[..., Any]

METHOD, SETTINGS = methods.get("adamerging"), LearningSettings(steps=3, batch=4, lr=0.05, group="block")
EDITS = (Edit("task0", "", "set", 0.9), Edit("", "block:block 1", "scale", 0.5))
OLD = {"edits": [{"task": "task0", "where": "", "op": "set", "value": 0.9}]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs") as opened:
        yield opened


@pytest.fixture
def parent(store: Store, problem32: Problem) -> RunRecord:
    run_id = RunSpec.of(problem32, METHOD, SETTINGS, name="learned").create(store)
    runner.execute(store, run_id, problem32, RunSpec.of(problem32, METHOD, SETTINGS))
    return store.run(run_id)


def changed(store: Store, problem: Problem, parent: RunRecord, step: int = 2) -> RunRecord:
    values = store.steps(parent.id)[min(step, parent.steps_done)].coefficients
    assert values is not None
    return store.run(save(store, problem, parent, step, np.clip(values * 1.5, -1, 1), EDITS))


def by_version_before(store: Store, parent: RunRecord, step: int = 2) -> RunRecord:
    """As the version before stored it: under its parent's method, and as if it had cost nothing."""
    run_id = store.create(
        suite=parent.suite, method=parent.method, settings=parent.settings, seed=0, tasks=parent.tasks, steps=0,
        execution=parent.execution.plain() | {"what_if": {"of": parent.id, "step": step, **OLD}}, hashes=parent.hashes,
        adapted_on=parent.adapted_on, name="", origin=parent.origin,
    )  # fmt: skip
    values = torch.full((len(parent.groups), len(parent.tasks)), 0.4)
    store.record(run_id, Step(0, coefficients=Coefficients(parent.groups, parent.tasks, values)))
    report = dict(parent.report or {}) | {"seconds": 0.0, "samples_seen": parent.samples_seen}
    store.finish(run_id, report)
    return store.run(run_id)


def test_a_changed_run_is_never_taken_for_its_methods(store: Store, problem32: Problem, parent: RunRecord) -> None:
    for edited in (changed(store, problem32, parent), by_version_before(store, parent)):
        found = RunSpec.of(problem32, METHOD, SETTINGS).earlier(store)
        assert found is not None
        assert (found.id, edited.status) == (parent.id, "done")
    store.delete(parent.id)
    assert RunSpec.of(problem32, METHOD, SETTINGS).earlier(store) is None


@pytest.mark.slow
def test_a_run_that_learned_from_other_tasks_images_is_another(store: Store, problem32: Problem) -> None:
    some = replace(problem32, images_from=problem32.tasks[:1])
    run_id = RunSpec.of(some, METHOD, SETTINGS).create(store)
    runner.execute(store, run_id, some, RunSpec.of(some, METHOD, SETTINGS))
    assert RunSpec.of(problem32, METHOD, SETTINGS).earlier(store) is None
    found = RunSpec.of(some, METHOD, SETTINGS).earlier(store)
    assert found is not None
    assert found.id == run_id


@pytest.mark.slow
def test_its_cost_is_that_of_the_steps_that_led_to_it(store: Store, problem32: Problem, parent: RunRecord) -> None:
    steps = store.steps(parent.id)[:3]
    seconds, samples = sum(one.seconds for one in steps), sum(one.samples for one in steps)
    assert 0 < samples < parent.samples_seen
    edited = changed(store, problem32, parent)
    again = changed(store, problem32, edited, step=0)
    for record in (edited, again, by_version_before(store, parent)):
        assert record.samples_seen == record.report["samples_seen"] == samples  # type: ignore[index]
        assert record.seconds == record.report["seconds"] >= seconds  # type: ignore[index]
        assert next(one for one in store.runs() if one.id == record.id).seconds == record.seconds
    old = by_version_before(store, parent)
    store.delete(parent.id)
    assert store.run(edited.id).samples_seen == samples
    unknown = store.run(old.id).what_if
    assert unknown is not None
    assert unknown.seconds is None


def test_report_card_metadata_and_files_say_what_was_changed(
    store: Store, problem32: Problem, parent: RunRecord, tmp_path: Path
) -> None:
    edited = changed(store, problem32, parent)
    assert edited.what_if is not None
    assert edited.what_if.words == "task0, all layers: λ = 0.9; all tasks, block 1: λ × 0.5"
    assert edited.name == "learned, λ changed at step 2"
    assert edited.report is not None
    assert edited.report["what_if"]["of"] == parent.id
    assert "what_if" not in (parent.report or {})
    card = model_card(edited)
    assert "It was then changed by hand: this is run" in card
    assert "task0, all layers: λ = 0.9" in card
    assert "AdaMerging, λ changed by hand" in card
    assert "changed" not in model_card(parent)
    with safe_open(store.artefact(edited.id, MERGED), "pt") as file:
        assert json.loads(file.metadata()["what_if"])["step"] == 2
    with safe_open(store.artefact(parent.id, MERGED), "pt") as file:
        assert "what_if" not in file.metadata()
    export_coefficients(edited, store.steps(edited.id), tmp_path / "values.json")
    assert json.loads((tmp_path / "values.json").read_text())["what_if"]["of"] == parent.id


def test_a_changed_run_cut_short_is_not_resumed_as_its_method(store: Store, parent: RunRecord) -> None:
    what_if = {"of": parent.id, "step": 2, **OLD}
    run_id = store.create(
        suite=parent.suite, method=parent.method, settings=parent.settings, seed=0, tasks=parent.tasks, steps=0,
        execution=parent.execution.plain() | {"what_if": what_if}, hashes=parent.hashes, adapted_on="test",
    )  # fmt: skip
    store.set_status(run_id, "interrupted")
    for go_on in (lambda: runner.reopen(store.run(run_id)), lambda: Jobs(store).restart(run_id)):
        with pytest.raises(BadInput, match="λ changed by hand; it has no steps to resume"):
            go_on()


def test_estimates_of_studies_do_not_take_it_for_a_run_of_its_method(
    store: Store, problem32: Problem, parent: RunRecord
) -> None:
    cell = Cell("adamerging", SETTINGS.model_dump(mode="json"), problem32.tasks, ())
    slow = replace(parent, seconds=5000.0, steps_done=5)  # Fewer steps are no sure estimate.
    edited = replace(by_version_before(store, parent), seconds=9e9)
    assert forecast(problem32, [cell], [False], [slow]) > 2000
    assert forecast(problem32, [cell], [False], [edited, slow]) < 1e6


def test_the_command_line_lists_it_as_edited(store: Store, parent: RunRecord, problem32: Problem, cli: Cli) -> None:
    edited, folder = changed(store, problem32, parent), str(store.folder)
    store.close()
    rows = {row["id"]: row for row in cli("runs", "list", "--runs", folder, "--json").data["runs"]}
    assert rows[edited.id]["what_if"]["of"] == parent.id
    assert rows[parent.id]["what_if"] is None
    assert "adamerging, edited" in cli("runs", "list", "--runs", folder).out
    assert "block 1: λ × 0.5" in cli("runs", "show", edited.id, "--runs", folder).out
