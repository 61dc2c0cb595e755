"""Class names × templates -> the frozen zero-shot head of a task, cached on disk by content."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from core import paths, remembered
from core.checkpoints import differences, load_checkpoint, load_head, open_checkpoint
from core.encoders.building import build
from core.encoders.models import VISUAL, Architecture
from core.encoders.preprocessing import identity, tokenizer
from core.errors import BadCheckpoint
from core.files import sha256
from core.suite.find import SuiteFile
from core.tasks.task import OWN_HEAD, Task
from core.tasks.templates import Templates, texts


class TaskHeads:
    """The heads of a suite's tasks: made of the texts by the base's text tower or the expert's own, or ready ones."""

    def __init__(self, suite: SuiteFile, arch: Architecture, base_hash: str) -> None:
        self._suite, self._arch = suite, arch
        self._base = HeadBuilder(arch, suite.resolve(suite.entry.base.weights), base_hash, paths.cache())

    def head(self, task: Task) -> Tensor:
        """`[classes, embed_dim]` float32; raises `BadCheckpoint` where a file has no such head or text tower."""
        if task.head is None:
            return self._base.head(task.classes, task.templates)
        if task.head == OWN_HEAD:
            file = self._suite.resolve(task.expert.weights)
            own = HeadBuilder(self._arch, file, open_checkpoint(file).sha256(), paths.cache())
            return own.head(task.classes, task.templates)
        found, expected = load_head(self._suite.resolve(task.head)), (len(task.classes), self._arch.config["embed_dim"])
        if tuple(found.shape) != expected:
            raise BadCheckpoint(
                f"`{task.head}`: the head of `{task.name}` should have shape {list(expected)} [classes, embed_dim]. "
                f"Found {list(found.shape)}."
            )
        return found


def head_hash(suite: SuiteFile, task: Task) -> str | None:
    """SHA-256 of the file that a task's head comes from; None where it is made with the base."""
    if task.head == OWN_HEAD:
        return open_checkpoint(suite.resolve(task.expert.weights)).sha256()
    return sha256(suite.resolve(task.head)) if task.head else None


class HeadBuilder:
    """Builds heads with the text tower of one checkpoint, which is loaded only when a head is not cached."""

    def __init__(self, arch: Architecture, weights: Path, weights_hash: str, cache: Path) -> None:
        self._arch, self._weights, self._hash, self._cache = arch, weights, weights_hash, cache
        self._model: nn.Module | None = None

    def head(self, classes: Sequence[str], templates: Templates) -> Tensor:
        """`[classes, embed_dim]` float32: normalised mean of a class's normalised text embeddings × exp(logit_scale).

        This is the head of Wortsman et al. (2022), as the AdaMerging authors use it. SigLIP's bias is the same for all
        classes and left out: it changes neither the softmax over them nor the answer.
        """
        recipe = [self._hash, self._arch.config, list(classes), list(templates), version("open_clip_torch")]
        recipe += [identity(self._arch)] if self._arch.tokenizer else []
        file = self._cache / "heads" / f"{remembered.key(recipe)}.safetensors"
        shape = (len(classes), self._arch.config["embed_dim"])
        return remembered.tensor(file, "head", shape, lambda: self._embed(classes, templates))

    @torch.no_grad()
    def _embed(self, classes: Sequence[str], templates: Templates) -> Tensor:
        model = self._model = self._model or _load_text_tower(self._arch, self._weights)
        tokenize = tokenizer(self._arch)
        total = torch.zeros(len(classes), self._arch.config["embed_dim"])
        own = texts(classes, templates)
        for at in range(max(map(len, own))):
            rows = [row for row, given in enumerate(own) if at < len(given)]
            tokens = tokenize([own[row][at] for row in rows])
            total[rows] += torch.cat([_normalised(model.encode_text(part)) for part in tokens.split(256)])  # type: ignore[operator]  # open_clip has no types
        scale = model.logit_scale.float().exp()  # type: ignore[operator]  # open_clip has no types
        return (_normalised(total) * scale).contiguous()


def _normalised(x: Tensor) -> Tensor:
    return nn.functional.normalize(x.float(), dim=-1)


def _load_text_tower(arch: Architecture, weights: Path) -> nn.Module:
    model = build(arch)
    wanted = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(VISUAL)}
    found = load_checkpoint(weights, skip=VISUAL).tensors
    tensors = {name: found[name].float() for name in wanted if name in found}
    if wrong := differences(wanted, tensors, sorted(wanted), cast=True):
        raise BadCheckpoint(
            f"`{weights.name}` has no complete text tower of this architecture, which is needed to build the heads: "
            f"{'; '.join(map(str, wrong[:4]))}{'; …' if len(wrong) > 4 else ''}. Give weights that include it, or a "
            "`head`."
        )
    model.load_state_dict(tensors, strict=False)
    del model.visual  # The heads don't need it, and it may be large.
    return model
