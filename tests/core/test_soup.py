"""Model soups: who belongs to one task, which experts the greedy recipe keeps, and what becomes of several tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from core import methods
from core.errors import BadInput
from core.methods.soup import greedy, same_task
from core.problem.loading import load
from core.problem.method import Need
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.settings import parse
from core.suite.find import find
from core.tasks import Images
from tests.core.naive import Naive
from tests.core.properties import assert_close, merged, only, permuted, run, with_experts
from tests.tiny import make_suite


def alike(problem: Problem, *groups: str, count: int = 3) -> Problem:
    """`count` experts of unequal quality, each of the task that its group names (all of one without groups)."""
    vectors, random = problem.task_vectors, torch.Generator().manual_seed(5)
    rows = {}
    for at in range(count):
        noise = torch.randn(vectors.origin.shape, generator=random, dtype=torch.float64)
        rows[f"task{at}"] = 3 * vectors.deltas[at % 3] + 0.06 * at * noise
    task_of = dict(zip(rows, groups or ["task0"] * count, strict=True))
    return replace(
        with_experts(problem, rows),
        content=task_of,
        heads={task: problem.heads["task0"] for task in rows},
        load_images=lambda task, split: problem.found(task_of.get(task, task), split),
    )


def mean(problem: Problem, tasks: Sequence[str]) -> dict[str, torch.Tensor]:
    """The plain mean of some experts."""
    vectors = problem.task_vectors
    total = sum(vectors.deltas[vectors.tasks.index(task)] for task in tasks)
    return vectors.named(vectors.origin + total / len(tasks))


def kept(problem: Problem, **values: Any) -> dict[str, float]:
    """Expert -> its share of the soup of its task."""
    outcome = run("soup", problem, **values)[-1].outcome
    assert outcome is not None
    return {task: round(share, 9) for task, share in outcome.chosen.items()}


def test_the_uniform_soup_is_the_mean_of_all_experts(problem64: Problem) -> None:
    problem = alike(problem64)
    assert_close(merged("soup", problem, "task0", recipe="uniform"), merged("average", problem, "task0"))


def naively(problem: Problem, naive: Naive) -> list[str]:
    """Recipe 1 of the paper, with accuracies that open_clip's own encoder comes to."""
    vectors = problem.task_vectors
    images, labels = naive.images("task0", slice(None), "held-out"), naive.labels("task0", "held-out")

    def accuracy(tasks: Sequence[str]) -> float:
        theta = sum(vectors.deltas[vectors.tasks.index(task)] for task in tasks) / len(tasks) + vectors.origin
        weights = {name: theta[span].view(shape) for name, span, shape in _layout(vectors)}
        answers = naive.logits(weights, images, problem.heads["task0"]).argmax(1)
        return (answers == labels).double().mean().item()

    order = sorted(vectors.tasks, key=lambda task: (-accuracy([task]), task))
    ingredients: list[str] = []
    for task in order:
        if not ingredients or accuracy([*ingredients, task]) >= accuracy(ingredients):
            ingredients.append(task)
    return ingredients


def _layout(vectors: TaskVectors) -> list[tuple[str, slice, tuple[int, ...]]]:
    return list(zip(vectors.names, vectors.spans, vectors.shapes, strict=True))


@pytest.mark.parametrize("count", [3, 6])
def test_the_greedy_soup_keeps_what_recipe_1_keeps(count: int, problem64: Problem, naive: Naive) -> None:
    problem = alike(problem64, count=count)
    expected = naively(problem, naive)
    assert 1 <= len(expected) < count
    assert_close(merged("soup", problem, "task0", samples=10_000), mean(problem, expected))
    shares = kept(problem, samples=10_000)
    assert shares == {t: round(1 / len(expected), 9) if t in expected else 0 for t in problem.tasks}


def test_experts_are_tried_from_the_best_down_and_equals_are_kept() -> None:
    worth = {"a": 0.6, "b": 0.9, "c": 0.8, "d": 0.9, "bd": 0.9, "bcd": 0.89, "abd": 0.95}
    tried = []

    def value(experts: Sequence[str]) -> float:
        tried.append("".join(experts))
        return worth["".join(sorted(experts))]

    assert greedy("abcd", value) == ["b", "d", "a"]
    assert tried == ["a", "b", "c", "d", "bd", "bdc", "bda"]


@pytest.mark.parametrize("chosen_by", ["labels", "agreement"])
def test_a_copy_changes_nothing_but_its_weight_and_a_ruined_expert_is_left_out(
    chosen_by: str, problem64: Problem
) -> None:
    vectors = problem64.task_vectors
    good = 3 * vectors.deltas[0]
    ruined = torch.randn(good.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    copies = with_experts(problem64, {"task0": good, "task1": good, "task2": ruined})
    problem = replace(alike(problem64), task_vectors=copies.task_vectors)
    answers = problem.logits(problem.task_vectors.expert("task0"), "task0", problem.images("task0", "held-out"))
    right = Images(problem.images("task0", "held-out"), answers.argmax(1))  # Labels that the good expert knows.
    problem = replace(problem, load_images=lambda _task, split: right if split == "held-out" else None)
    assert kept(problem, chosen_by=chosen_by, samples=10_000) == {"task0": 0.5, "task1": 0.5, "task2": 0}
    found = merged("soup", problem, "task0", chosen_by=chosen_by, samples=10_000)
    assert_close(found, problem.task_vectors.expert("task0"))


def test_agreement_needs_no_labels_and_labels_say_where_they_are_missing(problem64: Problem) -> None:
    problem, method = alike(problem64), methods.get("soup")
    bare = replace(problem, load_images=lambda task, split: Images(problem.images(task, split), None))
    assert set(kept(bare, chosen_by="agreement").values()) - {0}
    with pytest.raises(BadInput, match=r"`chosen_by=labels` needs labels\. Found none for task `task0`, split `held-o"):
        run("soup", bare)
    for values, need in (
        ({}, Need.LABELLED), ({"chosen_by": "agreement"}, Need.UNLABELLED), ({"recipe": "uniform"}, Need.NOTHING)
    ):  # fmt: skip
        assert method.needed(parse(method.Settings, values, "soup")) is need
    none = replace(problem, load_images=lambda _task, _split: None)
    run("soup", none, recipe="uniform")


def test_the_images_are_those_of_the_split_and_as_many_as_asked_for(problem64: Problem) -> None:
    problem, asked = alike(problem64), []

    def load_images(task: str, split: str) -> Images | None:
        asked.append(split)
        return problem64.found("task0", split)

    watched = replace(problem, load_images=load_images)
    for split, count in (("held-out", 7), ("train", 24)):
        outcome = run("soup", watched, adapt_on=split, samples=count)[-1].outcome
        assert outcome is not None
        assert outcome.images == count
    assert set(asked) == {"held-out", "train"}


def test_soups_of_different_tasks_are_merged(problem64: Problem) -> None:
    """Two experts of one task and one of another; TSV-Merge of two task vectors, not of three."""
    problem = alike(problem64, "task0", "task0", "task1")
    assert same_task(problem) == [["task0", "task1"], ["task2"]]
    rows = problem.task_vectors.deltas
    soups = with_experts(problem, {"task0": (rows[0] + rows[1]) / 2, "task2": rows[2]})
    for other in ("tsv_m", "task_arithmetic", "average"):
        found = merged("soup", problem, "task0", recipe="uniform", merge_with=other)
        assert_close(found, merged(other, soups, "task0"))
    swapped = merged("soup", permuted(problem, [2, 1, 0]), "task0", merge_with="tsv_m")
    assert_close(swapped, merged("soup", problem, "task0", merge_with="tsv_m"))


def test_one_expert_a_task_leaves_nothing_to_choose(problem64: Problem) -> None:
    none = replace(problem64, load_images=lambda _task, _split: None)
    assert_close(merged("soup", none, "task0"), merged("average", problem64, "task0"))
    assert_close(merged("soup", only(problem64, "task1"), "task1"), problem64.task_vectors.expert("task1"))


@pytest.mark.slow
def test_entries_with_the_same_images_classes_and_head_are_one_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERGESCOPE_HOME", str(tmp_path / "home"))
    path = make_suite(tmp_path / "suite", tasks=4)
    entry = yaml.safe_load(path.read_text())
    entry["tasks"][2]["data"]["path"] = entry["tasks"][3]["data"]["path"] = "task0.npz"
    entry["tasks"][3]["classes"] = ["round", "square", "flat", "long"]
    path.write_text(yaml.safe_dump(entry))
    problem = load(find(str(path)), device="cpu", precision="float32")
    assert same_task(problem) == [["task0", "task2"], ["task1"], ["task3"]]
