"""Doubts about inputs: each is raised by a case, and not by one that only looks like it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.export.card import model_card
from core.insight.advice import advise
from core.insight.findings import findings
from core.insight.similarity import similarity
from core.problem.examine import check
from core.problem.findings import SUITE, Code, Finding, Severity, images
from core.problem.findings.answers import certain
from core.problem.variants import variant
from core.store import RunRecord
from core.suite.find import find
from tests.core.suite_edits import add, head, opened, said, text, vector, weights, write
from tests.tiny import CLASSES, make_suite

Cli = Callable[..., Any]
NFC, NFD = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def found(folder: Path) -> list[Finding]:
    """What `check` says, which is what a loaded suite says too."""
    complaints, told = check(find(str(folder / "tiny.yaml")))
    assert complaints == []
    assert findings(opened(folder)) == told
    return list(told)


def moved_base(folder: Path) -> None:
    base, generator = weights(folder, "base"), torch.Generator().manual_seed(5)
    noise = {name: 0.1 * torch.randn(x.shape, generator=generator) for name, x in base.items() if "visual." in name}
    save_file({name: x + noise.get(name, 0) for name, x in base.items()}, folder / "base.safetensors")


def relabelled(folder: Path, *, labelled: bool = True) -> None:
    """The expert of task2 calls all images otherwise than the base, whose answers are said to be right."""
    changed = vector(folder, "task2") | {"visual.proj": -2 * weights(folder, "base")["visual.proj"]}
    base = weights(folder, "base")
    save_file({name: base[name] + x for name, x in changed.items()}, folder / "task2.safetensors")
    problem = opened(folder)
    answers = problem.logits(problem.task_vectors.base, "task2", problem.images("task2")).argmax(1)
    arrays = dict(np.load(folder / "task2.npz"))
    if labelled:
        arrays["test_labels"] = answers.numpy()
    else:
        arrays = {name: array for name, array in arrays.items() if not name.endswith("_labels")}
    np.savez(folder / "task2.npz", **arrays)


def other_base(folder: Path) -> None:
    other = make_suite(folder / "other", seed=7).parent
    save_file(weights(other, "task2"), folder / "task2.safetensors")


def moved_expert(folder: Path) -> None:
    """An expert whose task vector is as long as the base and has nothing to do with it."""
    base, generator = weights(folder, "base"), torch.Generator().manual_seed(3)
    noise = {name: torch.randn(x.shape, generator=generator) * x.std() for name, x in base.items() if x.ndim > 1}
    moved = weights(folder, "task2") | {name: base[name] + x for name, x in noise.items() if name.startswith("visual.")}
    save_file(moved, folder / "task2.safetensors")


RAISED: dict[str, tuple[Callable[[Path], object], Code]] = {
    "four times as long": (lambda f: write(f, {"task2": 4}), Code.LONG_TASK_VECTOR),
    "of another base": (other_base, Code.OTHER_BASE),
    "rounded twin": (
        lambda f: save_file({n: x.bfloat16().float() for n, x in weights(f, "task0").items()}, f / "task2.safetensors"),
        Code.EQUAL_EXPERTS,
    ),
    "hardly trained": (lambda f: write(f, {"task2": 0.05}), Code.EXPERT_ANSWERS_AS_BASE),
    "turned against its labels": (relabelled, Code.EXPERT_WORSE_THAN_BASE),
    "both towers trained": (
        lambda f: add(f, text(f, 0.1)),
        Code.OWN_TEXT_TOWER,
    ),
    "one projection trained": (
        lambda f: add(f, text(f) | {"text_projection": text(f)["text_projection"] * 1.01}),
        Code.OWN_TEXT_TOWER,
    ),
    "classifier beside it": (lambda f: add(f, {"classifier.weight": torch.ones(4, 32)}), Code.DROPPED_TRAINED_HEAD),
    "authors' classifier": (
        lambda f: save_file(
            {f"image_encoder.model.{n}": x for n, x in weights(f, "task2").items()}
            | {"classification_head.weight": torch.randn(4, 16, generator=torch.Generator().manual_seed(1))},
            f / "task2.safetensors",
        ),
        Code.DROPPED_TRAINED_HEAD,
    ),
    "same name": (lambda f: said(f, classes=["red", "red", "blue", "grey"]), Code.EQUAL_CLASS_NAMES),
    "other case": (lambda f: said(f, classes=["red", "Red ", "blue", "grey"]), Code.EQUAL_CLASS_NAMES),
    "other code": (lambda f: said(f, classes=[NFC, NFD, "blue", "grey"]), Code.EQUAL_CLASS_NAMES),
    "blank": (lambda f: said(f, classes=["red", "  ", "blue", "grey"]), Code.BLANK_CLASS_NAME),
    "equal rows": (lambda f: head(f, torch.eye(16)[[0, 1, 2, 1]]), Code.EQUAL_HEAD_ROWS),
    "cut off texts": (
        lambda f: said(f, classes=[f"{'very ' * 20}{name}" for name in CLASSES]), Code.EQUAL_HEAD_ROWS),
}  # fmt: skip
CALM: dict[str, tuple[Callable[[Path], object], Code]] = {
    "twice as long": (lambda f: write(f, {"task2": 2}), Code.LONG_TASK_VECTOR),
    "as long as the base": (moved_expert, Code.OTHER_BASE),
    "related": (lambda f: write(f, {"task0": 0.6, "task2": 0.8}), Code.EQUAL_EXPERTS),
    "a quarter trained": (lambda f: write(f, {"task2": 0.4}), Code.EXPERT_ANSWERS_AS_BASE),
    "no labels": (lambda f: relabelled(f, labelled=False), Code.EXPERT_WORSE_THAN_BASE),
    "rounded text tower": (lambda f: add(f, {n: x.bfloat16() for n, x in text(f).items()}), Code.OWN_TEXT_TOWER),
    "other scale": (
        lambda f: add(f, text(f) | {"logit_scale": torch.tensor(1.0)}),
        Code.OWN_TEXT_TOWER,
    ),
    "own head asked for": (
        lambda f: (add(f, text(f, 0.1)), said(f, head="own")),
        Code.OWN_TEXT_TOWER,
    ),
    "head of other classes": (lambda f: add(f, {"classifier.weight": torch.ones(5, 32)}), Code.DROPPED_TRAINED_HEAD),
    "its zero-shot head": (
        lambda f: add(f, {"classification_head.weight": opened(f).heads["task2"].clone()}),
        Code.DROPPED_TRAINED_HEAD,
    ),
    "nearly the same name": (lambda f: said(f, classes=["red", "reds", "blue", "grey"]), Code.EQUAL_CLASS_NAMES),
    "names of a ready head": (
        lambda f: (head(f, torch.eye(16)[:4]), said(f, classes=["red", "red", "", "grey"])),
        Code.EQUAL_CLASS_NAMES,
    ),
    "longer row": (lambda f: head(f, torch.eye(16)[[0, 1, 2, 1]] * torch.arange(1, 5)[:, None]), Code.EQUAL_HEAD_ROWS),
}


@pytest.mark.grid
@pytest.mark.parametrize("case", RAISED)
def test_what_is_doubtful_is_found(case: str, folder: Path) -> None:
    change, code = RAISED[case]
    change(folder)
    told = found(folder)
    [finding] = [one for one in told if one.code is code]
    assert finding.subject == "task2"
    assert "`task2`" in finding.text
    assert finding.remedy.endswith(".")
    assert finding.severity is not Severity.NOTE


@pytest.mark.grid
@pytest.mark.parametrize("case", CALM)
def test_what_only_looks_like_it_is_not(case: str, folder: Path) -> None:
    change, code = CALM[case]
    change(folder)
    assert code not in [one.code for one in found(folder)]


@pytest.mark.slow
def test_a_sound_suite_raises_nothing(folder: Path) -> None:
    assert found(folder) == []


@pytest.mark.slow
def test_the_demo_suite_raises_nothing() -> None:
    assert check(find("demo")) == ([], ())


@pytest.mark.slow
def test_what_all_experts_share_is_another_base(folder: Path) -> None:
    moved_base(folder)
    [finding] = found(folder)
    assert (finding.code, finding.subject) == (Code.OTHER_BASE, SUITE)


@pytest.mark.parametrize(
    ("lost", "won", "expected"), [(9, 0, True), (30, 10, True), (5, 0, False), (30, 22, False), (0, 9, False)]
)
def test_an_expert_is_worse_only_by_more_than_chance(lost: int, won: int, expected: bool) -> None:
    assert certain(lost, won) is expected


def test_accuracies_on_all_images_find_what_a_sample_misses(folder: Path) -> None:
    from core.problem.evaluate import Reference
    from core.statistics import Evaluation

    def measured(base: int, expert: int) -> list[Code]:
        known = Reference(Evaluation("task0", base, 1000, 0.1), Evaluation("task0", expert, 1000, 0.1))
        return [one.code for one in findings(problem, {"task0": known})]

    problem = opened(folder)
    assert measured(600, 480) == [Code.EXPERT_WORSE_THAN_BASE]
    assert measured(600, 590) == []


@pytest.mark.slow
def test_the_worst_stand_first(folder: Path) -> None:
    write(folder, {"task1": 4}, "task1")
    said(folder, classes=["red", "red", "blue", "grey"])
    assert [one.severity for one in found(folder)] == [Severity.SEVERE, Severity.WARNING]


def test_check_and_merge_tell_of_findings_and_go_on(folder: Path, cli: Cli, tmp_path: Path) -> None:
    add(folder, text(folder, 0.1))
    answer = cli("check", folder / "tiny.yaml")
    assert (answer.status, "`head: own`" in answer.out) == (0, True)
    data = cli("check", folder / "tiny.yaml", "--json").data
    assert data["problems"] == []
    [finding] = data["findings"]
    assert (finding["code"], finding["severity"], finding["subject"]) == ("own_text_tower", "warning", "task2")
    assert finding["action"] == {"task": "task2", "set": {"head": "own"}}
    merged = cli("merge", folder / "tiny.yaml", "--method", "average", "--json", "--runs", tmp_path / "runs")
    assert merged.data["findings"] == [finding]
    assert merged.data["notes"] == [finding["text"]]
    card = model_card(RunRecord("a" * 12, "done", suite="tiny", method="average", report=merged.data))
    assert "## Findings" in card
    assert "text tower" in card.partition("## Findings")[2]


@pytest.mark.slow
def test_a_part_of_a_suite_keeps_what_is_doubtful_about_it(folder: Path) -> None:
    RAISED["rounded twin"][0](folder)
    said(folder, 1, classes=["red", "Red", "blue", "grey"])
    problem = opened(folder)
    parts = {tasks: variant(problem, tasks).findings for tasks in [("task0", "task2"), ("task1", "task2"), ("task0",)]}
    assert {tasks: [one.code for one in found] for tasks, found in parts.items()} == {
        ("task0", "task2"): [Code.EQUAL_EXPERTS],
        ("task1", "task2"): [Code.EQUAL_CLASS_NAMES],
        ("task0",): [],
    }


def test_advice_calls_nothing_calm_that_is_of_another_base(folder: Path) -> None:
    other_base(folder)
    problem = opened(folder)
    told = advise(similarity(problem.task_vectors), findings=problem.findings)
    assert told[0].kind == "doubt"
    assert "calm" not in [one.kind for one in told]


@pytest.mark.slow
def test_images_without_labels_are_a_note(tmp_path: Path) -> None:
    told = opened(make_suite(tmp_path, labelled=False).parent).findings
    assert [(one.code, one.severity, one.subject) for one in told] == [(Code.NO_LABELS, Severity.NOTE, SUITE)]


def test_where_some_tasks_have_labels_those_without_are_named() -> None:
    facts = {task: {"labelled": task == "a", "skipped": 0} for task in "abc"}
    assert [one.subject for one in images.found(facts)] == ["b", "c"]
    assert images.found({"a": facts["a"]}) == []
