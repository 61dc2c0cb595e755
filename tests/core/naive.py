"""The tiny suite computed with open_clip, safetensors and plain autograd only: what the engine is held against."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's channel statistics, written out."""


class Naive:
    """Base, experts, heads and images of a tiny suite in float64."""

    def __init__(self, folder: Path, tasks: int = 3) -> None:
        self.tasks = [f"task{index}" for index in range(tasks)]
        config = json.loads((folder / "config.json").read_text())
        self.model = open_clip.CLIP(**config).eval().double()
        state = load_file(folder / "base.safetensors")
        self.model.load_state_dict({name: tensor.double() for name, tensor in state.items()})
        self.visual: nn.Module = self.model.visual
        self.base = {name: parameter.detach().clone() for name, parameter in self.visual.named_parameters()}
        self.experts = {
            task: {n.removeprefix("visual."): t.double() for n, t in load_file(folder / f"{task}.safetensors").items()}
            for task in self.tasks
        }
        self.arrays = {task: dict(np.load(folder / f"{task}.npz")) for task in self.tasks}

    @property
    def names(self) -> list[str]:
        """Parameter names in the model's order."""
        return list(self.base)

    def delta(self, task: str, name: str) -> Tensor:
        """One tensor of one task vector, subtracted in float64."""
        return self.experts[task][name] - self.base[name]

    def visual_of(self, task: str) -> nn.Module:
        """open_clip's own image encoder with an expert's weights."""
        visual = copy.deepcopy(self.visual)
        visual.load_state_dict(self.experts[task])
        return visual

    def images(self, task: str, chosen: Tensor | slice, split: str = "test") -> Tensor:
        """Normalised images, in float64 from the pixels on."""
        x = torch.from_numpy(self.arrays[task][f"{split}_images"])[chosen].permute(0, 3, 1, 2).double() / 255
        mean, std = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in (MEAN, STD))
        return (x - mean) / std

    def labels(self, task: str, split: str = "test") -> Tensor:
        """Labels of a split."""
        return torch.from_numpy(self.arrays[task][f"{split}_labels"])

    @torch.no_grad()
    def head(self, classes: list[str], templates: list[str], context: int = 16) -> Tensor:
        """The usual zero-shot head, one class at a time, from open_clip's own `encode_text`."""
        rows = []
        tokenizer = open_clip.SimpleTokenizer(context_length=context)
        for name in classes:
            embedded = self.model.encode_text(tokenizer([t.replace("{}", name) for t in templates]))
            mean = (embedded / embedded.norm(dim=-1, keepdim=True)).mean(0)
            rows.append(mean / mean.norm())
        return torch.stack(rows) * self.model.logit_scale.exp()

    def logits(self, weights: dict[str, Tensor], images: Tensor, head: Tensor) -> Tensor:
        """Logits of normalised images under weights of the image encoder, differentiable in both."""
        features = functional_call(self.visual, weights, (images,))
        return features / features.norm(dim=-1, keepdim=True) @ head.T


def naive_loss(
    objective: str, logits: Tensor, labels: Tensor, expert: Tensor, marginal: Tensor | None = None
) -> Tensor:
    """Mean loss of one batch from the definition; `marginal` is uniform where it is not given."""
    p = logits.softmax(-1)
    if objective == "entropy":
        return -(p * p.log()).sum(-1).mean()
    if objective == "cross_entropy":
        return -p.log()[torch.arange(len(labels)), labels].mean()
    if objective == "expert_kl":
        q = expert.softmax(-1)
        return (q * (q.log() - p.log())).sum(-1).mean()
    if objective == "pseudo_label":
        return -p.log()[torch.arange(len(p)), expert.argmax(-1)].mean()
    if objective == "entropy_selected":
        each = -(p * p.log()).sum(-1)
        return torch.stack([h if h < 0.4 * math.log(p.shape[1]) else 0 * h for h in each]).mean()
    if objective == "information_maximisation":
        m = torch.full_like(p[0], 1 / p.shape[1]).detach() if marginal is None else marginal
        return (-(p * p.log()).sum(-1) + (p * m.log()).sum(-1)).mean()
    raise ValueError(f"write the definition of `{objective}` into `naive_loss`")


def block(name: str) -> str:
    """The block of a tensor of the tiny ViT."""
    if name.startswith("transformer.resblocks."):
        return name.split(".")[2]
    return "output" if name.startswith(("ln_post", "proj")) else "embedding"


def groups(names: list[str], kind: str) -> list[list[str]]:
    """Tensors that share a row of λ, blocks from input to output."""
    label = {"task": lambda _: "", "block": block, "tensor": str}[kind]
    order = ("embedding", "0", "1", "output") if kind == "block" else ()
    found: dict[str, list[str]] = {key: [] for key in order}
    for name in names:
        found[label(name)] = [*found.get(label(name), []), name]
    return list(found.values())
