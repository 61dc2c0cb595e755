"""Checkpoints as named tensors under open_clip's names: whole models, experts held by a base, and heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.checkpoints.differences import differences, not_finite, spoiled, told
from core.checkpoints.layouts import Kind
from core.checkpoints.lora import Adapter
from core.checkpoints.opening import Opened, open_checkpoint
from core.encoders.models import VISUAL, Architecture
from core.errors import BadCheckpoint
from core.lazily import torch


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors of one checkpoint, on the CPU, as stored; what an adapter changes in float64."""

    path: Path
    tensors: dict[str, torch.Tensor]
    sha256: str
    opened: Opened
    """What else it holds; its numbers are read on demand."""
    quick_gelu: bool | None = None
    """Whether it was trained with QuickGELU; None where it does not say."""
    adapter: bool = False
    """Whether it was added to a base: the element types are then not its own."""

    def require_finite(self, prefix: str = "") -> Checkpoint:
        """Itself, unless it holds NaN or infinity: that raises `BadCheckpoint` naming the tensors."""
        if found := not_finite(self.tensors):
            raise BadCheckpoint(spoiled(self.path.name, found, prefix))
        return self


def load_checkpoint(
    path: Path,
    prefix: str = "",
    skip: str | None = None,
    inside: str | None = None,
    arch: Architecture | None = None,
) -> Checkpoint:
    """The tensors of a file or folder whose open_clip names begin with `prefix` (then removed), but not with `skip`.

    `inside` chooses one of several models, and names of classifiers are known with their architecture, see
    `open_checkpoint`; names that belong to no known model are left as they are. Raises `BadCheckpoint` naming the
    file, what was expected and what was found.
    """
    opened = open_checkpoint(path, inside, arch)
    if opened.layout.kind == Kind.ADAPTER:
        raise BadCheckpoint(
            f"`{path.name}` is an adapter, which can't be used without its base; give complete weights."
        )
    if prefix == VISUAL:
        opened.require_encoder()
    return _checkpoint(opened, dict(opened.read(prefix, skip))).require_finite(prefix)


def load_expert(
    path: Path,
    base: Mapping[str, torch.Tensor],
    arch: Architecture | None = None,
    *,
    inside: str | None = None,
    finite: bool = True,
) -> Checkpoint:
    """The image encoder in `path`, its names without `visual.`; `base` is that of the base.

    `inside` chooses one of several models, see `open_checkpoint`.

    What the format leaves to the base (the projection of Hugging Face's CLIPVisionModel, everything that an adapter
    does not touch) is the base's. Whether it fits the base is for the caller to check. Raises `BadCheckpoint`; not
    for NaN and infinity where `finite` is not asked for.
    """
    opened = open_checkpoint(path, inside, arch)
    if opened.layout.kind == Kind.HEAD:
        raise BadCheckpoint(
            f"`{path.name}` is a classification head; expected an image encoder. Give it as the task's `head`."
        )
    opened.require_encoder()
    if opened.layout.kind == Kind.ADAPTER:
        tensors = Adapter(opened, base, rename=_renaming(arch)).merged()
    else:
        tensors = dict(opened.read(VISUAL))
        kept = {name.removeprefix(VISUAL) for name in opened.layout.from_base} & set(base) - set(tensors)
        tensors |= {name: base[name] for name in kept}
    checkpoint = _checkpoint(opened, tensors)
    return checkpoint.require_finite(VISUAL) if finite else checkpoint


def _renaming(arch: Architecture | None) -> Callable[[str], str]:
    """From names of earlier versions of a library to those of its modules."""
    if arch is None or arch.zero_shot:
        return str
    from core.encoders.family import family

    return family(arch).renaming(arch)


def load_text_tower(path: Path, inside: str | None = None, base: tuple[Path, str | None] | None = None) -> Checkpoint:
    """Everything in `path` beside the image encoder; where that is an adapter, what it makes of that of `base`."""
    opened = open_checkpoint(path, inside)
    if opened.layout.kind != Kind.ADAPTER or base is None:
        return load_checkpoint(path, skip=VISUAL, inside=inside)
    file, within = base
    tensors = Adapter(opened, load_checkpoint(file, skip=VISUAL, inside=within).tensors, text=True).merged()
    return _checkpoint(opened, tensors).require_finite()


def load_weights(
    path: Path,
    base: Mapping[str, torch.Tensor],
    names: Sequence[str],
    inside: str | None = None,
    arch: Architecture | None = None,
) -> dict[str, torch.Tensor]:
    """The image encoder in `path` in the base's element types: its parameters, `names`, and the buffers it has.

    Raises `BadCheckpoint` if it does not fit.
    """
    tensors = load_expert(path, base, arch, inside=inside).tensors
    if found := differences(base, tensors, names, cast=True):
        raise BadCheckpoint(told(path.name, found))
    return {name: tensors.get(name, own).to(own) for name, own in base.items()}


def _checkpoint(opened: Opened, tensors: dict[str, torch.Tensor]) -> Checkpoint:
    adapter = opened.layout.kind == Kind.ADAPTER
    return Checkpoint(opened.path, tensors, opened.sha256(), opened, opened.quick_gelu, adapter)
