"""Warnings while a run goes on: they speak when accuracy falls with entropy, and are silent otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.statistics import Half
from core.store import EvaluationRecord, RunRecord
from dashboard.charts.caution import notices
from dashboard.charts.marks import Known

RECORD = RunRecord(
    "0" * 12, "running", tasks=("icons",), adapted_on="test", method="adamerging", settings={"objective": "entropy"}
)


def sample(step: int, accuracy: float, entropy: float, total: int = 200) -> EvaluationRecord:
    return EvaluationRecord("icons", round(accuracy * total), total, entropy, step, False)


def told(*samples: EvaluationRecord, record: RunRecord = RECORD, marks: Known | None = None) -> list[str]:
    return [notice["text"] for notice in notices(record, samples, marks or Known())]


def test_accuracy_that_falls_with_entropy_is_told_with_numbers_and_remedy() -> None:
    (text,) = told(sample(0, 0.7, 1.0), sample(50, 0.55, 0.6))
    assert "70.0 % (step 0) to 55.0 % (step 50)" in text
    assert "1.00 to 0.60 nats" in text
    assert "expert_kl" in text
    assert notices(RECORD, [sample(0, 0.7, 1.0), sample(50, 0.55, 0.6)], Known())[0]["kind"] == "falling"


def test_what_is_told_does_not_depend_on_words_in_a_task_s_name() -> None:
    record = replace(RECORD, tasks=("fellows",))
    samples = [replace(one, task="fellows") for one in (sample(0, 0.7, 1.0), sample(50, 0.55, 0.6))]
    (notice,) = notices(record, samples, Known(base={"fellows": 0.2}))
    assert notice["kind"] == "falling"


@pytest.mark.parametrize(
    "samples",
    [
        [sample(0, 0.7, 1.0), sample(50, 0.75, 0.6)],  # better
        [sample(0, 0.7, 1.0), sample(50, 0.55, 1.2)],  # worse, but the entropy says so
        [sample(0, 0.7, 1.0), sample(50, 0.685, 0.6)],  # within the noise of the sample
        [sample(0, 0.7, 1.0)],
    ],
    ids=["better", "entropy rises", "noise", "one sample"],
)
def test_silence_where_nothing_is_wrong(samples) -> None:
    assert told(*samples) == []


def test_the_best_earlier_sample_counts_not_the_first() -> None:
    assert told(sample(0, 0.5, 1.0), sample(20, 0.8, 0.8), sample(40, 0.6, 0.6))


def test_methods_that_learn_nothing_are_not_warned_about() -> None:
    record = replace(RECORD, adapted_on="nothing")
    assert told(sample(0, 0.7, 1.0), sample(50, 0.5, 0.6), record=record) == []


def test_remedy_does_not_recommend_what_is_set_already() -> None:
    record = replace(RECORD, settings={"objective": "expert_kl"})
    (text,) = told(sample(0, 0.7, 1.0), sample(50, 0.5, 0.6), record=record)
    assert "expert_kl" not in text


def look(step: int, agreeing: int, kl: float = 0.4, half: Half = Half.CHOOSING) -> EvaluationRecord:
    return EvaluationRecord("icons", None, 80, 0.5, step, False, half, agreeing=agreeing, kl=kl)


@pytest.mark.parametrize(
    ("looks", "kinds"),
    [
        ([look(0, 60), look(42, 40)], ["drifting"]),
        ([look(0, 60), look(42, 60, 0.8)], []),  # Only surer than its expert.
        ([look(0, 60), look(4, 30), look(42, 61)], []),  # It came back.
        ([look(0, 60), look(42, 57)], []),  # Within what a sample is off.
        ([look(0, 60), look(0, 20, half=Half.REPORTING)], []),  # The other half is no later step.
        ([look(0, 60)], []),
    ],
)
def test_a_model_that_moves_away_from_an_expert_is_told_without_labels(looks, kinds) -> None:
    assert [notice["kind"] for notice in notices(RECORD, [], Known(), looks)] == kinds


def test_accuracy_below_the_base_s_is_told_first() -> None:
    marks = Known(base={"icons": 0.65})
    (text,) = told(sample(0, 0.7, 1.0), sample(50, 0.55, 0.6), marks=marks)
    assert "55.0 % accurate after step 50, below the base's 65.0 %" in text
    assert told(sample(0, 0.5, 1.0), marks=marks) == []  # The start is nobody's fault.
    assert told(sample(0, 0.6, 1.0), sample(50, 0.64, 0.6), marks=marks) == []
