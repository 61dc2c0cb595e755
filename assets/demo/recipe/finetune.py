"""Stage `finetune`: one expert per task, on the frozen zero-shot head, held to the base on other pictures.

These are training pictures of the other tasks, and of no task.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .model import THREADS, accuracy, build, cosine, entropy, head, load_split, logits, plain_attention, varied
from .tasks import BY_NAME, Task


@dataclass(frozen=True)
class Recipe:
    """Settings of all experts.

    `anchor` weighs the mean of ‖f(x) - f_base(x)‖² over `anchored` pictures of other sources per step: without it the
    task vectors of so small a model overwrite each other, and their sum is worse than the base. `pull` draws every
    weight back to the base a little at each step, which removes Adam's random walk in directions that do not matter;
    every task has a seed of its own, as walks with one seed point the same way and add up. `scale` is the logit scale.
    """

    rate: float = 1.2e-3
    pull: float = 2.0
    steps: int = 700
    batch: int = 64
    anchor: float = 16.0
    anchored: int = 112
    per_task: int = 900
    generic: int = 2500
    scale: float = 30.0
    seed: int = 1

    def steps_of(self, task: str) -> int:
        """Plates and stickers vary more than ink and chalk."""
        return int(self.steps * {"digits": 1.4, "produce": 1.6}.get(task, 1))


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
    return anchored(visual, found, int(rng.integers(2**31)))


def anchored(visual: nn.Module, found: dict[str, Tensor], seed: int) -> Anchors:
    """Pictures by their source, varied, and what the base makes of them."""
    generator = torch.Generator().manual_seed(seed)
    seen = {name: varied(images, generator=generator) for name, images in found.items()}
    with torch.no_grad():
        features = {
            name: torch.cat([F.normalize(visual(part), dim=-1) for part in images.split(256)])
            for name, images in seen.items()
        }
    return Anchors(seen, features)


def finetune(work: Path, task: Task, model: nn.Module, recipe: Recipe, fixed: Anchors, seed: int) -> nn.Module:
    """The expert's image tower."""
    torch.manual_seed(seed)
    images, labels = load_split(work / "data", task, "train")
    weights = head(model, task)
    visual = copy.deepcopy(model.visual).train()

    def answer(features: Tensor) -> Tensor:
        return F.normalize(features, dim=-1) @ weights.T

    descend(visual, answer, [*visual.parameters()], task.name, images, labels, recipe, fixed)
    return visual.eval()


def descend(
    visual: nn.Module, answer: Callable[[Tensor], Tensor], learned: Sequence[nn.Parameter], task: str, images: Tensor,
    labels: Tensor, recipe: Recipe, fixed: Anchors,
) -> None:  # fmt: skip
    """Train `learned`, weights of `visual` and perhaps of `answer`, which gives logits of features."""
    origins = [parameter.detach().clone() for parameter in visual.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=recipe.rate, weight_decay=0.0)
    order, at, steps = torch.randperm(len(images)), 0, recipe.steps_of(task)
    for step in range(steps):
        rate = recipe.rate * cosine(step, steps, 30)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if at + recipe.batch > len(images):
            order, at = torch.randperm(len(images)), 0
        own = order[at : at + recipe.batch]
        at += recipe.batch
        others, wanted = fixed.draw(task, recipe.anchored)
        with plain_attention(), torch.autocast("cpu", torch.bfloat16):
            features = visual(torch.cat([varied(images[own]), others]))
        features = features.float()
        loss = F.cross_entropy(answer(features[: recipe.batch]), labels[own])
        moved = (F.normalize(features[recipe.batch :], dim=-1) - wanted).pow(2).sum(1).mean()
        optimizer.zero_grad()
        (loss + recipe.anchor * moved).backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        with torch.no_grad():
            for parameter, origin in zip(visual.parameters(), origins, strict=True):
                parameter.lerp_(origin, rate * recipe.pull)


def report(task: Task, before: Tensor, after: Tensor, labels: Tensor, seconds: float) -> None:
    """Print what fine-tuning changed on held-out pictures."""
    print(
        f"{task.name:12s} held-out {accuracy(before, labels):5.1f} -> {accuracy(after, labels):5.1f} "
        f"entropy {entropy(before):.2f} -> {entropy(after):.2f} {seconds:.0f} s",
        flush=True,
    )


def finetune_all(work: Path, recipe: Recipe, folder: Path, names: list[str]) -> None:
    """Write FOLDER/<task>.pt for every task that is not there yet."""
    torch.set_num_threads(THREADS)
    folder.mkdir(parents=True, exist_ok=True)
    model = build()
    model.load_state_dict(torch.load(work / "base.pt", weights_only=True)["model"])
    model.requires_grad_(False).eval()
    model.logit_scale.fill_(math.log(recipe.scale))
    tasks = [BY_NAME[name] for name in names]
    fixed = anchors(work, model.visual, tasks, recipe.per_task, recipe.generic, np.random.default_rng(recipe.seed))
    for number, task in enumerate(tasks):
        if (folder / f"{task.name}.pt").exists():
            continue
        start = time.perf_counter()
        model.visual.requires_grad_(True)
        visual = finetune(work, task, model, recipe, fixed, 1000 * recipe.seed + number)
        images, labels = load_split(work / "data", task, "held-out")
        weights = head(model, task)
        before, after = logits(model.visual, weights, images), logits(visual, weights, images)
        report(task, before, after, labels, time.perf_counter() - start)
        torch.save({"visual": visual.state_dict(), "recipe": asdict(recipe)}, folder / f"{task.name}.pt")
