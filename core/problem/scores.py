"""What people report beside accuracy, from the logits that the final evaluation has anyway."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor

from core.statistics import Scores, mean

Metric = Callable[[Any, Any], Any]
"""A person's own: NumPy arrays of logits, float32 `[N, classes]`, and labels, int64 `[N]`, to a number."""
BINS = 15
"""Guo et al. (ICML 2017), section 4."""
TOP = 5
MOST = 1000
"""Confusions of a task that are listed: a thousand classes could have a million."""


def scores(logits: Tensor, labels: Tensor, classes: Sequence[str], metrics: Mapping[str, Metric]) -> Scores:
    """Those of logits `[N, classes]` on the CPU and labels `[N]`, N > 0, and of a person's own metrics by name."""
    found = by_class(logits.argmax(1), labels, classes)
    ece, confidence, bins = calibration(logits, labels)
    shares = {"macro_accuracy": mean(found["accuracy"]) or 0.0, "macro_f1": mean(found["f1"]) or 0.0}
    shares |= {"top5_accuracy": _top(logits, labels)} if len(classes) > TOP else {}
    values, failed = _own(metrics, logits, labels)
    return Scores(shares | {"ece": ece, "confidence": confidence}, found, bins, values, failed)


def by_class(answers: Tensor, labels: Tensor, classes: Sequence[str]) -> dict[str, Any]:
    """The confusion matrix and what follows from it, a value per class.

    `images` and `right` count those of a class. `accuracy` is None for a class without images, `f1` for one that is
    never an answer either. `confusions` are `[class, answer, images]` off the diagonal, by their numbers in `classes`,
    the most frequent first, `MOST` at most; `left_out` counts the images of all others.
    """
    from sklearn.metrics import precision_recall_fscore_support  # Takes a second, which only evaluations wait for.

    known, wrong = range(len(classes)), answers != labels
    given = labels.numpy(), answers.numpy()
    _, recall, f1, images = precision_recall_fscore_support(*given, labels=known, zero_division=0)
    met = (images > 0) | torch.bincount(answers, minlength=len(classes)).gt(0).numpy()
    pairs, counts = torch.unique(labels[wrong] * len(classes) + answers[wrong], return_counts=True)
    order = counts.argsort(descending=True, stable=True)[:MOST]
    listed = zip(pairs[order].tolist(), counts[order].tolist(), strict=True)
    return {
        "names": list(classes),
        "images": images.tolist(),
        "right": torch.bincount(labels[~wrong], minlength=len(classes)).tolist(),
        "accuracy": [value if count else None for value, count in zip(recall.tolist(), images, strict=True)],
        "f1": [value if some else None for value, some in zip(f1.tolist(), met, strict=True)],
        "confusions": [[*divmod(pair, len(classes)), count] for pair, count in listed],
        "left_out": int(counts.sum() - counts[order].sum()),
    }


def calibration(logits: Tensor, labels: Tensor) -> tuple[float, float, list[list[float]]]:
    """Expected calibration error, mean confidence, and `[images, mean confidence, accuracy]` of equally wide bins of
    0…1, each with its upper edge; empty ones are left out."""
    confidence, answers = logits.float().softmax(1).max(1)
    confidence, right = confidence.double(), (answers == labels).double()
    place = (confidence * BINS).ceil().clamp(1, BINS)
    groups = (place == number for number in range(1, BINS + 1))
    bins = [[int(own.sum()), float(confidence[own].mean()), float(right[own].mean())] for own in groups if own.any()]
    # Σ_b n_b/n · |accuracy_b − confidence_b| (Guo et al., equation 3).
    error = sum(size * abs(accuracy - sure) for size, sure, accuracy in bins) / len(labels)
    return error, float(confidence.mean()), bins


def _top(logits: Tensor, labels: Tensor) -> float:
    """Share of images with fewer than `TOP` classes before their own; of equal logits the first class comes first, as
    `argmax` has it."""
    own, place = logits.gather(1, labels[:, None]), torch.arange(logits.shape[1])
    before = (logits > own) | ((logits == own) & (place < labels[:, None]))
    return float((before.sum(1) < TOP).double().mean())


def _own(
    metrics: Mapping[str, Metric], logits: Tensor, labels: Tensor
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Their values, and why some have none: what a person wrote may do anything but spoil the evaluation."""
    values, failed = dict[str, float | None](), dict[str, str]()
    for name, metric in metrics.items():
        values[name] = None
        try:
            with redirect_stdout(sys.stderr):  # Standard output is for the data of a command.
                value = float(metric(logits.float().numpy().copy(), labels.numpy().copy()))
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a finite number")
        except (Exception, SystemExit) as error:  # noqa: BLE001  (it may raise anything)
            failed[name] = f"{type(error).__name__}: {error}"
        else:
            values[name] = value
    return values, failed
