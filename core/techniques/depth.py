"""What is done to a merged task vector: scaling by depth (LiNeS), calibration (SVC), a scale found by the answers.

LiNeS (Wang et al., ICLR 2025): block ℓ of L is scaled by α + β·ℓ/(L − 1), everything outside the blocks by
α. Here α is the method's own `scale` and β the setting `lines`, so that it combines with every merged task vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import model_validator
from torch import Tensor

from core.problem.grouping import block_of, group
from core.problem.probe import Probe, closeness
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.settings import MethodSettings, setting
from core.statistics import Half
from core.step import Outcome
from core.techniques.calibration import calibrated

FACTORS = tuple(2 ** (at / 2) for at in range(-4, 5))
"""What a scale is tried with: ¼ to 4."""


class DepthSettings(MethodSettings):
    """The settings of a method whose merged task vector can be scaled, by depth or as the experts' answers tell."""

    scale: float = setting(1.0, "Weight of the merged task vector.", source="as it was merged", ge=-10, le=10)
    lines: float = setting(
        0.0,
        "Extra scale, growing from 0 in the first transformer block to this value in the last; 0: the same scale "
        "everywhere.",
        source="off; LiNeS' β, which its authors choose on validation images",
        ge=-10,
        le=10,
    )
    svc: float = setting(
        0.0,
        "Weaken the directions that several tasks share and the merged task vector counts repeatedly, with this α: 1 "
        "only weakens, less also strengthens what is counted less than α; 0: off.",
        source="off; SVC's α, which is 1 after TSV-Merge and otherwise one divided by the number of experts",
        ge=0,
        le=1,
    )
    auto_scale: bool = setting(
        False,
        "Try ¼ to 4 times the merged task vector and keep the model closest to the experts' answers on unlabelled "
        "images; the same as `scale=auto`.",
        source="Mergescope; off in the papers",
    )

    @model_validator(mode="before")
    @classmethod
    def _auto(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("scale") == "auto":
            return {name: value for name, value in values.items() if name != "scale"} | {"auto_scale": True}
        return values


def depths(names: Sequence[str]) -> list[float]:
    """Relative depth of each parameter tensor: 0 in the first block to 1 in the last, 0 outside the blocks."""
    blocks = [name for name in group(names, "block").groups if name.startswith("block ")]
    last = max(len(blocks) - 1, 1)
    place = {name: at / last for at, name in enumerate(blocks)}
    return [place.get(block_of(name), 0.0) for name in names]


def factors(names: Sequence[str], scale: float, lines: float) -> list[float]:
    """What each parameter tensor of a merged task vector is multiplied with."""
    return [scale + lines * depth for depth in depths(names)]


def scaled(problem: Problem, merged: Tensor, settings: MethodSettings, scale: float | None = None) -> Outcome:
    """θ₀ + scale(ℓ)·τ for a merged task vector τ `[D]`; the scale is the settings' unless one is given, 1 without."""
    if not isinstance(settings, DepthSettings):
        return Outcome.of(add_scaled(problem.task_vectors, merged, 1.0, 0.0))
    own = settings.scale if scale is None else scale
    return fitted(problem, Outcome.of(add_scaled(problem.task_vectors, merged, own, settings.lines)), settings)


def fitted(problem: Problem, made: Outcome, settings: DepthSettings) -> Outcome:
    """θ₀ + f·(θ − θ₀) of the model θ that was made, calibrated by `svc`, with the f of `FACTORS` that agrees best with
    the experts.

    The mean over tasks, on the choosing half of the watched test images, of equals by KL(expert ‖ model); the model
    itself without `auto_scale`, and where no image can be watched.
    """
    vectors = problem.task_vectors
    if not settings.svc and not settings.auto_scale:
        return made
    change = vectors.flat(made.weights_for(problem.tasks[0])) - vectors.origin
    if settings.svc:
        change = calibrated(vectors, change, settings.svc, problem.tick)
        made = Outcome.of(vectors.named(vectors.origin + change))
    if not settings.auto_scale or not (probe := Probe.of(problem, "test")).images:
        return made

    def of(factor: float) -> Outcome:
        return Outcome.of(vectors.named(vectors.origin + factor * change))

    found = {factor: closeness(probe.evaluate(of(factor), Half.CHOOSING)) for factor in FACTORS}
    best = max(FACTORS, key=lambda factor: found[factor])
    agreement, kl = found[best][0], -found[best][1]
    return replace(of(best), chosen={"factor": best, "agreement": agreement, "kl": kl}, images=probe.size)


def add_scaled(vectors: TaskVectors, merged: Tensor, scale: float, lines: float) -> dict[str, Tensor]:
    """θ₀ + scale(ℓ)·τ as newly allocated named tensors, for a merged task vector τ `[D]`."""
    total = vectors.origin.clone()
    for span, factor in zip(vectors.spans, factors(vectors.names, scale, lines), strict=True):
        total[span].add_(merged[span].to(total), alpha=factor)
    return vectors.named(total)
