"""Suites made worse on purpose, and how predictors of harm are judged on them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from core.errors import BadInput, UnknownName
from core.problem.problem import Problem
from core.problem.stress import KINDS, stressed
from core.problem.variants import variant
from core.runs.spec import RunSpec
from core.statistics import Half
from core.studies.foresight import PREDICTORS, Predictor
from core.studies.stress_cases import cases
from core.studies.trust import Outcome, judge
from tests.core.properties import settings

ENOUGH: dict[str, dict[str, Any]] = {
    "weakened": {"by": 0.25},
    "lengthened": {"by": 2.0},
    "noisy": {"by": 1.0},
    "trained_on": {"steps": 2},
    "corrupted": {"corruption": "gaussian_noise", "severity": 5},
    "few": {"count": 5},
    "label_shift": {"by": 0.5},
}
"""What the kinds that need more than their name are given."""
TASKS = ("task0", "task1")


def altered(problem: Problem, kind: str, *tasks: str, **values: Any) -> Problem:
    return stressed(problem, [{"kind": kind, "tasks": list(tasks or TASKS), **ENOUGH.get(kind, {}), **values}])


def everything(problem: Problem) -> list[Tensor]:
    """All that an alteration can change."""
    found = [problem.task_vectors.deltas.clone(), *(head.clone() for head in problem.heads.values())]
    for task in problem.tasks:
        for split in ("held-out", "test"):
            images = problem.split(task, split)
            assert images.labels is not None
            found += [images.pixels[torch.arange(len(images))], images.labels]
    return found


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(one.shape == other.shape and torch.equal(one, other) for one, other in zip(left, right, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_an_alteration_changes_what_it_is_told_to_and_nothing_else(kind: str, problem64: Problem) -> None:
    before = everything(problem64)
    found = altered(problem64, kind)
    assert not same(everything(found), before)
    assert same(everything(problem64), before)  # The given one stays.
    assert same(everything(altered(problem64, kind)), everything(found))
    kept = "task2"
    assert torch.equal(found.task_vectors.delta("proj")[2], problem64.task_vectors.delta("proj")[2])
    assert torch.equal(found.heads[kept], problem64.heads[kept])
    assert torch.equal(found.images(kept)[:], problem64.images(kept)[:])


def test_experts_are_changed_as_their_names_say(problem64: Problem) -> None:
    tau = problem64.task_vectors.deltas
    assert torch.allclose(altered(problem64, "weakened", by=0.25).task_vectors.deltas[0], 0.75 * tau[0])
    assert torch.allclose(altered(problem64, "lengthened", by=3.0).task_vectors.deltas[1], 3 * tau[1])
    swapped = altered(problem64, "swapped").task_vectors.deltas
    assert torch.equal(swapped[0], tau[1])
    assert torch.equal(swapped[1], tau[0])
    for kind, change in (("irrelevant", 0.0), ("noisy", 1.0)):
        noise = altered(problem64, kind).task_vectors.deltas[0] - change * tau[0]
        for span in problem64.task_vectors.spans:
            assert noise[span].norm() == pytest.approx(tau[0][span].norm())


def test_an_expert_of_another_base_answers_the_same_with_other_weights(problem64: Problem) -> None:
    found = altered(problem64, "other_base")
    pixels = problem64.images("task0")
    before, after = (one.logits(one.task_vectors.expert("task0"), "task0", pixels) for one in (problem64, found))
    assert torch.allclose(before, after, atol=1e-9)
    assert found.task_vectors.deltas[0].norm() > 3 * problem64.task_vectors.deltas[0].norm()


def test_images_to_learn_from_are_chosen_as_their_names_say(problem64: Problem) -> None:
    def labels(kind: str, **values: Any) -> list[int]:
        found = altered(problem64, kind, **values).split("task0", "held-out").labels
        assert found is not None
        return found.bincount(minlength=4).tolist()

    assert sum(labels("few", count=5)) == 5
    assert sorted(labels("one_class")) == [0, 0, 0, 6]  # The tiny suite has six of each.
    assert sorted(labels("label_shift", by=0.5)) == [1, 2, 3, 6]
    assert torch.equal(altered(problem64, "inverted").images("task0")[:], 255 - problem64.images("task0")[:])
    assert torch.equal(altered(problem64, "few").images("task0")[:], problem64.images("task0")[:])


def test_a_permuted_head_has_the_same_rows_in_other_places(problem64: Problem) -> None:
    found, head = altered(problem64, "permuted_head").heads["task0"], problem64.heads["task0"]
    assert not (found == head).all(1).any()
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, head.tolist()))


def test_what_can_not_be_done_is_said(problem64: Problem) -> None:
    with pytest.raises(UnknownName, match="alteration"):
        stressed(problem64, [{"kind": "magic"}])
    with pytest.raises(BadInput, match="among task0, task1, task2"):
        stressed(problem64, [{"kind": "inverted", "tasks": ["nobody"]}])


def test_a_run_on_an_altered_suite_is_another_run(problem64: Problem) -> None:
    from core import methods

    method, wanted = methods.get("adamerging"), settings("adamerging")
    keys = {
        RunSpec.of(variant(problem64, problem64.tasks, (), images), method, wanted).key
        for images in (None, {"stress": [{"kind": "inverted"}]}, {"stress": [{"kind": "weakened", "by": 0.5}]})
    }
    assert len(keys) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_cases_differ_and_fall_into_two_halves(count: int) -> None:
    found = cases([f"task{index}" for index in range(count)])
    assert len({case.name for case in found}) == len(found) >= 60
    sizes = [sum(case.half is half for case in found) for half in Half]
    assert min(sizes) > len(found) / 3
    for case in found:
        assert all(set(one.get("tasks", ())) <= {f"task{index}" for index in range(count)} for one in case.alterations)


def outcome(half: Half, score: float, lost: float) -> Outcome:
    accuracies = {"a": 0.9, "b": 0.9}
    return Outcome(
        f"{score}", half, accuracies, {"a": 0.9 - lost, "b": 0.91}, None, {"score": score, "seconds": {}}, frozenset()
    )


def test_a_threshold_is_chosen_on_one_half_and_counted_on_the_other() -> None:
    choosing = [outcome(Half.CHOOSING, score, lost) for score, lost in ((1, 0.0), (2, 0.02), (4, 0.05), (5, 0.2))]
    reporting = [outcome(Half.REPORTING, score, lost) for score, lost in ((1, 0.0), (3.5, 0.0), (2, 0.5), (9, 0.5))]
    found = judge(Predictor("score", lambda measured: measured["score"]), [*choosing, *reporting], Outcome.harmed)
    assert found.threshold == 3
    assert found.chosen == 1
    assert (found.sensitivity.correct, found.sensitivity.total) == (1, 2)
    assert (found.specificity.correct, found.specificity.total) == (1, 2)
    assert found.missed == ("2",)


def test_predictors_are_high_where_the_model_goes_away_from_an_expert() -> None:
    def looks(name: str, moment: float, *values: float) -> list[dict[str, Any]]:
        rows = zip("ab", values, strict=True)
        return [{"task": task, name: moment, "kl": kl, "agreement": 1 - kl, "entropy": 0.5} for task, kl in rows]

    measured = {
        "expert_entropy": {"a": 0.6, "b": 0.1}, "gradients": {"sum": 0.5, "tasks": {"a": -0.2, "b": 0.9}},
        "looks": [*looks("step", 0, 0.3, 0.4), *looks("step", 7, 0.2, 0.45)],
        "ahead": {"ahead 16 1": [*looks("share", 0, 0.3, 0.4), *looks("share", 1, 0.1, 0.5)]}, "seconds": {},
    }  # fmt: skip
    found = {one.title: one.score(measured) for one in PREDICTORS}
    assert found["an expert less confident than the start (the old rule)"] == pytest.approx(0.1)
    assert found["direction: objective and KL, summed"] == -0.5
    assert found["direction: objective and KL of the worst task"] == 0.2
    assert found["whole way in 8 steps, reach 1: KL, average"] is None
    assert found["whole way in 16 steps, reach 1: KL, worst task"] == pytest.approx(0.1)
    assert found["whole way in 16 steps, reach 1: agreement, average"] == pytest.approx(-0.05)
