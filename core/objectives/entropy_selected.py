"""Entropy of the sure samples alone."""

from __future__ import annotations

import math

from torch import Tensor

from core.objectives import Objective
from core.objectives.entropy import entropy

SHARE = 0.4
"""Of ln C, the largest entropy that a sample may have to count (EATA, section 5)."""


class EntropySelected(Objective):
    """H(p) where H(p) < 0.4 ln C, else 0; divided by all samples of the batch, so that micro-batches are exact."""

    title = "Entropy of the more confident images"
    paper = (
        "EATA (Niu et al., ICML 2022), equation 2 without its redundancy filter and weights. The mean is over all "
        "samples; those left out count as 0."
    )
    summary = "Leaves out images that the merged model is unsure about: their entropy mostly leads the wrong way."

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        found = entropy(logits)
        return found * (found.detach() < SHARE * math.log(logits.shape[-1]))
