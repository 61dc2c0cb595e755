"""Objectives against their definitions, computed with numpy in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from core import objectives
from core.errors import UnknownName
from core.objectives import Target
from core.objectives.entropy import entropy
from core.problem.method import Need
from tests.core.properties import other_than


def logits(seed: int = 0, rows: int = 6, classes: int = 5, scale: float = 3.0) -> Tensor:
    """Random float64 logits."""
    return scale * torch.randn(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def probabilities(values: Tensor) -> np.ndarray:
    """Softmax by the definition."""
    exponentials = np.exp(values.numpy() - values.numpy().max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


LABELS = torch.tensor([0, 4, 2, 1, 3, 0])


def target_of(name: str) -> Tensor | None:
    """Labels, an expert's logits, or a log-marginal that is the same for all rows."""
    marginal = logits(2)[:1].log_softmax(-1).expand(6, -1)
    targets = {Target.LABELS: LABELS, Target.EXPERT: logits(1), Target.MARGINAL: marginal}
    return targets.get(objectives.get(name).target)


def test_the_objectives_of_the_papers_are_registered() -> None:
    assert set(objectives.names()) >= {
        *("entropy", "cross_entropy", "expert_kl", "entropy_selected", "information_maximisation", "pseudo_label"),
    }


def test_an_unknown_objective_lists_those_that_exist() -> None:
    with pytest.raises(UnknownName, match=r"`kl`.*entropy.*expert_kl"):
        objectives.get("kl")


@pytest.mark.parametrize("name", objectives.names())
def test_an_objective_describes_itself(name: str) -> None:
    found = objectives.get(name)
    assert found.name == name
    assert all(text.strip() for text in (found.title, found.paper, found.summary))
    assert (found.needs is Need.LABELLED) == (found.target is Target.LABELS)


SETTINGS = [(name, one) for name in objectives.names() for one in objectives.get(name).Settings.model_fields]


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_every_setting_changes_the_value(name: str, setting: str) -> None:
    usual, target = objectives.get(name), target_of(name)
    value = other_than(getattr(usual.settings, setting), usual.Settings, setting)
    other = usual.tuned(**{setting: value})
    assert not torch.equal(other.per_sample(logits(), target), usual.per_sample(logits(), target)), (setting, value)


def test_entropy_is_its_definition() -> None:
    p = probabilities(logits())
    expected = -(p * np.log(p)).sum(1)
    np.testing.assert_allclose(objectives.get("entropy").per_sample(logits(), None), expected, rtol=1e-12)


def test_cross_entropy_is_its_definition() -> None:
    expected = -np.log(probabilities(logits())[np.arange(6), LABELS.numpy()])
    np.testing.assert_allclose(objectives.get("cross_entropy").per_sample(logits(), LABELS), expected, rtol=1e-12)


def test_expert_kl_is_kl_of_the_expert_from_the_merged_model() -> None:
    q, p = probabilities(logits(1)), probabilities(logits())
    expected = (q * np.log(q / p)).sum(1)
    np.testing.assert_allclose(objectives.get("expert_kl").per_sample(logits(), logits(1)), expected, rtol=1e-10)


def test_temperature_divides_both_sides_logits() -> None:
    tuned = objectives.get("expert_kl").tuned(temperature=2.0)
    expected = objectives.get("expert_kl").per_sample(logits() / 2, logits(1) / 2)
    torch.testing.assert_close(tuned.per_sample(logits(), logits(1)), expected, rtol=0, atol=1e-15)


def test_pseudo_label_is_cross_entropy_against_the_experts_answer() -> None:
    p, answers = probabilities(logits()), probabilities(logits(1)).argmax(1)
    found = objectives.get("pseudo_label").per_sample(logits(), logits(1))
    np.testing.assert_allclose(found, -np.log(p[np.arange(6), answers]), rtol=1e-12)


def test_entropy_selected_counts_the_sure_samples_alone() -> None:
    scales = torch.tensor([0.0, 0.1, 1.0, 3.0, 10.0, 100.0]).double()[:, None]
    values = logits(scale=1.0) * scales
    p = probabilities(values)
    h = -(p * np.log(np.maximum(p, 1e-300))).sum(1)
    expected = np.where(h < 0.4 * np.log(5), h, 0)
    assert 0 < np.count_nonzero(expected) < 6
    np.testing.assert_allclose(objectives.get("entropy_selected").per_sample(values, None), expected, atol=1e-12)


@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0])
def test_information_maximisation_has_the_gradient_of_entropy_less_the_marginals_entropy(diversity: float) -> None:
    """With m the batch's own mean p, its gradient is that of mean H(p) − diversity · H(m), which uses every class."""
    values = logits().requires_grad_()
    p = values.softmax(-1)
    target = p.mean(0).log().detach().expand(6, -1)
    tuned = objectives.get("information_maximisation").tuned(diversity=diversity)
    found = torch.autograd.grad(tuned.per_sample(values, target).mean(), values)[0]
    m = p.mean(0)
    whole = -(p * p.log()).sum(1).mean() + diversity * (m * m.log()).sum()
    torch.testing.assert_close(found, torch.autograd.grad(whole, values)[0], rtol=0, atol=1e-14)


def test_expert_kl_of_the_expert_itself_is_zero_and_elsewhere_positive() -> None:
    kl = objectives.get("expert_kl")
    assert kl.per_sample(logits(1), logits(1)).abs().max() < 1e-15
    assert (kl.per_sample(logits(), logits(1)) > 0).all()


def test_entropy_lies_between_zero_and_the_logarithm_of_the_classes() -> None:
    assert entropy(torch.zeros(1, 7)).item() == pytest.approx(math.log(7))
    assert entropy(torch.tensor([[1e4, 0.0, 0.0]])).item() == 0


@pytest.mark.parametrize("name", objectives.names())
def test_extreme_logits_give_finite_losses_and_gradients(name: str) -> None:
    values = torch.tensor([[1e4, -1e4, 0, 5, 5]] * 6, dtype=torch.float32, requires_grad=True)
    target = target_of(name)
    loss = objectives.get(name).per_sample(
        values, target.float() if target is not None and target.is_floating_point() else target
    )
    loss.sum().backward()
    assert loss.isfinite().all()
    assert values.grad is not None
    assert values.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_entropy_of_narrow_logits_is_computed_in_float32(dtype: torch.dtype) -> None:
    narrow = logits().to(dtype)
    assert entropy(narrow).dtype == torch.float32
    torch.testing.assert_close(entropy(narrow).double(), entropy(narrow.double()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", objectives.names())
def test_narrow_logits_are_widened_and_a_task_of_one_class_is_no_error(name: str) -> None:
    target, objective = target_of(name), objectives.get(name)
    if target is not None:
        target = target.float() if target.is_floating_point() else target
    narrow = logits().bfloat16()
    assert objective(narrow, target).dtype == torch.float32
    torch.testing.assert_close(objective(narrow, target), objective(narrow.float(), target), rtol=0, atol=0)
    if target is not None:
        target = target[..., :1] if target.is_floating_point() else torch.zeros_like(target)
    one = torch.randn(6, 1, requires_grad=True)
    loss = objective(one, target)
    assert loss.shape == (6,)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert one.grad is not None
    assert one.grad.isfinite().all()


@pytest.mark.parametrize("name", objectives.names())
def test_a_value_a_sample_and_no_more(name: str) -> None:
    """Each sample's loss must not depend on its neighbours, or micro-batches would change it."""
    objective, target = objectives.get(name), target_of(name)
    whole = objective.per_sample(logits(), target)
    assert whole.shape == (6,)
    for row in range(6):
        own = None if target is None else target[row : row + 1]
        assert torch.equal(objective.per_sample(logits()[row : row + 1], own), whole[row : row + 1])


@pytest.mark.parametrize("name", objectives.names())
def test_gradients_equal_finite_differences(name: str) -> None:
    target = target_of(name)
    assert torch.autograd.gradcheck(
        lambda values: objectives.get(name).per_sample(values, target), logits().requires_grad_()
    )
