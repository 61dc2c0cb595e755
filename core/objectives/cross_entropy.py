"""Cross-entropy on labels: the paper's supervised reference."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from core.objectives import Objective, Target
from core.step import Need


class CrossEntropy(Objective):
    """Mean cross-entropy of the merged model's predictions against labels."""

    title = "Cross-entropy with the labels"
    paper = "AdaMerging (Yang et al., ICLR 2024), table 4 (supervised variant)."
    summary = "Uses labels: shows what label-free objectives could reach with the same λ."
    needs = Need.LABELLED
    target = Target.LABELS

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """Cross-entropy of each sample against int64 labels `[B]`."""
        assert target is not None
        return F.cross_entropy(logits, target, reduction="none")
