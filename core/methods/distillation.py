"""Distillation: all weights of the merged model learn the experts' answers, from unlabelled images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from core import objectives
from core.learning import starts
from core.learning.joint import JointSettings, JointTrainer
from core.learning.optimiser import carry_out
from core.learning.watch import Watch, WatchedSettings
from core.objectives.expert_kl import ExpertKLSettings
from core.problem.method import Method, Need, Problem, Role, State, Step
from core.settings import other_default, setting


class DistillationSettings(JointSettings, ExpertKLSettings, WatchedSettings):
    """Settings of distillation."""

    objective: Literal["expert_kl", "pseudo_label"] = setting(
        "expert_kl",
        "What to learn from the experts' answers: their probabilities or, with `pseudo_label`, the class they predict.",
        source="Hinton et al. (2015); Pseudo-Label (2013)",
    )
    adapt_on: Literal["train", "held-out", "test"] = other_default(
        WatchedSettings, "adapt_on", "train",
        "The split to learn from, without labels. On `test`, a whole encoder memorises the experts' answers to the "
        "very images that accuracy is measured on.",
        source="Traditional MTL",
    )  # fmt: skip
    start: starts.Name = setting(
        "task_arithmetic",
        "Start from the model of this data-free method, with its defaults; `none`: from θ₀.",
        source="where AdaMerging starts",
    )


class Distillation(Method[DistillationSettings]):
    """min_θ Σ_k KL(expert_k ‖ θ) on task k's images, from a merged model: what learning λ alone leaves out."""

    title = "Distillation"
    role = Role.YARDSTICK
    paper = (
        "Distilling the Knowledge in a Neural Network (Hinton et al., 2015), with one teacher per task, as reviewers "
        "of AdaMerging requested. The recipe and images are those of Traditional MTL (Ilharco et al., ICLR 2023), so "
        "the two differ in where they start and what teaches them."
    )
    summary = (
        "Trains the whole merged model on each expert's answers to unlabelled images: slow, but shows what learning λ "
        "alone can't achieve. Set `objective=pseudo_label` to train on proxy labels."
    )
    cost = (
        "Like Traditional MTL: a full fine-tuning with about ten copies of the encoder in memory, plus three for the "
        "step that is kept, and one forward pass of each expert over the images used. A step takes as long as one of "
        "Traditional MTL (1.01 times the CPU time on the demo suite)."
    )
    trains = "Every weight of the image encoder"
    needs = Need.UNLABELLED
    Settings = DistillationSettings

    def steps(self, problem: Problem, settings: DistillationSettings, resume: State | None = None) -> Iterator[Step]:
        vectors, watch = problem.task_vectors, Watch(problem, settings, settings.steps)
        begun = settings.start != starts.NONE
        theta = vectors.flat(starts.made(problem, settings.start)) if begun else vectors.origin.clone()
        objective = objectives.chosen(settings.objective, settings)
        trainer = JointTrainer(problem, settings, objective, theta, watch)
        yield from carry_out(trainer, resume)
