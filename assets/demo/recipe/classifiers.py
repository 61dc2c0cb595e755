"""The suite `demo-heads`: classifiers of timm, from the demo suite's image tower and the pictures that it keeps."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor, nn
from torch.nn import functional as F

from .finetune import Anchors, Recipe, anchored, descend, report
from .model import CONFIG as CLIP
from .model import MEAN, STD, THREADS, cosine, inputs, load_split, plain_attention, varied
from .tasks import BY_NAME, TASKS

NAMES = ("digits", "arabic", "flags", "satellite")
_SHAPE = CLIP["vision_cfg"]
CONFIG: dict[str, Any] = {
    "architecture": "vit_base_patch32_clip_224",
    "num_classes": 0,
    "num_features": _SHAPE["width"],
    "global_pool": "token",
    "model_args": {
        "img_size": _SHAPE["image_size"],
        "patch_size": _SHAPE["patch_size"],
        "embed_dim": _SHAPE["width"],
        "depth": 3,  # Of six: five files of the whole tower would take 12 MB.
        "num_heads": _SHAPE["width"] // _SHAPE["head_width"],
    },
    "pretrained_cfg": {
        "input_size": [3, _SHAPE["image_size"], _SHAPE["image_size"]],
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": [round(value, 8) for value in MEAN.flatten().tolist()],
        "std": [round(value, 8) for value in STD.flatten().tolist()],
    },
}
"""As timm writes it beside the weights of a model on the hub."""


@dataclass(frozen=True)
class Distilling:
    """How the first blocks of the demo's image tower learn the direction of all blocks' features."""

    rate: float = 1e-3
    steps: int = 1000
    batch: int = 128
    copies: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Probing:
    """How a head is fitted to the base's features, before the expert is trained together with it."""

    decay: float = 1e-3
    copies: int = 4
    iterations: int = 300


RECIPE = Recipe(rate=1.2e-3, steps=700, anchor=4.0, anchored=56)


def build(depth: int = CONFIG["model_args"]["depth"]) -> nn.Module:
    """An untrained model of the suite's shape, without a head."""
    return timm.create_model(CONFIG["architecture"], num_classes=0, **CONFIG["model_args"] | {"depth": depth})


def distilled(demo: Path, how: Distilling) -> nn.Module:
    """The base: it has seen the training pictures of all tasks, without labels."""
    torch.manual_seed(how.seed)
    tower = {
        name: tensor for name, tensor in load_file(demo / "base.safetensors").items() if name.startswith("visual.")
    }
    whole, base = build(_SHAPE["layers"]), build()
    named = {name: tensor.float() for name, tensor in checkpoint_filter_fn(tower, whole).items()}
    for model in (whole, base):
        model.load_state_dict({name: named[name] for name in model.state_dict()})
    whole.requires_grad_(False).eval()
    pictures = {task.name: load_split(demo, task, "train")[0].repeat(how.copies, 1, 1, 1) for task in TASKS}
    wanted = anchored(whole, pictures, how.seed)
    optimizer = torch.optim.AdamW(base.parameters(), lr=how.rate, weight_decay=0.0)
    for step in range(how.steps):
        for group in optimizer.param_groups:
            group["lr"] = how.rate * cosine(step, how.steps, 50)
        shown, answers = wanted.draw("", how.batch)
        with plain_attention(), torch.autocast("cpu", torch.bfloat16):
            found = base(shown)
        loss = (F.normalize(found.float(), dim=-1) - answers).pow(2).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(base.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            print(f"base, step {step + 1} of {how.steps}: {loss.item():.4f}", flush=True)
    return base.eval()


@torch.no_grad()
def features(visual: nn.Module, pixels: Tensor) -> Tensor:
    """[N, width] of prepared pictures, as they are."""
    return torch.cat([visual(part) for part in pixels.split(256)])


def probed(visual: nn.Module, images: Tensor, labels: Tensor, classes: int, how: Probing) -> nn.Linear:
    """A linear head on the features of varied pictures."""
    seen = torch.cat([features(visual, varied(images)) for _ in range(how.copies)])
    head, wanted = nn.Linear(seen.shape[1], classes), labels.repeat(how.copies)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=how.iterations, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(head(seen), wanted) + how.decay * head.weight.pow(2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return head


def expert(demo: Path, base: nn.Module, name: str, fixed: Anchors, seed: int) -> dict[str, Tensor]:
    """Encoder and head of one task, under timm's names."""
    torch.manual_seed(seed)
    task, began = BY_NAME[name], time.perf_counter()
    images, labels = load_split(demo, task, "train")
    head = probed(base, images, labels, len(task.classes), Probing())
    visual = copy.deepcopy(base).train()
    descend(visual, head, [*visual.parameters(), *head.parameters()], name, images, labels, RECIPE, fixed)
    images, labels = load_split(demo, task, "held-out")
    with torch.no_grad():
        before, after = (head(features(model.eval(), inputs(images))) for model in (base, visual))
    report(task, before, after, labels, time.perf_counter() - began)
    return visual.state_dict() | {f"head.{key}": tensor for key, tensor in head.state_dict().items()}


def made_by() -> dict[str, str]:
    """What files of the suite say of how they were made, in their metadata."""
    recipe = {part.__class__.__name__.lower(): asdict(part) for part in (Distilling(), Probing(), RECIPE)}
    return {"format": "pt", "recipe": json.dumps(recipe, sort_keys=True)}


def write(state: Mapping[str, Tensor], file: Path) -> None:
    """In float16, like the demo's."""
    save_file({name: tensor.half().contiguous() for name, tensor in state.items()}, file, made_by())


def make(demo: Path, folder: Path) -> None:
    """Write config.json, base.safetensors and, per task, its encoder and head; the pictures stay those of the demo."""
    torch.set_num_threads(THREADS)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    base = distilled(demo, Distilling())
    write(base.state_dict(), folder / "base.safetensors")
    base = base.half().float()  # As it will be read.
    pictures = {task.name: load_split(demo, task, "train")[0] for task in TASKS}
    fixed = anchored(base, pictures, RECIPE.seed)
    for number, name in enumerate(NAMES):
        write(expert(demo, base, name, fixed, 1000 * RECIPE.seed + number), folder / f"{name}.safetensors")
