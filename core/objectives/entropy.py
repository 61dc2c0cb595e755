"""Prediction entropy: AdaMerging's label-free objective."""

from __future__ import annotations

from torch import Tensor

from core.objectives import Objective, wide


def entropy(logits: Tensor) -> Tensor:
    """H(softmax(logits)) of each sample in nats: `[B, C]` -> `[B]`, in at least float32."""
    log_p = wide(logits).log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


class Entropy(Objective):
    """Mean entropy of the merged model's predictions."""

    title = "Entropy of the predictions"
    paper = "AdaMerging (Yang et al., ICLR 2024), equations 5 and 7."
    summary = "Makes the merged model confident on your unlabelled images. Works if the experts are confident."

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        return entropy(logits)
