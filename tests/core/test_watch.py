"""A learned merge keeps the step that comes closest to the experts, and measures that on images of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from core import methods
from core.learning.watch import WatchedSettings, due
from core.problem.probe import MOST, Probe
from core.problem.problem import Problem
from core.statistics import Half
from core.step import Step
from core.tasks import Images
from tests.core.properties import assert_same_steps, run, settings

WATCHED = [name for name in methods.names() if issubclass(methods.get(name).Settings, WatchedSettings)]


def enlarged(problem: Problem, copies: int) -> Problem:
    """The same problem with each image so many times, in other brightness: enough to keep some apart."""

    def load(task: str, split: str) -> Images:
        images = problem.split(task, split)
        assert isinstance(images.pixels, torch.Tensor)
        assert images.labels is not None
        pixels = torch.cat([images.pixels // (copy + 1) for copy in range(copies)])
        return Images(pixels, images.labels.repeat(copies))

    return replace(problem, load_images=load)


def kl_of(step: Step, half: Half = Half.CHOOSING) -> float:
    """Mean over tasks of what was measured."""
    values = [one.kl for one in step.watched[half] if one.kl is not None]
    return sum(values) / len(values)


@pytest.mark.parametrize("method", WATCHED)
def test_the_model_is_that_of_the_step_with_the_lowest_kl(method: str, problem64: Problem) -> None:
    chosen = settings(method, **({"steps": 9} if method == "fw_hard" else {"steps": 9, "lr": 0.3}))
    assert isinstance(chosen, WatchedSettings)
    steps, weights = [], {}
    for step in methods.get(method).steps(problem64, chosen):
        steps.append(step)
        if step.weights is not None and step.outcome is None:  # Some forget them with the next step.
            weights[step.number] = step.weights()
    looks = [step for step in steps if Half.CHOOSING in step.watched]
    assert [step.number for step in looks] == [0, 4, 7, 9]
    best = min(looks, key=kl_of)
    last = steps[-1]
    assert last.outcome is not None
    assert last.kept == best.number
    if best.number in weights:  # WEMoE's routers are no weights of one model.
        again, made = weights[best.number], last.outcome.weights_for("task0")
        assert all(torch.equal(again[name], made[name]) for name in made)
    assert kl_of(last, Half.REPORTING) == pytest.approx(
        sum(one.kl or 0 for one in Probe.of(problem64, chosen.adapt_on).evaluate(last.outcome, Half.REPORTING)) / 3
    )


def test_measures_are_those_of_a_naive_computation(problem64: Problem) -> None:
    step = run("adamerging", problem64, lr=0.2)[0]
    assert step.weights is not None
    weights, probe = step.weights(), Probe.of(problem64, "test")
    for half, start in ((Half.CHOOSING, 0), (Half.REPORTING, 1)):
        for found in step.watched[half]:
            chosen = probe.images[found.task][start::2]
            images, head = problem64.split(found.task, "test"), problem64.heads[found.task]
            merged, expert = (
                problem64.encoder.features(one, problem64.encoder.prepare(images.pixels[chosen])) @ head.T
                for one in (weights, problem64.task_vectors.expert(found.task))
            )
            p, q = expert.softmax(1), merged.softmax(1)
            assert found.kl == pytest.approx((p * (p.log() - q.log())).sum(1).mean().item(), rel=1e-9)
            assert found.agreeing == int((expert.argmax(1) == merged.argmax(1)).sum())
            assert images.labels is not None
            assert found.correct == int((merged.argmax(1) == images.labels[chosen]).sum())
            assert found.entropy == pytest.approx(-(q * q.log()).sum(1).mean().item(), rel=1e-9)


def test_no_step_draws_what_is_watched_unless_there_are_too_few(problem32: Problem) -> None:
    """32 images a task may be watched and drawn; of 96, a quarter is kept apart; never more than `MOST`."""
    for copies, apart in ((1, 0), (3, 24), (30, MOST)):
        problem = enlarged(problem32, copies)
        probe = Probe.of(problem, "test")
        assert [len(probe.apart(task)) for task in problem.tasks] == [apart] * 3
        assert probe.shared == (problem.tasks if not apart else ())
        assert all(len(set(images.tolist())) == len(images) for images in probe.images.values())
    problem = enlarged(problem32, 3)
    seen: dict[str, set[int]] = {}
    for keep in ("best", "last"):
        learner = methods.get("adamerging")._learner(problem, settings("adamerging", keep_step=keep, batch=8))  # type: ignore[attr-defined]
        drawn = {i for _ in range(40) for i in learner._batches._streams["task0"].next().tolist()}
        seen[keep] = drawn
    apart = set(Probe.of(problem, "test").apart("task0").tolist())
    assert seen["last"] == set(range(96))
    assert seen["best"] == set(range(96)) - apart


def test_the_sample_is_the_same_for_every_seed_and_method(problem32: Problem) -> None:
    one, other = (run("adamerging", problem32, seed=seed, steps=1)[0].watched for seed in (0, 7))
    assert one == other


def test_the_last_step_draws_and_learns_as_published(problem32: Problem) -> None:
    """With `keep_step=last` the steps are those of an AdaMerging that nobody watches."""
    problem = enlarged(problem32, 3)
    learner = methods.get("adamerging")._learner(problem, settings("adamerging", keep_step="last", steps=6))  # type: ignore[attr-defined]
    learner.watch = None
    for step in run("adamerging", problem, keep_step="last", steps=6)[1:]:
        assert learner.step().losses == step.losses
        learner.number += 1
        assert step.coefficients is not None
        assert torch.equal(learner.mixed().values, step.coefficients.values)
    assert step.kept == 6


@pytest.mark.parametrize("method", ["adamerging", "best", "fw_soft", "fw_hard", "wemoe"])
@pytest.mark.parametrize("stop", [1, 5, 8])
def test_a_run_that_was_stopped_keeps_the_same_step(method: str, stop: int, problem32: Problem, tmp_path: Path) -> None:
    known = methods.get(method).Settings.model_fields
    values: dict[str, Any] = {n: v for n, v in {"steps": 9, "lr": 0.3, "keep_every": 1}.items() if n in known}
    whole = run(method, problem32, **values)
    state = whole[stop].state
    assert state is not None
    save_file(dict(state()), tmp_path / "state.safetensors")
    again = run(method, problem32, resume=load_file(tmp_path / "state.safetensors"), **values)
    assert again[-1].kept == whole[-1].kept
    assert [one.watched for one in again] == [one.watched for one in whole[stop + 1 :]]
    if method != "wemoe":  # It has no λ to compare.
        assert_same_steps(again, whole[stop + 1 :])


def test_patience_ends_where_kl_has_not_fallen(problem32: Problem) -> None:
    steps = run("adamerging", problem32, steps=500, lr=0.5, patience=5)
    last = steps[-1]
    assert last.kept is not None
    assert last.number in due(500)
    assert last.number - last.kept >= 5
    assert last.number < 500
    assert last.outcome is not None


def test_where_nothing_can_be_watched_the_last_step_is_kept(problem32: Problem) -> None:
    """λ learned on other tasks' images: the merged tasks bring none."""
    part = replace(
        problem32,
        task_vectors=problem32.task_vectors.part(["task0"]),
        load_images=lambda task, split: None if task == "task0" else problem32.split(task, split),
        images_from=("task1",),
    )
    last = run("adamerging", part, steps=3)[-1]
    assert (last.kept, last.watched) == (3, {})


def test_looks_are_few_and_early() -> None:
    assert sorted(due(500)) == [0, 4, 7, 13, 23, 42, 76, 136, 245, 441, 500]
    assert due(1) == {0, 1}


def test_a_merge_that_entropy_spoils_ends_no_worse_than_it_began(problem32: Problem) -> None:
    """Heads that are sure of nothing but one class: entropy falls by naming it always, away from the experts."""
    heads = {task: 20 * F.normalize(head, dim=1) for task, head in problem32.heads.items()}
    spoiled = replace(problem32, heads=heads)
    steps = run("adamerging", spoiled, steps=40, lr=0.5, clamp=False)
    start, end, kept = kl_of(steps[0]), kl_of(steps[-1]), steps[-1].kept
    assert end > start
    assert kept is not None
    looked = {step.number: kl_of(step) for step in steps if Half.CHOOSING in step.watched}
    assert looked[kept] <= start
