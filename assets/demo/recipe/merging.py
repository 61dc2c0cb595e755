"""A small independent merge of the committed files: the suite is measured by more than one implementation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from .model import accuracy, build, entropy, head, inputs
from .tasks import Task


class Suite:
    """Base, task vectors, heads and pictures, read from the exported files."""

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        model = build()
        model.load_state_dict({k: v.float() for k, v in load_file(folder / "base.safetensors").items()})
        self.visual = model.requires_grad_(False).eval().visual
        self.heads = [head(model, task) for task in tasks]
        self.base = {name: p.detach().clone() for name, p in self.visual.named_parameters()}
        experts = [load_file(folder / f"{task.name}.safetensors") for task in tasks]
        self.vectors = {n: torch.stack([e[f"visual.{n}"].float() - p for e in experts]) for n, p in self.base.items()}
        self.pictures: dict[str, list[Tensor]] = {}
        self.labels: dict[str, list[Tensor]] = {}
        for split in ("held-out", "test"):
            archives = [np.load(folder / f"{task.name}.npz") for task in tasks]
            self.pictures[split] = [torch.from_numpy(a[f"{split}_images"]) for a in archives]
            self.labels[split] = [torch.from_numpy(a[f"{split}_labels"]) for a in archives]

    def at(self, coefficients: Tensor) -> dict[str, Tensor]:
        """Base plus weighted task vectors; `coefficients` is [tasks] or [tensors, tasks]."""
        rows = coefficients.expand(len(self.base), -1) if coefficients.ndim == 1 else coefficients
        return {n: p + torch.tensordot(rows[i], self.vectors[n], 1) for i, (n, p) in enumerate(self.base.items())}

    def scores(self, parameters: dict[str, Tensor], k: int, images: Tensor) -> Tensor:
        """Logits of task k."""
        return F.normalize(functional_call(self.visual, parameters, inputs(images)), dim=-1) @ self.heads[k].T

    @torch.no_grad()
    def measure(self, parameters: dict[str, Tensor], split: str, k: int) -> tuple[float, float]:
        """Accuracy (percent) and mean entropy (nats) on a split of task k."""
        found = torch.cat([self.scores(parameters, k, part) for part in self.pictures[split][k].split(256)])
        return accuracy(found, self.labels[split][k]), float(entropy(found))

    def accuracies(self, parameters: dict[str, Tensor], split: str) -> list[float]:
        """Accuracy on every task."""
        return [self.measure(parameters, split, k)[0] for k in range(len(self.tasks))]


def ties(suite: Suite, keep: float = 0.2, scale: float = 0.3) -> dict[str, Tensor]:
    """TIES: keep the largest fifth of each task vector, elect a sign per entry, add up what agrees, times 0.3."""
    names = sorted(suite.base)
    flat = torch.cat([suite.vectors[n].flatten(1) for n in names], 1)
    size = flat.shape[1]
    least = flat.abs().kthvalue(size - int(keep * size), dim=1, keepdim=True).values
    kept = flat * (flat.abs() >= least)
    sign = kept.sum(0).sign()
    sign[sign == 0] = sign.sum().sign()
    merged = (kept * (kept.sign() == sign)).sum(0)
    parts = merged.split([suite.base[n].numel() for n in names])
    return {n: suite.base[n] + scale * part.view_as(suite.base[n]) for n, part in zip(names, parts, strict=True)}


def adamerging(
    suite: Suite, split: str, layer_wise: bool, rate: float, steps: int, seed: int, batch: int = 16
) -> Tensor:
    """Coefficients that minimise the sum over tasks of the mean entropy on unlabelled pictures of `split`.

    The gradient is exact: dL/dλ = ⟨dL/dθ, τ⟩ per tensor and task, zero where λ is outside [0, 1].
    """
    generator = torch.Generator().manual_seed(seed)
    count = len(suite.tasks)
    raw = torch.full((len(suite.base) if layer_wise else 1, count), 0.3)
    optimizer = torch.optim.Adam([raw.requires_grad_()], lr=rate, betas=(0.9, 0.999))
    queues: list[Tensor] = [torch.empty(0, dtype=torch.long)] * count
    for _ in range(steps):
        with torch.no_grad():
            merged = suite.at(raw.clamp(0, 1).expand(len(suite.base), -1))
        parameters = {n: p.requires_grad_() for n, p in merged.items()}
        seen = []
        for k, images in enumerate(suite.pictures[split]):
            if len(queues[k]) < batch:
                queues[k] = torch.randperm(len(images), generator=generator)
            seen.append(images[queues[k][:batch]])
            queues[k] = queues[k][batch:]
        features = F.normalize(functional_call(suite.visual, parameters, inputs(torch.cat(seen))), dim=-1)
        parts = features.split(batch)
        loss = sum(entropy(f @ h.T) for f, h in zip(parts, suite.heads, strict=True))
        slopes = torch.autograd.grad(loss, list(parameters.values()))
        by_tensor = torch.stack(
            [suite.vectors[n].flatten(1) @ g.flatten() for n, g in zip(parameters, slopes, strict=True)]
        )
        inside = (raw.detach() >= 0) & (raw.detach() <= 1)
        raw.grad = (by_tensor if layer_wise else by_tensor.sum(0, keepdim=True)) * inside
        optimizer.step()
    return raw.detach().clamp(0, 1).expand(len(suite.base), -1)
