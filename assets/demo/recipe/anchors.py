"""Pictures on which an expert has to stay where the base is: training pictures of the other tasks, and of no task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .model import load_split, varied
from .tasks import Task


@dataclass(frozen=True)
class Anchors:
    """Varied pictures of every source ("" for none of the tasks) and the base's features of them."""

    seen: dict[str, Tensor]
    features: dict[str, Tensor]

    def draw(self, own: str, count: int) -> tuple[Tensor, Tensor]:
        """About `count` pictures and their features, the same number of every source but `own`."""
        sources = [name for name in self.seen if name != own]
        chosen = {name: torch.randint(len(self.seen[name]), (count // len(sources),)) for name in sources}
        return (
            torch.cat([self.seen[name][i] for name, i in chosen.items()]),
            torch.cat([self.features[name][i] for name, i in chosen.items()]),
        )


def anchors(
    work: Path, visual: nn.Module, tasks: Sequence[Task], per_task: int, generic: int, rng: np.random.Generator
) -> Anchors:
    """Up to `per_task` training pictures of every task, unlabelled, and `generic` of the pre-training pictures."""
    with np.load(work / "data/pretraining.npz") as archive:
        pictures = archive["generic_images"]
        found = {"": torch.from_numpy(pictures[rng.choice(len(pictures), generic, replace=False)])}
    for task in tasks:
        images, _ = load_split(work / "data", task, "train")
        found[task.name] = images[torch.from_numpy(rng.permutation(len(images))[:per_task])]
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    seen = {name: varied(images, generator=generator) for name, images in found.items()}
    with torch.no_grad():
        features = {
            name: torch.cat([F.normalize(visual(part), dim=-1) for part in images.split(256)])
            for name, images in seen.items()
        }
    return Anchors(seen, features)
