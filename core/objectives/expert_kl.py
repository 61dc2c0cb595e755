"""KL divergence to the task's own expert: distillation without labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from core.objectives import Objective, ObjectiveSettings, Target
from core.settings import setting


class ExpertKLSettings(ObjectiveSettings):
    """Settings of the distillation loss."""

    temperature: float = setting(
        1.0, "Used only by the objective `expert_kl`.", source="plain KL divergence", gt=0, le=100
    )


class ExpertKL(Objective[ExpertKLSettings]):
    """KL(expert ‖ merged) of the class probabilities softmax(logits / temperature)."""

    title = "Distance to the expert's predictions"
    paper = "SAMerging (2025), the distillation loss; the paper uses temperature 2, here 1 unless you set it."
    summary = (
        "Pulls the merged model's answers towards those of each task's expert; use it where entropy can't be trusted."
    )
    target = Target.EXPERT
    Settings = ExpertKLSettings

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """KL divergence of each sample from the expert's logits `[B, C]`."""
        assert target is not None
        expert, merged = ((x / self.settings.temperature).log_softmax(-1) for x in (target, logits))
        return F.kl_div(merged, expert, reduction="none", log_target=True).sum(-1)
