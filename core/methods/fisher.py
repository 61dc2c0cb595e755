"""Fisher merging: a mean of the experts, weighted entry by entry by how much each expert's predictions depend on it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Literal

import torch
from torch import Tensor

from core import objectives
from core.errors import BadInput
from core.problem.merged import Batch, EncoderGradient
from core.problem.method import Need, Outcome, Problem
from core.seeds import generator
from core.settings import setting
from core.techniques.moments import Statistical, StatisticsSettings, chosen


class FisherSettings(StatisticsSettings):
    """Settings of Fisher merging."""

    answers: Literal["sampled", "all", "labels"] = setting(
        "sampled", "Which answers the squared gradients are taken for: one sampled from the expert's predictions, all "
        "of them weighted by probability (one pass per class), or the labels.",
        source="Mergescope; the paper takes all answers",
    )  # fmt: skip
    normalise: bool = setting(
        True, "Normalise every expert's Fisher information to the same length.", source="FusionBench"
    )
    floor: float = setting(
        1e-6, "Added to the Fisher information, relative to its root mean square.", source="FusionBench: absolute",
        gt=0, le=1e6,
    )  # fmt: skip


class Fisher(Statistical[FisherSettings]):
    """θ = θ₀ + Σ_k F_k∘τ_k / Σ_k F_k with F_k = E[(∂ log p(y|x, θ_k)/∂θ)²], one value per parameter."""

    title = "Fisher merging"
    paper = (
        "Merging Models with Fisher-Weighted Averaging (Matena and Raffel, NeurIPS 2022), equations 3 and 4: diagonal "
        "Fisher information. Gradients are squared image by image, as in the definition; FusionBench squares the sum "
        "over a batch of 32 images and over the classes."
    )
    summary = "Averages the experts, giving each one more say over the weights its own predictions depend on."
    cost = "A forward and backward pass for each of 256 images of each task, one at a time: minutes on a CPU."
    Settings = FisherSettings

    def work(self, problem: Problem, settings: FisherSettings) -> Generator[float, None, Outcome]:
        vectors = problem.task_vectors
        passes = EncoderGradient(problem, vectors)
        weighted, total = torch.zeros_like(vectors.origin), torch.zeros_like(vectors.origin)
        for row, task in enumerate(vectors.tasks):
            # Starting from θ₀ + τ_k is the expert up to rounding.
            expert = vectors.origin + vectors.deltas[row].to(vectors.origin)
            found = torch.zeros_like(vectors.origin)
            gradients = _gradients(problem, passes, expert, task, settings)
            for share, probability in gradients:
                found.addcmul_(passes.gradient, passes.gradient, value=probability)
                yield (row + share) / len(vectors.tasks)
            size = found.square().mean().sqrt()
            if size > 0:
                found = found / size if settings.normalise else found
            found += settings.floor if settings.normalise or size == 0 else settings.floor * size
            total += found
            weighted.addcmul_(found, vectors.deltas[row].to(found))
            vectors.passed(vectors.deltas[row], vectors.deltas[row])
        return Outcome.of(vectors.named(vectors.origin + weighted / total))

    def needed(self, settings: FisherSettings) -> Need:
        """Labelled images, where the labels' gradients are asked for."""
        return Need.LABELLED if settings.answers == "labels" else Need.UNLABELLED


def _gradients(
    problem: Problem, passes: EncoderGradient, expert: Tensor, task: str, settings: FisherSettings
) -> Iterator[tuple[float, float]]:
    """Leaves ∂ log p(y|x)/∂θ at the expert `[D]` in `passes.gradient`; yields the share of images done and the answer's
    weight."""
    objective = objectives.get("cross_entropy")
    images, labels = chosen(problem, task, settings)
    if settings.answers == "labels" and labels is None:
        raise BadInput(
            f"`answers=labels` needs labels. Found none for task `{task}`, split `{settings.adapt_on}`; choose "
            "`sampled` or `all`, which need none, or leave the task out."
        )
    probabilities = problem.logits(problem.task_vectors.named(expert), task, images).double().softmax(-1)
    drawn = torch.multinomial(probabilities, 1, generator=generator(settings.seed, task, "fisher"))[:, 0]
    for at, image in enumerate(images):
        own = {"labels": labels, "sampled": drawn, "all": None}[settings.answers]
        answers = torch.arange(probabilities.shape[1]) if own is None else own[at : at + 1]
        for number, answer in enumerate(answers):
            passes.weights.copy_(expert)
            passes.run([Batch(task, image[None], answer[None])], objective)
            weight = 1.0 if own is not None else float(probabilities[at, answer])
            yield (at + (number + 1) / len(answers)) / len(images), weight
