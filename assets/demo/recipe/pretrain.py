"""Stage `pretrain`: contrastive pre-training of image and text tower on captioned pictures."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch
from open_clip.transformer import PatchDropout
from torch import Tensor
from torch.nn import functional as F

from .model import THREADS, accuracy, build, cosine, head, load_split, logits, plain_attention, tokenizer, varied
from .tasks import TASKS

BATCH = 256
FROM_TASKS = 0.07
RATE = 1.2e-3
STEPS = 3000
# Part of the steps in which half the patches are left out, which makes them twice as fast (as in FLIP).
WITH_HALF = 0.85
DECAY = 0.05
START_SCALE = 20.0


def contrast(images: Tensor, texts: Tensor, of: Tensor, scale: Tensor) -> Tensor:
    """Symmetric contrastive loss where several images may share one caption (`of`: caption of each image)."""
    similar = scale * images @ texts.T
    positive = F.one_hot(of, len(texts)).T.float()
    to_images = -(similar.T.log_softmax(1) * positive / positive.sum(1, keepdim=True)).sum(1).mean()
    return (F.cross_entropy(similar, of) + to_images) / 2


def zero_shot(model: torch.nn.Module, folder: Path) -> dict[str, float]:
    """Held-out accuracy of the base on every task."""
    found = {}
    for task in TASKS:
        images, labels = load_split(folder, task, "held-out")
        found[task.name] = round(accuracy(logits(model.visual, head(model, task), images), labels), 1)
    return found


def pretrain(work: Path, steps: int = STEPS, start: Path | None = None, seed: int = 0) -> None:
    """Train for a number of steps and write WORK/base.pt; goes on from a checkpoint where there is one."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    with np.load(work / "data/pretraining.npz") as archive:
        images = torch.from_numpy(np.concatenate([archive["generic_images"], archive["task_images"]]))
        captions = [*archive["generic_captions"].tolist(), *archive["task_captions"].tolist()]
        general = len(archive["generic_images"])
    known = {c: i for i, c in enumerate(dict.fromkeys(captions))}
    caption = torch.tensor([known[c] for c in captions])
    tokens = tokenizer()(list(known))
    model = build()
    with torch.no_grad():
        model.logit_scale.fill_(math.log(START_SCALE))
    if start is not None:
        model.load_state_dict(torch.load(start, weights_only=True)["model"])
    matrices = [p for n, p in model.named_parameters() if p.ndim >= 2 and "embedding" not in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim >= 2 and "embedding" not in n)]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))
    kept = work / "pretrain.ckpt"
    first, smooth = 0, 0.0
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
        torch.manual_seed(seed + first)
    tasks = int(BATCH * FROM_TASKS)
    order, at, before = torch.randperm(general), 0, time.perf_counter()
    print(len(images), "pictures", len(known), "captions", flush=True)
    model.train()
    for step in range(first + 1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(step - 1, steps, 80)
        model.visual.patch_dropout = PatchDropout(0.5) if step <= WITH_HALF * steps else torch.nn.Identity()
        if at + BATCH - tasks > general:
            order, at = torch.randperm(general), 0
        chosen = torch.cat([order[at : at + BATCH - tasks], torch.randint(general, len(images), (tasks,))])
        at += BATCH - tasks
        texts, of = caption[chosen].unique(return_inverse=True)
        with plain_attention(), torch.autocast("cpu", torch.bfloat16):
            seen, read = model.encode_image(varied(images[chosen])), model.encode_text(tokens[texts])
        seen, read = F.normalize(seen.float(), dim=-1), F.normalize(read.float(), dim=-1)
        loss = contrast(seen, read, of, model.logit_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        smooth = loss.item() if step == first + 1 else 0.97 * smooth + 0.03 * loss.item()
        if step % 100 == 0:
            left = (time.perf_counter() - before) / (step - first) * (steps - step)
            scale = model.logit_scale.exp().item()
            print(f"step {step} of {steps}: loss {smooth:.3f}, scale {scale:.1f}, {left / 60:.0f} min left", flush=True)
        if step % 250 == 0:
            print("zero-shot, held-out:", zero_shot(model, work / "data"), flush=True)
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, kept)
            model.train()
    torch.save({"model": model.state_dict(), "steps": steps}, work / "base.pt")
