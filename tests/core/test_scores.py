"""What is reported beside accuracy: by hand on small cases, against scikit-learn and torchmetrics on random ones."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import measures
from core.export import tables
from core.export.card import model_card
from core.export.report import averages, details, scored
from core.methods import get
from core.problem.evaluate import evaluate, evaluate_everywhere, evaluate_outcome
from core.problem.problem import Problem
from core.problem.scores import MOST, calibration, scores
from core.progress import SILENT
from core.statistics import Evaluation, Scores
from core.step import Outcome
from core.store.records import RunRecord, summary
from core.tasks import Images


def of(logits: Tensor, labels: Tensor) -> Scores:
    return scores(logits, labels, [f"class {number}" for number in range(logits.shape[1])], {})


def random(classes: int, images: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=chance)
    logits = torch.randn(images, classes, generator=chance)
    return logits + 2 * torch.nn.functional.one_hot(labels, classes) * (torch.rand(images, 1, generator=chance)), labels


def test_a_small_confusion_matrix_by_hand() -> None:
    """Four classes: the last is in no label and no answer, the third in an answer alone."""
    labels, answers = [0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 0]
    found = of(torch.eye(4)[answers], torch.tensor(labels))
    assert found.by_class == {
        "names": ["class 0", "class 1", "class 2", "class 3"],
        "images": [3, 4, 0, 0],
        "right": [2, 1, 0, 0],
        "accuracy": [pytest.approx(2 / 3), 1 / 4, None, None],
        "f1": [pytest.approx(4 / 6), pytest.approx(2 / 6), 0, None],
        "confusions": [[1, 2, 2], [0, 1, 1], [1, 0, 1]],
        "left_out": 0,
    }
    assert found.shares["macro_accuracy"] == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert found.shares["macro_f1"] == pytest.approx((4 / 6 + 2 / 6 + 0) / 3)
    assert found.shares.get("top5_accuracy") is None
    assert json.loads(json.dumps(asdict(found), allow_nan=False)) == asdict(found)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 6, 40, 90])
def test_averages_are_those_of_scikit_learn_and_torchmetrics(classes: int) -> None:
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, top_k_accuracy_score
    from torchmetrics.functional.classification import multiclass_calibration_error

    logits, labels = random(classes, 10 * classes)
    found, answers = of(logits, labels), logits.argmax(1)
    assert found.shares["macro_accuracy"] == pytest.approx(balanced_accuracy_score(labels, answers))
    assert found.shares["macro_f1"] == pytest.approx(f1_score(labels, answers, average="macro"))
    assert found.shares["ece"] == pytest.approx(float(multiclass_calibration_error(logits, labels, classes)), abs=1e-6)
    if classes > 5:
        expected = top_k_accuracy_score(labels, logits, k=5, labels=range(classes))
        assert found.shares.get("top5_accuracy") == pytest.approx(expected)
    matrix = np.diag(found.by_class["right"])
    for label, answer, images in found.by_class["confusions"]:
        matrix[label, answer] = images
    assert (matrix == confusion_matrix(labels, answers, labels=range(classes))).all()


def test_of_equal_logits_the_first_classes_are_the_likeliest_as_for_accuracy() -> None:
    found = of(torch.zeros(8, 8), torch.arange(8))
    assert found.shares.get("top5_accuracy") == 5 / 8
    assert found.by_class["right"] == [1, *[0] * 7]
    assert found.shares["confidence"] == pytest.approx(1 / 8)


@pytest.mark.parametrize("classes", [1, 2, 4, 5, 6])
def test_top_5_is_left_out_where_all_classes_are_among_five(classes: int) -> None:
    found = of(torch.eye(classes), torch.arange(classes))
    assert (found.shares["macro_accuracy"], found.shares["macro_f1"]) == (1, 1)
    assert found.shares.get("top5_accuracy") == (1 if classes > 5 else None)


def test_bins_have_their_upper_edge() -> None:
    """Guo et al., section 4: (m - 1) / M < confidence <= m / M."""
    certain = torch.tensor([[200.0, 0], [200.0, 0], [0, 0]])
    error, confidence, bins = calibration(certain, torch.tensor([0, 1, 0]))
    assert bins == [[1, 0.5, 1.0], [2, 1.0, 0.5]]
    assert error == pytest.approx((1 * 0.5 + 2 * 0.5) / 3)
    assert confidence == pytest.approx(2.5 / 3)


@pytest.mark.slow
def test_a_thousand_classes_are_quick_and_list_the_most_frequent_confusions() -> None:
    logits, labels = random(1000, 20_000)
    logits[labels == 7, 9] = 100  # All of one class are taken for another.
    begin = time.perf_counter()
    found = of(logits, labels)
    assert time.perf_counter() - begin < 10
    seven = int((labels == 7).sum())
    assert len(found.by_class["confusions"]) == MOST
    assert found.by_class["confusions"][0] == [7, 9, seven]
    listed = sum(images for *_, images in found.by_class["confusions"])
    assert listed + found.by_class["left_out"] + sum(found.by_class["right"]) == 20_000
    assert len(json.dumps(asdict(found))) < 150_000


def test_scores_come_from_the_pass_over_the_images_that_accuracy_comes_from(
    problem32: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, asked = Problem.logits, []
    monkeypatch.setattr(Problem, "logits", lambda self, *a, **k: (asked.append(a[1]), whole(self, *a, **k))[1])
    outcome = Outcome.of(problem32.task_vectors.base)
    found = evaluate_everywhere(problem32, outcome, SILENT)
    subject = measures.Subject(problem32, get("average"), Any, outcome, (), list, (), found)  # type: ignore[arg-type]
    told = measures.get("calibration").measure(subject, {})["tasks"]
    assert asked == list(problem32.heads)
    for one in found:
        assert one.scores is not None
        assert sum(one.scores.by_class["right"]) == one.correct
        assert told[one.task]["accuracy"] == one.accuracy
        assert (told[one.task]["ece"], told[one.task]["bins"]) == (one.scores.shares["ece"], one.scores.bins)


def test_only_final_evaluations_with_labels_have_scores(problem32: Problem) -> None:
    base = problem32.task_vectors.base
    assert evaluate(problem32, base, "task0").scores is None
    unlabelled = Images(problem32.images("task0")[:], None)
    without = replace(problem32, load_images=lambda *_: unlabelled)
    assert evaluate_outcome(without, Outcome.of(base), "task0").scores is None


def test_a_report_without_scores_has_no_other_measures_and_one_with_them_has_averages() -> None:
    tasks = [{"name": "a", "macro_f1": 0.5, "ece": 0.1, "metrics": {"mine": 3.0, "failed": None}}, {"name": "b"}]
    report = {"tasks": tasks, **averages(tasks)}
    assert report == {
        "tasks": tasks,
        "average_macro_f1": 0.5,
        "average_ece": 0.1,
        "average_metrics": {"mine": 3.0, "failed": None},
    }
    grid = tables.measures(report)
    assert grid.heads == ["Task", "Macro F1", "Calibration error", "mine", "failed"]
    assert grid.lines == [
        ["a", "50.0 %", "10.0 %", "3", "–"],
        ["b", "–", "–", "–", "–"],
        ["average", "50.0 %", "10.0 %", "3", "–"],
    ]
    for old in (None, {}, {"tasks": [{"name": "a", "accuracy": 0.5}]}):
        assert tables.measures(old).lines == tables.confusions(old, {}).lines == []


def test_lists_of_runs_leave_out_what_is_long() -> None:
    found = of(torch.eye(2), torch.arange(2))
    report = details([Evaluation("a", 2, 2, 0.0, scores=found)]) | {"average_ece": found.shares["ece"]}
    assert summary(report) == {"average_ece": found.shares["ece"]}
    assert details([Evaluation("a", None, 2, 0.0)]) == {}


def test_cards_tell_the_measures_and_the_most_frequent_confusions() -> None:
    found = of(torch.eye(4)[[0, 0, 1, 1, 1]], torch.tensor([0, 1, 0, 0, 0]))
    tasks = [{"name": "a", "accuracy": 0.2, **scored(one := Evaluation("a", 1, 5, 0.0, scores=found))}]
    report = {"tasks": tasks, **averages(tasks), **details([one])}
    card = model_card(RunRecord("a" * 12, "done", method="average", tasks=("a",), report=report), {"a": "Letters"})
    assert "| Task | Macro accuracy | Macro F1 | Calibration error |" in card
    assert "| Letters | class 0 | class 1 | 3 | 4 |" in card
    report = {"tasks": [{"name": "a", "accuracy": 0.2}]}
    old = model_card(RunRecord("a" * 12, "done", method="average", tasks=("a",), report=report))
    assert "Other measures" not in old
    assert "Confusions" not in old
