"""Accuracies and means with their intervals, paired differences, rank correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import NormalDist
from typing import Any


class Half(StrEnum):
    """Halves of the images on which a run is watched: nothing is praised by what picked it."""

    CHOOSING = "choosing"
    """By these a step, scale, start or length is chosen."""
    REPORTING = "reporting"
    """On these it is reported how good the choice is."""


@dataclass(frozen=True)
class Scores:
    """What the answers on the labelled images of a task come to beside accuracy."""

    shares: Mapping[str, float]
    """0…1. `macro_accuracy`: mean accuracy of the classes that occur in the labels; `macro_f1`: mean F1 of those that
    occur in labels or answers; `top5_accuracy`: of images whose class is among the five likeliest, left out up to five
    classes; `ece`: expected calibration error; `confidence`: mean probability of the answer."""
    by_class: Mapping[str, Any]
    """See `core.problem.scores.by_class`; ready for JSON."""
    bins: Sequence[Sequence[float]]
    """See `core.problem.scores.calibration`."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """A person's own metrics by name; None for one that failed."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Why they failed, by name."""


@dataclass(frozen=True)
class Evaluation:
    """What a model achieves on the images of one task."""

    task: str
    correct: int | None
    """Right top-1 answers; None where labels are not known."""
    total: int
    entropy: float
    """Mean prediction entropy in nats."""
    agreeing: int | None = field(default=None, kw_only=True)
    """Images on which the task's expert names the same class; None where it was not asked."""
    kl: float | None = field(default=None, kw_only=True)
    """Mean KL(expert ‖ model) in nats; None where the expert was not asked."""
    scores: Scores | None = field(default=None, kw_only=True)
    """Of the final evaluation; None without labels, and where only accuracy was asked for."""

    @property
    def agreement(self) -> float | None:
        """Share of images on which the task's expert names the same class, 0…1."""
        return None if self.agreeing is None or not self.total else self.agreeing / self.total

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0…1."""
        return None if self.correct is None or not self.total else self.correct / self.total

    @property
    def ci95(self) -> tuple[float, float] | None:
        """95 % Wilson score interval of the accuracy."""
        share, z = self.accuracy, NormalDist().inv_cdf(0.975)
        if share is None:
            return None
        centre, spread = (
            share + z * z / (2 * self.total),
            z * math.sqrt(share * (1 - share) / self.total + (z / (2 * self.total)) ** 2),
        )
        whole = 1 + z * z / self.total
        return max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole)


def average_share(found: Sequence[Evaluation], measure: str) -> float:
    """Mean over tasks of `accuracy` or `agreement`, 0…1; 0 where none is known."""
    return mean([getattr(one, measure) for one in found]) or 0.0


def clearly_better(one: Sequence[Evaluation], other: Sequence[Evaluation], measure: str) -> bool:
    """Whether the mean over tasks of `accuracy` or `agreement` is higher by more than a standard error.

    The error is that of two independent samples of images, and so too wide where both saw the same.
    """
    difference = average_share(one, measure) - average_share(other, measure)
    return difference > math.hypot(_share_error(one, measure), _share_error(other, measure))


def _share_error(found: Sequence[Evaluation], measure: str) -> float:
    """Standard error of the mean over tasks of shares of their images."""
    shares = [(getattr(one, measure), one.total) for one in found if one.total]
    return math.sqrt(sum(share * (1 - share) / total for share, total in shares)) / max(len(shares), 1)


@dataclass(frozen=True)
class Stated:
    """An accuracy that somebody else measured."""

    accuracy: float
    """Share of right answers, 0…1."""
    images: int | None = None
    """On how many images; None where that is not known."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval; a single value has none."""

    mean: float
    low: float | None = None
    high: float | None = None
    n: int = 1


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of the known values; None where there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def mean_of(values: Sequence[Estimate | None]) -> Estimate | None:
    """Mean of the known means, without an interval; None where there is none."""
    found = mean([None if value is None else value.mean for value in values])
    return None if found is None else Estimate(found)


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """Mean and Student's 95 % interval of the known values; None where there is none."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    mean, n = sum(found) / len(found), len(found)
    if n == 1:
        return Estimate(mean)
    from scipy.stats import t  # Takes a second, which a page or list that has a single seed need not wait for.

    deviation = math.sqrt(sum((value - mean) ** 2 for value in found) / (n - 1))
    half = float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def paired(left: Mapping[int, float | None], right: Mapping[int, float | None]) -> Estimate | None:
    """left − right over the seeds that both have: what differs between seeds for both alike drops out."""
    differences = []
    for seed, value in left.items():
        other = right.get(seed)
        if value is not None and other is not None:
            differences.append(value - other)
    return estimate(differences)


def spearman(left: Sequence[float], right: Sequence[float]) -> tuple[float, float] | None:
    """Spearman's ρ and its two-sided p; None for fewer than three pairs or where one side is constant."""
    if len(left) < 3 or len(set(left)) < 2 or len(set(right)) < 2:
        return None
    from scipy.stats import spearmanr

    found = spearmanr(left, right)
    return float(found.statistic), float(found.pvalue)


def interval_of_mean(values: Sequence[float], bounds: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """95 % interval of the mean of independent estimates that have a 95 % interval each; None where there is none.

    Zou and Donner, Statistics in Medicine 2008, equation 2: the distances to the bounds add up like standard errors,
    below and above apart, so that the skew of each interval stays.
    """
    if not values:
        return None
    mean = sum(values) / len(values)
    below = math.hypot(*(value - low for value, (low, _) in zip(values, bounds, strict=True)))
    above = math.hypot(*(high - value for value, (_, high) in zip(values, bounds, strict=True)))
    return mean - below / len(values), mean + above / len(values)


def accuracy_interval(agreement: float, images: int, expert: float, expert_images: int) -> tuple[float, float]:
    """What a model's accuracy can be, given how often it agrees with an expert, and the expert's accuracy.

    On the same images it lies in [max(0, g + a − 1), 1 − |a − g|]: of the share g on which both agree at least
    g + a − 1 is right, and where they differ only one can be. Both are measured on samples, so that the ends lie
    further apart by 1.96 standard errors of both.
    """
    variance = agreement * (1 - agreement) / max(images, 1) + expert * (1 - expert) / max(expert_images, 1)
    more = NormalDist().inv_cdf(0.975) * math.sqrt(variance)
    return max(0.0, agreement + expert - 1 - more), min(1.0, 1 - abs(expert - agreement) + more)
