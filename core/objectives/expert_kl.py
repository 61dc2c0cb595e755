"""KL divergence to the task's own expert: distillation without labels."""

from __future__ import annotations

from typing import Self

from torch import Tensor
from torch.nn import functional as F

from core.objectives.base import Objective, Target


class ExpertKL(Objective):
    """KL(expert ‖ merged) of the class probabilities softmax(logits / temperature)."""

    name = "expert_kl"
    title = "KL to each task's expert"
    paper = "SAMerging (2025), the distillation loss; the paper uses temperature 2, here 1 unless you set it."
    summary = "Pulls the merged model's answers towards each task's expert; the remedy where entropy can't be trusted."
    target = Target.EXPERT

    def __init__(self, temperature: float = 1.0) -> None:
        self._temperature = temperature

    def tuned(self, *, temperature: float, diversity: float) -> Self:
        """At another temperature."""
        return type(self)(temperature)

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """KL divergence of each sample from the expert's logits `[B, C]`."""
        assert target is not None
        expert, merged = ((x / self._temperature).log_softmax(-1) for x in (target, logits))
        return F.kl_div(merged, expert, reduction="none", log_target=True).sum(-1)
