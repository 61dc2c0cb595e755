"""`report.json` has exactly the documented keys, and its numbers follow from the records."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.export.report import average_ci95, build
from core.export.results import row_of
from core.export.tables import results
from core.problem.evaluate import Evaluation, Reference
from core.problem.memory import peak_memory_mb
from core.statistics import interval_of_mean
from core.store import Execution, RunRecord, StepRecord

RECORD = RunRecord(
    "0" * 12,
    "running",
    suite="tiny",
    method="adamerging",
    settings={"lr": 0.001, "steps": 4},
    seed=3,
    tasks=("a", "b"),
    steps=4,
    steps_done=4,
    seconds=2.0,
    execution=Execution("cpu", "float32"),
    groups=("g",),
    adapted_on="held-out",
    samples_seen=128,
)
STEPS = [
    StepRecord(0, {}, {}, 0.0, 0, None),
    StepRecord(1, {"a": 9.0, "b": 9.0}, {"b": 0.5, "a": 0.25}, 1.0, 64, None),
    StepRecord(2, {"a": 9.0}, {"a": 0.125}, 1.0, 64, np.array([[0.5, -0.25]], np.float32)),
]
EVALUATIONS = [Evaluation("a", 30, 40, 0.2), Evaluation("b", 10, 40, 0.4), Evaluation("unseen", 40, 40, 0.1)]
REFERENCES = {
    "a": Reference(Evaluation("a", 20, 40, 0.9), Evaluation("a", 40, 40, 0.0)),
    "b": Reference(Evaluation("b", 5, 40, 0.9), Evaluation("b", 20, 40, 0.0)),
    "unseen": Reference(Evaluation("unseen", 38, 40, 0.9), None),
}


def test_the_report_has_the_documented_keys_in_their_order() -> None:
    report = build(RECORD, STEPS, EVALUATIONS, REFERENCES, 123.5)
    assert list(report) == [
        *("mergescope", "suite", "method", "settings", "seed", "device", "precision", "tasks", "average_accuracy"),
        *("average_normalised", "steps", "seconds", "seconds_per_step", "peak_memory_mb", "entropy", "coefficients"),
        *("adapted_on", "samples_seen", "form"),
        *("average_agreement", "average_kl", "kept_step"),
    ]
    names = ["name", "accuracy", "ci95", "expert_accuracy", "base_accuracy", "normalised"]
    names += ["agreement", "kl", "watched_images", "accuracy_between", "expert_stated"]
    assert [list(task) for task in report["tasks"]] == [names] * 3
    assert list(report["coefficients"]) == ["groups", "tasks", "values"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_numbers_of_the_report_follow_from_the_records() -> None:
    report = build(RECORD, STEPS, EVALUATIONS, REFERENCES, 123.5)
    first, second, unseen = report["tasks"]
    assert (first["accuracy"], first["expert_accuracy"], first["base_accuracy"]) == (0.75, 1.0, 0.5)
    assert (first["normalised"], second["normalised"]) == (0.75, 0.5)
    assert first["ci95"][0] < 0.75 < first["ci95"][1]
    assert (unseen["accuracy"], unseen["expert_accuracy"], unseen["normalised"]) == (1.0, None, None)
    assert (report["average_accuracy"], report["average_normalised"]) == (0.5, 0.625)
    assert (report["steps"], report["seconds"], report["seconds_per_step"]) == (4, 2.0, 0.5)
    assert report["entropy"] == [[0.25, 0.5], [0.125, None]]
    assert report["coefficients"] == {"groups": ["g"], "tasks": ["a", "b"], "values": [[0.5, -0.25]]}
    assert (report["peak_memory_mb"], report["adapted_on"], report["samples_seen"]) == (123.5, "held-out", 128)


def test_tasks_without_labels_have_no_accuracy_and_spoil_no_average() -> None:
    unlabelled = [Evaluation("a", None, 40, 0.2), EVALUATIONS[1]]
    report = build(RECORD, STEPS, unlabelled, REFERENCES, 1.0)
    assert (report["tasks"][0]["accuracy"], report["tasks"][0]["ci95"]) == (None, None)
    assert (report["average_accuracy"], report["average_normalised"]) == (0.25, 0.5)
    nothing = build(RECORD, STEPS, [Evaluation("a", None, 40, 0.2)], {}, 1.0)
    assert (nothing["average_accuracy"], nothing["average_normalised"]) == (None, None)


def test_an_expert_that_knows_nothing_gives_no_ratio() -> None:
    useless = {"a": Reference(REFERENCES["a"].base, Evaluation("a", 0, 40, 1.0))}
    assert build(RECORD, [], EVALUATIONS[:1], useless, 1.0)["tasks"][0]["normalised"] is None


def test_interval_and_average_count_the_same_tasks() -> None:
    """Also a task whose expert is never right, which has no ratio, and no task that is not merged."""
    useless = {**REFERENCES, "b": Reference(REFERENCES["b"].base, Evaluation("b", 0, 40, 1.0))}
    report = build(RECORD, STEPS, EVALUATIONS, useless, 1.0)
    low, high = average_ci95(report["tasks"], RECORD.tasks) or (1, 0)
    row = row_of(replace(RECORD, report=report), RECORD.tasks)
    assert row.interval == (low, high)
    assert row.average == 0.5
    both = [Evaluation("a", 30, 40, 0.2).ci95, Evaluation("b", 10, 40, 0.4).ci95]
    assert (low, high) == interval_of_mean([0.75, 0.25], [bounds for bounds in both if bounds])
    assert results(report, RECORD.tasks).lines[-1][3:5] == ["31.2 %", "50.0 %"]


def test_a_data_free_method_counts_as_one_step_and_has_empty_histories() -> None:
    record = RunRecord("0" * 12, "running", tasks=("a",), seconds=0.5, adapted_on="nothing")
    report = build(record, STEPS[:1], EVALUATIONS[:1], REFERENCES, 1.0)
    assert (report["steps"], report["seconds_per_step"], report["entropy"]) == (0, 0.5, [])
    assert report["coefficients"] == {"groups": [], "tasks": ["a"], "values": []}


@pytest.mark.slow
def test_peak_memory_is_that_of_this_process_alone() -> None:
    ballast = np.ones(64 * 2**20 // 8)
    here = peak_memory_mb()
    file = Path(__file__).resolve().parents[2] / "core" / "problem" / "memory.py"
    script = "import runpy, sys; print(runpy.run_path(sys.argv[1])['peak_memory_mb']())"
    done = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True)
    assert ballast.sum() > 0
    assert 1 < float(done.stdout) < 60
    assert here > 64 + float(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only: there the kernel tells by itself")
def test_without_the_kernels_own_word_getrusage_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    own = peak_memory_mb()
    monkeypatch.setattr("core.problem.memory._STATUS", Path("/nowhere"))
    assert peak_memory_mb() >= 0.5 * own
