"""Settings of learning λ: which images and labels they use, and which values are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from core import methods, objectives
from core.errors import BadInput, UnknownName
from core.problem.method import Need
from core.problem.problem import Problem
from core.settings import parse
from core.tasks import Images
from tests.core.properties import LEARNING, assert_same_steps, run, settings


@pytest.mark.parametrize(("fraction", "images"), [(0.001, 1), (0.25, 8), (1.0, 32)])
def test_samples_count_what_was_used(fraction: float, images: int, problem32: Problem) -> None:
    step = run("adamerging", problem32, fraction=fraction, batch=16, steps=1)[-1]
    assert step.samples == 3 * min(images, 16)


@pytest.mark.slow
def test_adapting_on_held_out_images_opens_no_test_image(problem32: Problem) -> None:
    asked = set()

    def load(task: str, split: str) -> Images | None:
        asked.add((task, split))
        return problem32.load_images(task, split)

    run("adamerging", replace(problem32, load_images=load), adapt_on="held-out")
    assert asked == {(task, "held-out") for task in problem32.tasks}


def without_labels(problem: Problem) -> Problem:
    def load(task: str, split: str) -> Images | None:
        images = problem.load_images(task, split)
        return images if images is None else Images(images.pixels, None)

    return replace(problem, load_images=load)


@pytest.mark.slow
def test_unlabelled_images_are_enough_for_label_free_objectives(problem32: Problem) -> None:
    for objective in sorted(set(objectives.names()) - {"cross_entropy"}):
        assert_same_steps(
            run("adamerging", without_labels(problem32), objective=objective),
            run("adamerging", problem32, objective=objective),
        )


def test_cross_entropy_without_labels_is_refused_by_name(problem32: Problem) -> None:
    with pytest.raises(BadInput, match=r"`cross_entropy` needs labels.*`task0`.*`test`.*entropy, expert_kl"):
        run("adamerging", without_labels(problem32), objective="cross_entropy")
    assert settings("adamerging", objective="cross_entropy").objective == "cross_entropy"  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", LEARNING)
def test_needs_follow_the_objective(method: str) -> None:
    found = methods.get(method)
    assert found.needed(settings(method)) is Need.UNLABELLED
    assert found.needed(settings(method, objective="cross_entropy")) is Need.LABELLED


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"steps": -3}, BadInput, r"`steps` of adamerging should be .*Found `steps = -3`"),
        ({"steps": 0}, BadInput, "`steps`"),
        ({"batch": 0}, BadInput, "`batch`"),
        ({"lr": 0}, BadInput, "`lr`"),
        ({"lr": "nan"}, BadInput, "`lr`"),
        ({"lr": "inf"}, BadInput, "`lr`"),
        ({"init": 11}, BadInput, "`init`"),
        ({"fraction": 0}, BadInput, "`fraction`"),
        ({"fraction": 1.01}, BadInput, "`fraction`"),
        ({"seed": -1}, BadInput, "`seed`"),
        ({"patience": -1}, BadInput, "`patience`"),
        ({"clamp": "perhaps"}, BadInput, "`clamp`"),
        ({"group": "layer"}, BadInput, r"`group`.*'task', 'block' or 'tensor'"),
        ({"adapt_on": "validation"}, BadInput, "`adapt_on`"),
        ({"objective": "hope"}, BadInput, r"`objective`.*cross_entropy, entropy, .*expert_kl.*'hope'"),
        ({"step": 5}, UnknownName, r"setting of adamerging `step`.*steps"),
    ],
)
def test_absurd_settings_are_refused_by_name(values: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        settings("adamerging", **values)
    assert "\n" not in str(caught.value)


def test_settings_are_frozen_and_read_text() -> None:
    found = parse(type(settings("adamerging")), {"lr": "1e-2", "clamp": "false", "steps": "7"}, "adamerging")
    assert (found.lr, found.clamp, found.steps) == (0.01, False, 7)  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        found.seed = 3  # type: ignore[misc]
