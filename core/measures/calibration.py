"""Whether a model's confidence can be believed: expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from core.measures import Measure, Subject

BINS = 15
"""Guo et al. (ICML 2017), section 4."""


class CalibrationMeasure(Measure):
    """ECE and mean confidence of every task on its test images; tasks without labels are left out."""

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
            confidence = confidence.cpu().double()
            bins = _bins(confidence, correct.double())
            found[task] = {
                # Σ_b n_b/n · |accuracy_b − confidence_b| (Guo et al., equation 3).
                "ece": sum(size * abs(accuracy - mean) for size, mean, accuracy in bins) / len(confidence),
                "confidence": float(confidence.mean()),
                "accuracy": float(correct.double().mean()),
                "bins": bins,
            }
        return {"tasks": found}


def _bins(confidence: Tensor, correct: Tensor) -> list[list[float]]:
    """[size, mean confidence, accuracy] of equally wide bins of 0…1, each with its upper edge; empty ones left out."""
    place = (confidence * BINS).ceil().clamp(1, BINS)
    groups = (place == number for number in range(1, BINS + 1))
    return [[int(own.sum()), float(confidence[own].mean()), float(correct[own].mean())] for own in groups if own.any()]
