"""λ learned around the model of a data-free method."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core import methods
from core.errors import BadInput
from core.learning import starts
from core.problem.method import Need
from core.problem.problem import Problem
from tests.core.properties import LEARNING, assert_close, merged, run, settings


@pytest.mark.parametrize("values", [{}, {"init": 0.0}, {"init": 1.4, "clamp": True}, {"init": -0.2, "clamp": False}])
@pytest.mark.parametrize("method", LEARNING)
def test_learning_begins_at_the_start(method: str, values: dict[str, Any], problem64: Problem) -> None:
    own = {"start_scale": 1.0} if "start_scale" in methods.get(method).Settings.model_fields else {}
    first = run(method, problem64, start="ties", **values, **own)[0]
    assert first.weights is not None
    assert_close(first.weights(), merged("ties", problem64, "task0"), 1e-12)


@pytest.mark.parametrize("method", LEARNING)
def test_the_start_changes_what_is_learned(method: str, problem64: Problem) -> None:
    last, plain = (run(method, problem64, start=start)[-1] for start in ("average", "none"))
    assert last.coefficients is not None
    assert plain.coefficients is not None
    assert not torch.equal(last.coefficients.values, plain.coefficients.values)


@pytest.mark.slow
def test_task_arithmetic_is_where_adamerging_begins_anyway(problem64: Problem) -> None:
    one, other = (run("adamerging", problem64, start=start)[-1] for start in ("task_arithmetic", "none"))
    assert one.outcome is not None
    assert other.outcome is not None
    assert_close(one.outcome.weights_for("task0"), other.outcome.weights_for("task0"), 1e-10)


def test_every_method_without_data_that_makes_one_model_is_a_start() -> None:
    from core import methods

    data_free = {n for n in methods.names() if methods.get(n).needs is Need.NOTHING and methods.get(n).single}
    assert set(starts.names()) == {"none", *data_free}
    assert not {"individual", "adamerging"} & data_free


def test_another_start_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"`start` of adamerging should be one of none, .*ties.*`start = 'adamerging'`"):
        settings("adamerging", start="adamerging")


@pytest.mark.slow
def test_a_start_can_be_lengthened_to_what_the_first_batch_fits_best(problem32: Problem) -> None:
    values = {"start": "tsv_m", "objective": "expert_kl", "steps": 1, "batch": 8, "lr": 1e-3}
    losses = {
        scale: sum(run("adarank", problem32, **values, start_scale=scale)[1].losses.values()) for scale in starts.SCALES
    }
    best = min(losses, key=lambda scale: losses[scale])
    chosen = run("adarank", problem32, **values, start_scale=0)[1]
    # Step 1 measures where learning begins, on the batch that the length was chosen with.
    assert sum(chosen.losses.values()) == pytest.approx(losses[best], rel=1e-5)
    assert max(losses.values()) > losses[best] * 1.001
    assert methods.get("adarank").Settings.model_fields["start_scale"].default == 1
