"""The command `study`: refusals, files, recipes; `test_resume.py` kills it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.store import Store

ROOT = Path(__file__).resolve().parents[2]
Cli = Callable[..., Any]


@pytest.mark.slow
def test_unknown_names_and_odd_choices_are_refused(cli: Cli, tiny_suite: Path) -> None:
    cli("study", "nothing", tiny_suite).refused("Unknown study", "accuracy")
    cli("study", "accuracy").refused("needs a suite")
    cli("study", "accuracy", tiny_suite, "--tasks", "nothing").refused("Unknown task")
    cli("study", "accuracy", tiny_suite, "--methods", "nothing").refused("Unknown method")
    cli("study", "accuracy", tiny_suite, "--set", "nothing=1").refused("Unknown setting", "nothing")
    cli("study", "accuracy", tiny_suite, "--seeds", "-1").refused("seeds")
    cli("study", "accuracy", tiny_suite, "--from", "x.yaml").refused("leave them out")
    cli("study", "--from", "missing.yaml").refused("can't be read")
    cli("study", "data_fraction", tiny_suite, "--methods", "average").refused("at least one run")


@pytest.mark.parametrize("text", ["", "[", "a: 1", "cells: [1]", "cells: [{}]\nsuite: x\nstudy: scale"])
def test_odd_recipes_are_refused(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    cli("study", "--from", path).refused()


QUICK = ("--set", "steps=3", "--set", "batch=2")


@pytest.mark.slow
def test_a_study_is_written_in_every_format_and_its_recipe_repeats_it(
    cli: Cli, tiny_suite: Path, tmp_path: Path, home: Path
) -> None:
    command = ["study", "data_fraction", tiny_suite, "--quick", "--methods", "adamerging", *QUICK]
    told = cli(*command, "--estimate", "--json").data
    assert told["runs"] == 3
    assert told["seconds"] > 0
    answer = cli(*command, "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    assert "quick" in answer.out
    files = {path.suffix: path for path in (tmp_path / "out").iterdir()}
    assert set(files) == {".csv", ".tex", ".json", ".yaml", ".html"}
    rows = list(csv.DictReader(io.StringIO(files[".csv"].read_text("utf-8"))))
    assert {row["origin"] for row in rows} == {"measured", rows[-1]["origin"]}
    assert "not measured here" in rows[-1]["origin"]
    content = json.loads(files[".json"].read_text("utf-8"))
    assert (content["study"], content["quick"], content["runs"], content["runs_done"]) == ("data_fraction", True, 3, 3)
    recipe = yaml.safe_load(files[".yaml"].read_text("utf-8"))
    assert [cell["settings"]["steps"] for cell in recipe["cells"]] == [3, 3, 3]
    assert cli(*command, "--estimate", "--json").data["runs_done"] == 3
    assert len(cli("runs", "list", "--json").data["runs"]) == 3

    repeated = cli("study", "--from", files[".yaml"], "--json", "--runs", tmp_path / "elsewhere")
    assert repeated.status == 0, repeated.err
    assert repeated.data["tables"] == content["tables"]
    recipe["hashes"]["base"] = "0" * 64
    files[".yaml"].write_text(yaml.safe_dump(recipe))
    assert "base" in cli("study", "--from", files[".yaml"]).err


@pytest.mark.slow
def test_a_failed_run_does_not_stop_the_others(cli: Cli, suite: Path) -> None:
    # Without labels the supervised cell can't learn; the data-free ones can't be scored but run.
    answer = cli("study", "accuracy", suite, "--methods", "adamerging,average", "--set", "objective=nothing", *QUICK)
    answer.refused("objective")
    command = ["study", "accuracy", suite, "--methods", "adamerging,average", "--seeds", "0", *QUICK]
    answer = cli(*command, "--set", "lr=10", "--set", "clamp=off", "--set", "init=9", "--json")
    assert answer.status == 0
    assert {row["label"] for row in answer.data["tables"][0]["rows"]} >= {"Weight averaging"}


@pytest.mark.slow
def test_a_cell_can_be_resumed_like_any_run(cli: Cli, tiny_suite: Path, home: Path) -> None:
    command = ["study", "entropy_loss", tiny_suite, "--tasks", "task0,task2", "--seeds", "0", *QUICK]
    assert cli(*command, "--json").status == 0
    with Store.open(home / "runs") as store:
        [run] = store.runs()
        before = store.run(run.id).report
        store.set_status(run.id, "interrupted")
        assert store.artefacts(run.id) == []
    assert cli("runs", "resume", run.id, "--json").data["measured"] == (before or {})["measured"]
