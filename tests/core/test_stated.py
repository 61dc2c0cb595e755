"""An expert's accuracy from elsewhere: read from the suite file, and what follows without a single label."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadSuite
from core.export.report import build
from core.export.results import build as table
from core.export.tables import text
from core.problem.evaluate import Reference
from core.statistics import Evaluation, Half, Stated, accuracy_interval
from core.store import EvaluationRecord, Store
from core.suite.find import find
from tests.core.suite_edits import opened, said
from tests.core.test_report import RECORD, STEPS
from tests.tiny import make_suite

UNLABELLED = [Evaluation("a", None, 40, 0.2), Evaluation("b", None, 40, 0.4)]


def reported(**references: Reference) -> dict[str, Any]:
    """The report's line of task `a`, whose model agrees with the expert on 45 of 60 watched images."""
    watched = [EvaluationRecord("a", None, 60, 0.5, 4, False, half=Half.REPORTING, agreeing=45, kl=0.1)]
    found: dict[str, Any] = build(RECORD, STEPS, UNLABELLED, references, 1.0, watched=watched)["tasks"][0]
    return found


def reference(stated: Stated | None, correct: int | None = None) -> Reference:
    return Reference(Evaluation("a", None, 40, 0.9), Evaluation("a", correct, 40, 0.1), stated)


@pytest.mark.parametrize("images", [1, 50, 26032])
@pytest.mark.parametrize("accuracy", [0.0, 0.4, 0.75, 0.97, 1.0])
def test_the_interval_is_that_of_both_samples(accuracy: float, images: int) -> None:
    """Written out: [g + a − 1, 1 − |g − a|], each end 1.96 standard errors further out, cut to 0…1."""
    found = reported(a=reference(Stated(accuracy, images)))
    error = math.sqrt(0.75 * 0.25 / 60 + accuracy * (1 - accuracy) / images)
    low, high = 0.75 + accuracy - 1 - 1.959964 * error, 1 - abs(0.75 - accuracy) + 1.959964 * error
    assert found["accuracy_between"] == pytest.approx([max(low, 0), min(high, 1)], abs=1e-6)
    assert found["expert_stated"] == {"accuracy": accuracy, "images": images}
    assert found["accuracy"] is None
    assert found["expert_accuracy"] is None


def test_every_right_and_wrong_that_fits_lies_in_it() -> None:
    """All ways in which 12 answers can be right: of those that agree both are right or both wrong."""
    total = 12
    for agreeing in range(total + 1):
        for both in range(agreeing + 1):
            for expert_alone in range(total - agreeing + 1):
                for merged_alone in range(total - agreeing - expert_alone + 1):
                    low, high = accuracy_interval(agreeing / total, 10**12, (both + expert_alone) / total, 10**12)
                    assert low - 1e-5 <= (both + merged_alone) / total <= high + 1e-5


def test_a_number_of_images_that_nobody_gives_counts_as_few() -> None:
    unknown, few, many = (reported(a=reference(Stated(0.9, n)))["accuracy_between"] for n in (None, 60, 10**6))
    assert unknown == few
    assert unknown[0] < many[0]


def test_what_is_measured_on_the_same_images_goes_before_what_is_stated() -> None:
    measured = reported(a=reference(Stated(0.2, 10), correct=36))
    assert measured["accuracy_between"] == reported(a=reference(None, correct=36))["accuracy_between"]
    assert reported(a=reference(None))["accuracy_between"] is None


@pytest.mark.slow
def test_a_suite_file_may_state_it_and_need_not(tmp_path: Path) -> None:
    folder = make_suite(tmp_path).parent
    said(folder, 0, expert={"weights": "task0.safetensors", "accuracy": 0.97, "accuracy_images": 26032})
    said(folder, 1, expert={"weights": "task1.safetensors", "accuracy": 0.5})
    problem = opened(folder)
    assert problem.stated == {"task0": Stated(0.97, 26032), "task1": Stated(0.5, None)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"accuracy": 97.5}, r"line \d+.*less than or equal to 1"),
        ({"accuracy": -0.1}, r"line \d+.*greater than or equal to 0"),
        ({"accuracy": "good"}, r"line \d+.*number"),
        ({"accuracy": 0.9, "accuracy_images": 0}, r"line \d+.*greater than or equal to 1"),
        ({"accuracy_images": 100}, r"line \d+.*`accuracy` as well if it has `accuracy_images`"),
    ],
)
def test_what_is_no_share_is_refused_with_its_line(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = make_suite(tmp_path).parent
    said(folder, 0, expert={"weights": "task0.safetensors", **more})
    with pytest.raises(BadSuite, match=message):
        find(str(folder / "tiny.yaml"))


@pytest.mark.slow
def test_a_merge_without_labels_shows_the_interval_everywhere(tmp_path: Path, cli: Callable[..., Any]) -> None:
    suite = make_suite(tmp_path / "suite", labelled=False)
    said(suite.parent, 0, expert={"weights": "task0.safetensors", "accuracy": 0.9, "accuracy_images": 500})
    runs = ("--runs", tmp_path / "runs")
    answer = cli("merge", suite, "--method", "average", "--report", tmp_path / "report.json", *runs)
    assert answer.status == 0, answer.err
    report = json.loads((tmp_path / "report.json").read_text())
    first, second, _ = report["tasks"]
    low, high = first["accuracy_between"]
    assert (low, high) == accuracy_interval(first["agreement"], first["watched_images"], 0.9, 500)
    assert second["accuracy_between"] is None
    shown = f"{100 * low:.1f}–{100 * high:.1f}"
    line = next(line for line in answer.out.splitlines() if "task0" in line)
    assert shown in line
    assert "90.0 % (stated)" in line
    with Store.open(tmp_path / "runs") as store:
        found = table("tiny", store.runs(suite="tiny", status="done"), ["task0", "task1", "task2"], {})
    (row,) = csv.DictReader(io.StringIO(text(found, found.rows, "csv")))
    assert row["task0"] == ""
    assert (float(row["task0 low"]), float(row["task0 high"])) == (low, high)
    assert row["task1 low"] == ""
    assert shown in text(found, found.rows, "tex").replace("--", "–")
    compared = cli("compare", suite, "--methods", "average,task_arithmetic", *runs)
    assert shown in compared.out
