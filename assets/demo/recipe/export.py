"""Stage `export`: the files of the suite, float16 weights and 8-bit pictures, into the folder of this script."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from .model import CONFIG
from .samples import SPLITS
from .tasks import BY_NAME

# Training pictures a task keeps; chalk and paper hardly compress, and the whole suite has to stay below 45 MB.
TRAIN_KEPT, KEPT_OF = 640, {"greek": 320, "hiragana": 320}
LABEL = "open_clip tiny ViT, 32 px, patch 6, width 128, 6 layers"


def export(work: Path, experts: Path, folder: Path, names: list[str]) -> None:
    """Write config.json, base.safetensors and, per task, its image tower and its pictures."""
    metadata = {"format": "pt", "arch": LABEL}
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    state = torch.load(work / "base.pt", weights_only=True)["model"]
    scale = torch.load(experts / f"{names[0]}.pt", weights_only=True)["recipe"]["scale"]
    state["logit_scale"] = torch.tensor(math.log(scale))
    save_file({k: v.half().contiguous() for k, v in state.items()}, folder / "base.safetensors", metadata)
    for name in names:
        visual = torch.load(experts / f"{name}.pt", weights_only=True)["visual"]
        save_file(
            {f"visual.{k}": v.half().contiguous() for k, v in visual.items()},
            folder / f"{name}.safetensors",
            metadata,
        )
        pictures(work, folder, name)


def pictures(work: Path, folder: Path, name: str) -> None:
    """All test and held-out pictures of a task, and a balanced part of its training pictures."""
    with np.load(work / "data" / f"{name}.npz") as archive:
        arrays = {f"{split}_{kind}": archive[f"{split}_{kind}"] for split in SPLITS for kind in ("images", "labels")}
    labels, classes = arrays["train_labels"], len(BY_NAME[name].classes)
    kept = KEPT_OF.get(name, TRAIN_KEPT) // classes
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == c)[:kept] for c in range(classes)]))
    arrays["train_images"], arrays["train_labels"] = arrays["train_images"][chosen], labels[chosen]
    np.savez_compressed(folder / f"{name}.npz", **arrays)
