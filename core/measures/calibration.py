"""Whether a model's confidence can be believed: expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.measures import Measure, Subject


class CalibrationMeasure(Measure):
    """ECE and mean confidence of every task on its test images; tasks without labels are left out."""

    looks = False

    def measure(self, subject: Subject, options: Mapping[str, Any]) -> dict[str, Any]:
        """Task -> `{"ece", "confidence", "accuracy", "bins": [[n, mean confidence, accuracy]]}`."""
        return {
            "tasks": {
                one.task: {
                    "ece": one.scores.shares["ece"],
                    "confidence": one.scores.shares["confidence"],
                    "accuracy": one.accuracy,
                    "bins": one.scores.bins,
                }
                for one in subject.evaluations
                if one.scores is not None
            }
        }
