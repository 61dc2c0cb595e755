"""Measures that need no labels are ranked against accuracy as a plain computation ranks them."""

from __future__ import annotations

import random

import pytest

from core.studies.foresight import RANKED, Model
from core.studies.foresight import ranks as table


def ranks(values: list[float]) -> list[int]:
    return [sorted(values).index(value) for value in values]


def rho(left: list[float], right: list[float]) -> float:
    """Spearman's, for values without ties."""
    n, pairs = len(left), zip(ranks(left), ranks(right), strict=True)
    return 1 - 6 * sum((a - b) ** 2 for a, b in pairs) / (n * (n * n - 1))


def made(count: int) -> list[Model]:
    draw = random.Random(3).random
    return [
        Model(
            {task: draw() for task in "ab"},
            {task: {"kl": draw(), "agreement": draw(), "entropy": draw()} for task in "ab"},
            frozenset({"odd"} if place % 2 else ()),
        )
        for place in range(count)
    ]


def test_ranks_are_spearmans() -> None:
    models = made(11)
    found = {row.label: row.values for row in table(models).rows}
    assert list(found) == ["all models", "all models, task by task", "odd", "odd, task by task"]
    for place, (name, sign) in enumerate(RANKED.values()):
        for label, chosen in (("all models", models), ("odd", models[1::2])):
            average, within = found[label][place], found[f"{label}, task by task"][place]
            assert average is not None
            assert within is not None
            accuracy = [sum(one.accuracies.values()) for one in chosen]
            measure = [sign * sum(look[name] for look in one.looks.values()) for one in chosen]
            assert average.mean == pytest.approx(rho(accuracy, measure))
            alone = [
                rho([one.accuracies[task] for one in chosen], [sign * one.looks[task][name] for one in chosen])
                for task in "ab"
            ]
            assert within.mean == pytest.approx(sum(alone) / 2)


def test_two_models_have_no_rank_correlation() -> None:
    assert table(made(2)).rows[0].values[:3] == (None, None, None)
    assert table([]).rows[0].values[:3] == (None, None, None)
