"""AdaRank: which singular components of each task vector take part is learned together with λ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from core.learning import starts
from core.learning.coefficients import Learner, LearningMethod, LearningSettings
from core.problem.merged import Batch, EncoderGradient, Measured
from core.problem.method import Problem, Weights
from core.problem.mixture import Mixture
from core.problem.sharing.vectors import SharedVectors
from core.problem.task_vectors import TaskVectors
from core.settings import setting
from core.techniques.components import components
from core.techniques.shared_components import shared

PAPER = "AdaRank (ICLR 2026)"
ENOUGH = 512
"""Images of a task from which masks may pay; below, λ alone was as good or better (.github/METHODS.md)."""
START, SLOPE = 0.1, 10.0
"""Logit of a component that begins on (−START: off), and what logits are divided by before the sigmoid."""


class AdaRankSettings(LearningSettings):
    """AdaMerging's settings and those of the masks."""

    components: Literal["own", "orthogonal"] = setting(
        "own", "Use each task vector's own singular components, or those of TSV-Merge (then `init=1` starts from its "
        "merge).",
        source=PAPER,
    )  # fmt: skip
    kept: float = setting(
        0.5, "With `components=own`: share of each matrix's components that are on at the start, strongest first.",
        source="Mergescope", gt=0, le=1,
    )  # fmt: skip
    masks: Literal["on", "off", "auto"] = setting(
        "on", "Learn which components to use; `off`: use all and learn only λ; `auto`: on if the steps draw at least "
        f"{ENOUGH} images of a task.", source=PAPER,
    )  # fmt: skip
    rank: int = setting(
        0, "With `components=own`: components kept in memory per matrix and task; 0: all of them.",
        source="Mergescope; bounds memory", label="Components to keep in memory", ge=0, le=65_536,
    )  # fmt: skip
    start_scale: float = setting(
        1.0, "Factor on the change that `start` makes to the base; 0: the one from ½ to 2½ with the lowest loss on the "
        "first batch.",
        source="Mergescope; 1: the start as it is", ge=0, le=10,
    )  # fmt: skip
    qkv: Literal["fused", "split"] = setting(
        "fused", "Treat query, key and value as one matrix or as three.", source="open_clip's layout"
    )

    @property
    def masked(self) -> bool:
        """Whether masks are learned."""
        return self.masks == "on" or (self.masks == "auto" and self.steps * self.batch >= ENOUGH)


class AdaRank(LearningMethod[AdaRankSettings]):
    """θ = θ₀ + Σ_k λ_k Σ_i 1[σ(b_ki / 10) > ½] s_ki u_ki v_kiᵀ with λ and b learned, matrix by matrix."""

    title = "AdaRank"
    paper = (
        "AdaRank (ICLR 2026): masks over the singular components of attention and MLP matrices, straight-through "
        "gradient. Its released code picks the best step by test accuracy; here the last step counts, and labels are "
        "never used."
    )
    summary = "Learns, together with λ, which directions of each expert help and which only interfere with the others."
    cost = (
        "A singular value decomposition of every matrix and expert before the first step (minutes for eight ViT-B/32 "
        "on a CPU), and up to twice the size of the task vectors in extra memory (`rank` limits it; 5.5 GiB in all for "
        "ViT-B/32 and eight tasks). Steps take longer, since the merge is a matrix product."
    )
    trains = "λ, and one bit per task, matrix and singular component"
    Settings = AdaRankSettings

    def mixture(self, settings: AdaRankSettings) -> None:
        """None: the masks decide as well."""

    def _learner(self, problem: Problem, settings: AdaRankSettings) -> Learner[AdaRankSettings]:
        return MaskLearner(problem, Mixture.of(problem.task_vectors, settings.group), settings)


class MaskLearner(Learner[AdaRankSettings]):
    """A learner of λ and of the masks' logits b `[K, components]`."""

    def _more_parameters(self) -> Mapping[str, Tensor]:
        settings, vectors = self._settings, self._vectors
        if not settings.masked:
            rows = self.coefficients().to(vectors.origin)
            self._vectors = self._around_start(lambda: vectors.combine(rows, self._grouping.row_of))
            self._mixture = replace(self._mixture, vectors=self._vectors)
            return {}
        rank = None if settings.components == "orthogonal" else settings.rank
        how = self._grouping.row_of, rank, settings.qkv == "split"
        self._components = (
            shared(self._problem, vectors, *how)
            if isinstance(vectors, SharedVectors)
            else components(self._problem, vectors, *how)
        )
        self._encoder = EncoderGradient(self._problem, self._vectors)
        shape = (len(self._vectors.tasks), self._components.count)
        logits = torch.full(shape, -START, dtype=self._vectors.origin.dtype, device=self._problem.small)
        for columns, rank in self._components.ranks:
            on = max(1, round(settings.kept * rank)) if settings.components == "own" else rank
            logits[:, columns.start : min(columns.start + on, columns.stop)] = START
        self._logits = logits
        self._components.vectors = self._around_start(
            lambda: self._components.combine(self.coefficients(), _mask(logits))
        )
        return {"mask": logits}

    def _around_start(self, merged: Callable[[], Tensor]) -> TaskVectors:
        """The task vectors over the origin from which the first λ (and mask), which give `merged` `[D]`, begin."""
        if self._settings.start == starts.NONE:
            return self._vectors
        change = starts.update(self._problem, self._settings.start)
        change *= self._settings.start_scale or self._fitting_scale(change)
        return starts.moved(self._problem, self._vectors, change, merged())

    def _fitting_scale(self, change: Tensor) -> float:
        before = self._batches.state()
        first = self._batches.next()
        self._batches.restore(before)
        return starts.fitting_scale(self._problem, change, first, self._objective)

    def _measure_at(self, raw: Tensor, batches: list[Batch]) -> tuple[Measured, dict[str, Tensor]]:
        if not self._settings.masked:
            return super()._measure_at(raw, batches)
        used, mask = self.coefficients(raw), _mask(self._logits)
        self._components.combine(used, mask, out=self._encoder.weights)
        sums = self._encoder.run(batches, self._objective)
        by_row, by_mask = self._components.contract(self._encoder.gradient, used, mask)
        measured = Measured.of(sums, by_row)
        slope = torch.sigmoid(self._logits / SLOPE)
        through = by_mask.to(slope) * slope * (1 - slope) / SLOPE
        return measured, {"raw": self._through_clamp(by_row, used, raw), "mask": through}

    def weights(self) -> Callable[[], Weights]:
        if not self._settings.masked:
            return super().weights()
        used, mask = self.coefficients().to(self._vectors.origin), _mask(self._logits)
        return lambda: self._vectors.named(self._components.combine(used, mask))


def _mask(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits / SLOPE) > 0.5
