"""`--metric FILE.py:NAME`: a person's own metric stands beside the others, and one that fails spoils nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.store import Store

Cli = Callable[..., Any]
MINE = '''
import numpy as np
print("a file that speaks")
NUMBER = 3

def share(logits, labels):
    """Accuracy once more, by another way."""
    print("a metric that speaks")
    assert logits.dtype == np.float32 and labels.dtype == np.int64
    found = float((logits.argmax(1) == labels).mean())
    logits[:], labels[:] = 0, 0  # It may do with them what it likes.
    return found

def kappa(logits, labels):
    from sklearn.metrics import cohen_kappa_score
    return cohen_kappa_score(labels, logits.argmax(1))

def divides(logits, labels):
    return 1 / 0

def endless(logits, labels):
    return np.inf

def leaves(logits, labels):
    raise SystemExit("done")

def words(logits, labels):
    return "many"
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


def test_its_name_and_value_stand_beside_each_task(cli: Cli, tiny_suite: Path, mine: Path) -> None:
    given = ("--metric", f"{mine}:share", "--metric", f"{mine}:kappa")
    answer = cli("merge", tiny_suite, "--method", "average", *given, "--json")
    assert answer.status == 0
    assert "a metric that speaks" in answer.err
    for task in answer.data["tasks"]:
        assert set(task["metrics"]) == {"share", "kappa"}
        assert task["metrics"]["share"] == pytest.approx(task["accuracy"])
        assert -1 <= task["metrics"]["kappa"] <= 1
    assert answer.data["average_metrics"]["share"] == pytest.approx(answer.data["average_accuracy"])
    told = cli("evaluate", tiny_suite, *given, "--json").data
    assert [task["metrics"]["share"] for task in told["tasks"]] == [task["accuracy"] for task in told["tasks"]]


def test_one_that_fails_is_told_in_a_line_and_costs_nothing_else(cli: Cli, tiny_suite: Path, mine: Path) -> None:
    failing = ("divides", "endless", "leaves", "words")
    given = [part for name in ("share", *failing) for part in ("--metric", f"{mine}:{name}")]
    plain = cli("merge", tiny_suite, "--method", "average", "--json").data
    answer = cli("merge", tiny_suite, "--method", "average", *given, "--json")
    assert answer.status == 0
    lines = [line for line in answer.err.splitlines() if line.startswith("Metric ")]
    assert [line.split("`")[1] for line in lines] == list(failing)
    assert "task0: ZeroDivisionError: division by zero" in lines[0]
    for task, without in zip(answer.data["tasks"], plain["tasks"], strict=True):
        assert task == without | {"metrics": {"share": without["accuracy"], **dict.fromkeys(failing)}}
    assert answer.data["by_class"] == plain["by_class"]
    assert set(answer.data["failed_metrics"]) == set(failing)


def test_compare_measures_again_what_an_earlier_run_lacks(cli: Cli, tiny_suite: Path, mine: Path) -> None:
    command = ("compare", tiny_suite, "--methods", "average,pretrained", "--json")
    assert [row["reused"] for row in cli(*command).data["rows"]] == [False, False]
    given = (*command, "--metric", f"{mine}:share", "--metric", f"{mine}:divides")
    first, again = cli(*given), cli(*given)
    assert [row["reused"] for row in first.data["rows"]] == [False, False]
    assert [row["reused"] for row in again.data["rows"]] == [True, True]
    assert again.err.count("Metric `divides`") == 1
    assert "divides" not in cli(*command, "--metric", f"{mine}:share").err
    printed = cli(*(part for part in given if part != "--json")).out
    for row in again.data["rows"]:
        assert f"{row['average_metrics']['share']:.4f}" in printed
        assert row["average_metrics"]["share"] == pytest.approx(row["average_accuracy"])
        assert "by_class" not in row


def test_a_run_that_goes_on_takes_the_metric_of_its_last_command(
    cli: Cli, tiny_suite: Path, mine: Path, home: Path
) -> None:
    cli("merge", tiny_suite, "--method", "average", "--metric", f"{mine}:share")
    with Store.open(home / "runs") as store:
        [run] = store.runs()
        store.set_status(run.id, "interrupted")
    assert "metrics" not in cli("runs", "resume", run.id, "--json").data["tasks"][0]
    with Store.open(home / "runs") as store:
        store.set_status(run.id, "interrupted")
    task = cli("runs", "resume", run.id, "--metric", f"{mine}:share", "--json").data["tasks"][0]
    assert task["metrics"]["share"] == task["accuracy"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("mine", "FILE.py:NAME"),
        ("mine.py", "FILE.py:NAME"),
        ("mine.py:", "FILE.py:NAME"),
        ("mine.txt:share", "FILE.py:NAME"),
        ("mine.py:none", "it has share, "),
        ("mine.py:NUMBER", "none of that name"),
        ("missing.py:share", "which is none"),
        ("broken.py:share", "SyntaxError"),
        ("mine.py:macro_f1", "rename"),
    ],
)
def test_what_can_not_be_had_is_refused_before_anything_begins(
    cli: Cli, tiny_suite: Path, mine: Path, given: str, word: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.chdir(mine.parent)
    mine.write_text(MINE.replace('print("a file that speaks")', ""))
    (mine.parent / "broken.py").write_text("def share(:")
    cli("merge", tiny_suite, "--metric", given).refused("--metric", word)
    cli("compare", tiny_suite, "--methods", "average", "--on", "ray", "--metric", "mine.py:share").refused("--on")
    cli("merge", tiny_suite, *("--metric", "mine.py:share") * 2).refused("share", "rename")
    assert not (home / "runs").exists()
