"""Whether a model's confidence can be believed: expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from core.measures.base import Measure, Subject

BINS = 15
"""Guo et al. (ICML 2017), section 4."""


def expected_calibration_error(confidence: Tensor, correct: Tensor, bins: int = BINS) -> float:
    """Σ_b n_b/n · |accuracy_b − confidence_b| over equally wide bins of confidence (Guo et al., equation 3).

    `confidence` `[N]` in 0…1, `correct` bool `[N]`; a bin holds its upper edge.
    """
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(confidence.double(), edges[1:-1], right=False)
    total = 0.0
    for bin_number in range(bins):
        inside = place == bin_number
        if inside.any():
            gap = correct[inside].double().mean() - confidence[inside].double().mean()
            total += float(inside.double().mean() * gap.abs())
    return total


class CalibrationMeasure(Measure):
    """ECE and mean confidence of every task on its test images; tasks without labels are left out."""

    name = "calibration"

    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """Task -> `{"ece", "confidence", "accuracy", "bins": [[n, mean confidence, accuracy]]}`."""
        problem, found = subject.problem, {}
        for task in problem.heads:
            images = problem.split(task, "test")
            if images.labels is None:
                continue
            outcome = subject.outcome
            logits = problem.logits(outcome.weights_for(task), task, images.pixels, outcome.features(task))
            confidence, answer = logits.float().softmax(1).max(1)
            correct = answer.cpu() == images.labels
            confidence = confidence.cpu()
            found[task] = {
                "ece": expected_calibration_error(confidence, correct),
                "confidence": float(confidence.mean()),
                "accuracy": float(correct.double().mean()),
                "bins": _bins(confidence, correct),
            }
        return {"tasks": found}


def _bins(confidence: Tensor, correct: Tensor, count: int = BINS) -> list[list[float]]:
    place = (confidence.double() * count).ceil().clamp(1, count).long() - 1
    rows = []
    for number in range(count):
        inside = place == number
        size = int(inside.sum())
        if size:
            rows.append([size, float(confidence[inside].mean()), float(correct[inside].double().mean())])
    return rows
