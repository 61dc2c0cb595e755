"""What a method is in a comparison is declared by the method, and nothing else decides it by names."""

from __future__ import annotations

import pytest

from core import methods
from core.problem.method import Role
from core.store import EvaluationRecord, RunRecord
from core.studies import guide
from dashboard import wording
from dashboard.charts.marks import Known, own
from tests.dashboard.compared import record, table


def test_one_method_is_the_base_one_the_experts_and_most_merge() -> None:
    assert methods.of_role(Role.LOWER, Role.UPPER) == ("pretrained", "individual")
    assert set(methods.names()) - set(methods.of_role(Role.RIVAL)) == {
        "pretrained", "individual", "multi_task", "distillation",
    }  # fmt: skip


@pytest.fixture
def average_as_the_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods.get("average"), "role", Role.UPPER)


@pytest.mark.usefixtures("average_as_the_experts")
def test_menu_guide_and_table_follow_the_declaration() -> None:
    assert wording.family(methods.get("average")) == "yardsticks"
    cards = guide.entries({})
    assert {card.name: card.group for card in cards}["average"] == "references"
    alone = next(line for line in guide.decisions(cards) if line.have == "Checkpoints only")
    assert "Weight averaging" not in alone.use
    ids = [row.id for row in table(record("a" * 12, [0.9, 0.5, 0.7], method="average")).rows]
    assert ids == ["a" * 12, "base"]


@pytest.mark.parametrize(
    ("method", "settings", "known"),
    [
        ("adamerging", {"start": "none", "init": 0.3}, True),
        ("adamerging", {"init": 0.3}, True),
        ("adamerging", {"start": "none", "init": 0.5}, False),
        ("adamerging", {"start": "ties", "init": 0.3}, False),
        ("adamerging_pp", {"init": 0.3}, False),
        ("of another version", {"init": 0.3}, False),
    ],
)
def test_only_a_start_that_is_task_arithmetic_is_marked_as_such(method: str, settings: dict, known: bool) -> None:
    run = RunRecord("0" * 12, "running", tasks=("icons",), method=method, settings=settings, steps=5)
    start = EvaluationRecord("icons", 70, 100, 0.5, 0, False)
    assert own(run, [start]).sample == Known(task_arithmetic={"icons": 0.7} if known else {})
