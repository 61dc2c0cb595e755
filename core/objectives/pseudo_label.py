"""Cross-entropy on the answers of the task's own expert."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from core.objectives import Objective, Target


class PseudoLabel(Objective):
    """Cross-entropy against the class that the task's own expert finds most likely."""

    title = "Cross-entropy with the expert's answers"
    paper = "Pseudo-Label (Lee, ICML workshop 2013), equation 15; labels come from the expert, not the model."
    summary = (
        "Uses each expert's answer as the label: a harder target than the KL divergence, and wrong wherever the expert "
        "is wrong."
    )
    target = Target.EXPERT

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """Cross-entropy of each sample against the arg max of the expert's logits `[B, C]`."""
        assert target is not None
        return F.cross_entropy(logits, target.argmax(-1), reduction="none")
