"""Information maximisation: sure of each image, yet using all classes."""

from __future__ import annotations

from torch import Tensor

from core.objectives import Objective, ObjectiveSettings, Target
from core.objectives.entropy import entropy
from core.settings import setting


class InformationMaximisationSettings(ObjectiveSettings):
    """Settings of information maximisation."""

    diversity: float = setting(
        1.0, "Weight of the second term of the objective `information_maximisation`; not used by others.",
        source="SHOT (ICML 2020), equation 3", ge=0, le=10,
    )  # fmt: skip


class InformationMaximisation(Objective[InformationMaximisationSettings]):
    """H(p) + diversity · Σ_c p_c log m_c, with m the running mean of the task's predictions (fixed in each step).

    The second term's gradient is that of −H(m) at the running mean, so for diversity = 1 what is minimised is the
    negative mutual information of image and prediction. m is an exponential moving average over steps that begins
    uniform; with a fixed m each sample's loss is its own, and micro-batches stay exact.
    """

    title = "Entropy, keeping all classes in use"
    paper = (
        "RIM (Krause et al., NeurIPS 2010) and SHOT (Liang et al., ICML 2020), equation 3; a moving average replaces "
        "the batch mean, which sixteen images estimate poorly."
    )
    summary = (
        "Entropy, but keeps the model from assigning everything to one class. Lower `diversity` if the classes differ "
        "in size."
    )
    target = Target.MARGINAL
    Settings = InformationMaximisationSettings

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """Loss of each sample; the target is log m, `[B, C]`."""
        assert target is not None
        return entropy(logits) + self.settings.diversity * (logits.softmax(-1) * target).sum(-1)
