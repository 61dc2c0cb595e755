"""Class names × templates -> the frozen zero-shot head of a task, cached on disk by content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from core import paths, remembered
from core.checkpoints import Checkpoint, Kind, Opened, differences, load_text_tower, open_checkpoint, trained_head
from core.encoders.building import build, outline
from core.encoders.models import VISUAL, Architecture
from core.encoders.preprocessing import identity, tokenizer
from core.errors import BadCheckpoint, BadSuite
from core.files import sha256
from core.suite.find import SuiteFile
from core.tasks.classes import rows
from core.tasks.task import IN_EXPERT, Task
from core.tasks.templates import Templates, texts


class TaskHeads:
    """The heads of a suite's tasks: made of the texts by the base's text tower or the expert's own, or ready ones."""

    def __init__(self, suite: SuiteFile, arch: Architecture, base_hash: str) -> None:
        self._suite, self._arch = suite, arch
        base = suite.entry.base
        self._base_file, self._base_hash = (suite.resolve(base.weights), base.inside), base_hash
        self._base = HeadBuilder(arch, self._base_file[0], base_hash, paths.cache(), base.inside)

    def head(self, task: Task) -> Tensor:
        """`[classes, width]` float32, or with a bias as its last column.

        Raises `BadCheckpoint` where a file has no such head or text tower.
        """
        if task.from_texts and not self._arch.zero_shot:
            raise BadSuite(
                f"Task `{task.name}`: `{self._arch.name}` has no text tower that could make a head from `templates`. "
                "Leave them out, which takes the head in the expert's file, or give a `head`."
            )
        if task.head is None:
            return self._base.head(task.classes, task.templates)
        opened = self._opened(task)
        if task.from_texts:
            made_of = opened.sha256() + (self._base_hash if opened.layout.kind == Kind.ADAPTER else "")
            own = HeadBuilder(self._arch, opened.path, made_of, paths.cache(), opened.inside, self._base_file)
            return own.head(task.classes, task.templates)
        try:
            if task.head in IN_EXPERT:
                opened.require_encoder()
            found = trained_head(opened, len(task.classes), outline(self._arch).width, task.head_key)
        except BadCheckpoint as error:
            raise BadCheckpoint(f"Task `{task.name}`: {error}") from None
        order = self._order(task, opened.labels)
        return found if order is None else found[order]

    def labels(self, task: Task) -> tuple[str, ...]:
        """What the rows of a trained head are called in its file, where that fits none of the task's names."""
        if task.from_texts:
            return ()
        labels = self._opened(task).labels
        return () if self._order(task, labels) is not None else labels

    def _opened(self, task: Task) -> Opened:
        """Where a head that the base's text tower does not make comes from."""
        if task.head in IN_EXPERT or task.head is None:
            return open_checkpoint(self._suite.resolve(task.expert.weights), task.expert.inside, self._arch)
        return open_checkpoint(self._suite.resolve(task.head), None, self._arch)

    @staticmethod
    def _order(task: Task, labels: tuple[str, ...]) -> list[int] | None:
        """The rows of a trained head in the order of the task's classes, where both have the same names."""
        return rows(labels, task.classes) or rows(labels, task.ids) if labels else None


def aligned(heads: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The heads of several tasks with equally many columns: where some have a bias, the others get one of 0."""
    widest = max(head.shape[1] for head in heads.values())
    return {task: nn.functional.pad(head, (0, widest - head.shape[1])) for task, head in heads.items()}


def head_hash(suite: SuiteFile, task: Task) -> str | None:
    """SHA-256 of the file that a task's head comes from; None where it is made with the base."""
    if task.head in IN_EXPERT:
        return open_checkpoint(suite.resolve(task.expert.weights), task.expert.inside).sha256()
    return sha256(suite.resolve(task.head)) if task.head else None


class HeadBuilder:
    """Builds heads with the text tower of one checkpoint, which is loaded only when a head is not cached.

    `base` is the file, and the model in it, that an adapter adapts.
    """

    def __init__(
        self,
        arch: Architecture,
        weights: Path,
        weights_hash: str,
        cache: Path,
        inside: str | None = None,
        base: tuple[Path, str | None] | None = None,
    ) -> None:
        self._arch, self._weights, self._inside, self._adapted = arch, weights, inside, base
        self._hash, self._cache = weights_hash, cache
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
        model = self._model = self._model or _text_tower(
            self._arch, load_text_tower(self._weights, self._inside, self._adapted)
        )
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


def _text_tower(arch: Architecture, checkpoint: Checkpoint) -> nn.Module:
    model = build(arch)
    wanted = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(VISUAL)}
    found = checkpoint.tensors
    tensors = {name: found[name].float() for name in wanted if name in found}
    if wrong := differences(wanted, tensors, sorted(wanted), cast=True):
        raise BadCheckpoint(
            f"`{checkpoint.path.name}` has no complete text tower of this architecture, which is needed to build the "
            f"heads: {'; '.join(map(str, wrong[:4]))}{'; …' if len(wrong) > 4 else ''}. Give weights that include it, "
            "or a `head`."
        )
    model.load_state_dict(tensors, strict=False)
    del model.visual  # The heads don't need it, and it may be large.
    return model
