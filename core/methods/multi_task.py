"""Traditional multi-task learning: θ₀ fine-tuned on the labelled training images of all tasks together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from core import objectives
from core.learning.joint import JointSettings, JointTrainer
from core.learning.optimiser import carry_out
from core.problem.merged import Batch, Sums
from core.problem.method import Method, Need, Problem, Role, State, Step
from core.seeds import generator
from core.settings import setting


class MultiTaskSettings(JointSettings):
    """Settings of joint fine-tuning."""

    balance: Literal["none", "pcgrad", "gradnorm"] = setting(
        "none", "How to combine the tasks' gradients: their sum, PCGrad, or GradNorm.", source="AdaMerging's baseline"
    )
    adapt_on: Literal["train", "held-out", "test"] = setting(
        "train", "The split whose labelled images to train on.", source="the usual split for training"
    )
    alpha: float = setting(
        1.5,
        "GradNorm's α: how strongly tasks that lag behind are favoured.",
        source="GradNorm (ICML 2018)",
        ge=0,
        le=10,
    )
    weight_lr: float = setting(0.025, "GradNorm's learning rate for the task weights.", source="GradNorm", gt=0, le=1)


class MultiTask(Method[MultiTaskSettings]):
    """min_θ Σ_k cross-entropy of task k under its frozen head, from θ₀: what merging tries to do without training."""

    title = "Traditional MTL"
    role = Role.YARDSTICK
    paper = (
        "The reference in AdaMerging's tables: joint fine-tuning with the experts' recipe (Ilharco et al., ICLR "
        "2023). PCGrad (Yu et al., NeurIPS 2020), algorithm 1; GradNorm (Chen et al., ICML 2018), algorithm 1, with "
        "norms over the whole encoder and their mean taken out of the step, since heads are frozen and there is no "
        "last shared layer."
    )
    summary = (
        "Trains one model on the labelled training images of all tasks. Slow; the benchmark that merging is measured "
        "against."
    )
    cost = (
        "A full fine-tuning: one forward and backward pass per step. Weights, moments and stored states amount to "
        "about ten copies of the encoder: the process takes 6.1 GiB for ViT-B/32 and eight tasks (AdaMerging: 3.5). "
        "PCGrad also keeps one gradient per task. Stored states take three copies on disk."
    )
    trains = "Every weight of the image encoder"
    needs = Need.TRAINING
    Settings = MultiTaskSettings

    def steps(self, problem: Problem, settings: MultiTaskSettings, resume: State | None = None) -> Iterator[Step]:
        yield from carry_out(_Balanced(problem, settings), resume)


class _Balanced(JointTrainer[MultiTaskSettings]):
    """From θ₀ on labels, with the tasks' gradients put together as `balance` says."""

    def __init__(self, problem: Problem, settings: MultiTaskSettings) -> None:
        theta = problem.task_vectors.origin.clone()
        super().__init__(problem, settings, objectives.get("cross_entropy"), theta)
        self._task_weights = torch.ones(len(problem.tasks), dtype=torch.float64)
        self._first_losses = torch.zeros(len(problem.tasks), dtype=torch.float64)

    def _measured(self, batches: list[Batch]) -> tuple[dict[str, Sums], Tensor]:
        if self._settings.balance == "none":
            return super()._measured(batches)
        return self._balanced(batches)

    def _balanced(self, batches: list[Batch]) -> tuple[dict[str, Sums], Tensor]:
        """Each task's gradient on its own, then put together."""
        sums: dict[str, Sums] = {}
        projected = self._settings.balance == "pcgrad"
        size = (len(batches), len(self._theta)) if projected else (len(self._theta),)
        kept, norms = torch.zeros(size).to(self._theta), torch.zeros(len(batches), dtype=torch.float64)
        for at, batch in enumerate(batches):
            sums |= self._run([batch])
            norms[at] = self._encoder.gradient.norm().item()
            if projected:
                kept[at] = self._encoder.gradient
            else:
                kept.add_(self._encoder.gradient, alpha=self._task_weights[at].item())
        if projected:
            key = (self._settings.seed, "pcgrad", self.number)
            return sums, pcgrad(kept, self._problem.tasks, key)
        losses = torch.tensor([sums[batch.task].values[0].item() for batch in batches], dtype=torch.float64)
        if self.number == 0:
            self._first_losses = losses.clamp(min=1e-12)
        if losses.isfinite().all() and norms.isfinite().all():
            ratios, settings = losses / self._first_losses, self._settings
            self._task_weights = gradnorm(self._task_weights, norms, ratios, settings.alpha, settings.weight_lr)
        return sums, kept

    def state(self) -> State:
        balance = {"task_weights": self._task_weights.clone(), "first_losses": self._first_losses.clone()}
        return {**balance, **super().state()}

    def restore(self, state: State) -> None:
        self._task_weights, self._first_losses = state["task_weights"].clone(), state["first_losses"].clone()
        super().restore(state)


def pcgrad(gradients: Tensor, tasks: Sequence[str], key: tuple[object, ...]) -> Tensor:
    """Σ_i of each task's gradient less its components against the others' (PCGrad, algorithm 1): `[K, D]` -> `[D]`.

    The others come in a random order, which `key` and their names decide. All projections are linear in the
    gradients, so they are done on the K × K matrix of inner products; `[K, D]` is read twice and never copied.
    """
    products = (gradients @ gradients.T).double().cpu()
    total = torch.zeros(len(tasks), dtype=torch.float64)
    for own, task in enumerate(tasks):
        row = torch.zeros_like(total)
        row[own] = 1
        for other in _shuffled(tasks, (*key, task)):
            along = float(row @ products[:, other])
            if other != own and along < 0:
                row[other] -= along / products[other, other]
        total += row
    return total.to(gradients) @ gradients


def _shuffled(tasks: Sequence[str], key: tuple[object, ...]) -> list[int]:
    # Drawn over sorted names, so that the order in which tasks are listed changes nothing.
    order = torch.randperm(len(tasks), generator=generator(*key)).tolist()
    by_name = sorted(range(len(tasks)), key=lambda at: tasks[at])
    return [by_name[at] for at in order]


def gradnorm(weights: Tensor, norms: Tensor, ratios: Tensor, alpha: float, lr: float) -> Tensor:
    """GradNorm's next weights `[K]`, which sum to K (algorithm 1).

    `norms` are ‖∇L_k‖ over the shared weights, `ratios` L_k / L_k(0). One step of gradient descent on
    Σ_k |w_k ‖∇L_k‖ − mean · r_k^α| with the target held fixed.
    """
    own = weights * norms
    target = own.mean() * (ratios / ratios.mean().clamp(min=torch.finfo(ratios.dtype).tiny)) ** alpha
    moved = weights - lr * (own - target).sign() * norms / norms.mean().clamp(min=torch.finfo(norms.dtype).tiny)
    moved = moved.clamp(min=1e-3)
    return moved * len(moved) / moved.sum()
