"""The trust check on a case worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from core.encoders.encoder import Encoder
from core.insight.trust import REMEDY, trust
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.tasks import Images


class Constant(Encoder):
    """An encoder whose features are the one parameter, whatever the image."""

    def __init__(self) -> None:
        self.device, self.precision = torch.device("cpu"), "float64"
        self._tick = lambda: None

    def prepare(self, images: Tensor) -> Tensor:
        return images

    def features(self, weights: Mapping[str, Tensor], prepared: Tensor) -> Tensor:
        return weights["w"].expand(len(prepared), -1)


def entropy(gap: float) -> float:
    """Of two classes whose logits differ by `gap`."""
    p = 1 / (1 + math.exp(-gap))
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def problem(experts: dict[str, float], labels: bool = True) -> Problem:
    """Logits are `[gap, 0]` for each expert and Σ λ·gap for a merged model."""
    deltas = torch.tensor([[gap, 0.0] for gap in experts.values()], dtype=torch.float64)
    vectors = TaskVectors(tuple(experts), ("w",), ((2,),), torch.zeros(2, dtype=torch.float64), deltas, {})
    images = Images(
        torch.zeros(300, 1, 1, 3, dtype=torch.uint8), torch.zeros(300, dtype=torch.int64) if labels else None
    )
    return Problem(
        suite="made",
        task_vectors=vectors,
        encoder=Constant(),
        heads=dict.fromkeys(experts, torch.eye(2, dtype=torch.float64)),
        load_images=lambda task, split: images,
        classes=dict.fromkeys(experts, ("a", "b")),
        micro_batch=50,
    )


def test_an_expert_less_sure_than_the_merged_start_is_not_trusted() -> None:
    sure, doubtful = trust(problem({"sure": 5.0, "doubtful": 0.5}))
    start = entropy(0.3 * 5.5)
    assert sure.expert_entropy == pytest.approx(entropy(5.0))
    assert doubtful.expert_entropy == pytest.approx(entropy(0.5))
    assert sure.start_entropy == doubtful.start_entropy == pytest.approx(start)
    assert (sure.trusted, sure.advice) == (True, "")
    assert not doubtful.trusted
    assert doubtful.advice.startswith("doubtful: its expert is less sure (0.66 nats)")
    assert f"({start:.2f})" in doubtful.advice
    assert REMEDY in doubtful.advice


def test_the_start_is_the_lambda_that_learning_starts_from() -> None:
    """From λ = 0 the merged model is the base, which knows nothing: everybody is surer."""
    found = trust(problem({"sure": 5.0, "doubtful": 0.5}), init=0.0)
    assert [one.start_entropy for one in found] == pytest.approx([math.log(2)] * 2)
    assert all(one.trusted for one in found)


def test_equally_sure_is_not_surer() -> None:
    (alone,) = trust(problem({"alone": 2.0}), init=1.0)
    assert not alone.trusted


def test_no_label_is_looked_at() -> None:
    experts = {"sure": 5.0, "doubtful": 0.5}
    assert trust(problem(experts, labels=False)) == trust(problem(experts))


def test_no_more_images_than_the_limit_are_used() -> None:
    pieces: list[int] = []
    given = problem({"sure": 5.0})
    trust(replace(given, tick=lambda: pieces.append(1)), limit=100)
    assert len(pieces) == 2 * 2  # Expert and start, 50 images at a time.
