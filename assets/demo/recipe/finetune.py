"""Stage `finetune`: one expert per task, on the frozen zero-shot head, anchored to the base on generic pictures."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .model import THREADS, accuracy, build, cosine, entropy, head, load_split, logits, plain_attention, varied
from .tasks import BY_NAME, TASKS, Task


@dataclass(frozen=True)
class Recipe:
    """Settings of all experts.

    `anchor` weighs the mean of ‖f(x) - f_base(x)‖² over pre-training pictures: without it the task vectors of so small
    a model overwrite each other, and their sum is worse than the base. `scale` is the logit scale of the heads.
    """

    rate: float = 1.5e-3
    steps: int = 500
    batch: int = 64
    anchor: float = 8.0
    anchored: int = 48
    scale: float = 30.0
    pool: int = 4096
    seed: int = 1


def anchors(work: Path, visual: nn.Module, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Varied pre-training pictures of no task, and the base's features of them."""
    chosen = np.random.default_rng(recipe.seed)
    with np.load(work / "data/pretraining.npz") as archive:
        pictures = archive["generic_images"]
        pictures = pictures[chosen.choice(len(pictures), min(recipe.pool, len(pictures)), replace=False)]
    generator = torch.Generator().manual_seed(recipe.seed)
    seen = varied(torch.from_numpy(pictures), generator=generator)
    with torch.no_grad():
        return seen, torch.cat([F.normalize(visual(part), dim=-1) for part in seen.split(256)])


def finetune(work: Path, task: Task, model: nn.Module, recipe: Recipe, pool: tuple[Tensor, Tensor]) -> nn.Module:
    """The expert's image tower."""
    torch.manual_seed(recipe.seed)
    images, labels = load_split(work / "data", task, "train")
    weights = head(model, task)
    visual = copy.deepcopy(model.visual).train()
    optimizer = torch.optim.AdamW(visual.parameters(), lr=recipe.rate, weight_decay=0.0)
    order, at = torch.randperm(len(images)), 0
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * cosine(step, recipe.steps, 30)
        if at + recipe.batch > len(images):
            order, at = torch.randperm(len(images)), 0
        own = order[at : at + recipe.batch]
        at += recipe.batch
        fixed = torch.randint(len(pool[0]), (recipe.anchored,))
        with plain_attention(), torch.autocast("cpu", torch.bfloat16):
            features = visual(torch.cat([varied(images[own]), pool[0][fixed]]))
        features = F.normalize(features.float(), dim=-1)
        loss = F.cross_entropy(features[: recipe.batch] @ weights.T, labels[own])
        moved = (features[recipe.batch :] - pool[1][fixed]).pow(2).sum(1).mean()
        optimizer.zero_grad()
        (loss + recipe.anchor * moved).backward()
        nn.utils.clip_grad_norm_(visual.parameters(), 1.0)
        optimizer.step()
    return visual.eval()


def finetune_all(work: Path, recipe: Recipe, folder: Path, names: list[str] | None = None) -> None:
    """Write FOLDER/<task>.pt for every task that is not there yet."""
    torch.set_num_threads(THREADS)
    folder.mkdir(parents=True, exist_ok=True)
    model = build()
    model.load_state_dict(torch.load(work / "base.pt", weights_only=True)["model"])
    model.requires_grad_(False).eval()
    with torch.no_grad():
        model.logit_scale.fill_(math.log(recipe.scale))
    pool = anchors(work, model.visual, recipe)
    model.visual.requires_grad_(True)
    for task in (BY_NAME[n] for n in names) if names else TASKS:
        if (folder / f"{task.name}.pt").exists():
            continue
        start = time.perf_counter()
        visual = finetune(work, task, model, recipe, pool)
        images, labels = load_split(work / "data", task, "held-out")
        weights = head(model, task)
        before, after = logits(model.visual, weights, images), logits(visual, weights, images)
        print(
            f"{task.name:12s} held-out {accuracy(before, labels):5.1f} -> {accuracy(after, labels):5.1f} entropy "
            f"{entropy(before):.2f} -> {entropy(after):.2f} {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        torch.save({"visual": visual.state_dict(), "recipe": asdict(recipe)}, folder / f"{task.name}.pt")
