"""KL divergence to the task's own expert: distillation without labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from core.objectives.base import Objective, Target


class ExpertKL(Objective):
    """KL(expert ‖ merged) of the predicted class probabilities."""

    name = "expert_kl"
    title = "KL to each task's expert"
    paper = "SAMerging (2025), equation of the distillation loss, at temperature 1 (the paper uses 2)."
    summary = "Pulls the merged model's answers towards each task's expert; the remedy where entropy can't be trusted."
    target = Target.EXPERT

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """KL divergence of each sample from the expert's logits `[B, C]`."""
        assert target is not None
        expert, merged = target.log_softmax(-1), logits.log_softmax(-1)
        return F.kl_div(merged, expert, reduction="none", log_target=True).sum(-1)
