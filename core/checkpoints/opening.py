"""A checkpoint that has been opened and understood, before any of its numbers are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.checkpoints.classifiers import arrange, trained
from core.checkpoints.formats import ADAPTER, HUGGING_FACE, OPEN_CLIP, open_file, open_folder, read_json
from core.checkpoints.layouts import Kind, Layout, find_layout
from core.checkpoints.source import CheckpointSource, TensorEntry, TensorRecipe
from core.encoders.models import Architecture
from core.errors import BadCheckpoint
from core.files import sha256
from core.lazily import torch

MODEL_TYPES = ("clip", "clip_vision_model")


@dataclass(frozen=True)
class Opened:
    """One checkpoint file or folder."""

    path: Path
    source: CheckpointSource
    layout: Layout
    configuration: str = ""
    """Name of the configuration file in its folder; empty for a file alone."""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, TensorEntry]:
        """Element type and shape of every tensor, by open_clip's names."""
        return {name: recipe.entry(self.source.table) for name, recipe in self.layout.recipes.items()}

    @property
    def quick_gelu(self) -> bool | None:
        """Whether it was trained with QuickGELU (as OpenAI's weights were) or GELU; None where it does not say."""
        if self.configuration == OPEN_CLIP:
            return bool(_table(self.config, "model_cfg").get("quick_gelu", False))
        vision = _table(self.config, "vision_config") or self.config
        if (activation := vision.get("hidden_act")) in ("quick_gelu", "gelu"):
            return bool(activation == "quick_gelu")
        if any(name.endswith(".QuickGELU") for name in self.source.classes):
            return True
        return False if any(name.endswith(".GELU") for name in self.source.classes) else None

    def sha256(self) -> str:
        """SHA-256 of its file; of all names and SHA-256 where it is several."""
        files = list(self.source.files)
        if self.configuration == ADAPTER:  # Its numbers mean nothing without the scale that stands there.
            files.append(self.path / ADAPTER if self.path.is_dir() else self.path.parent / ADAPTER)
        hashes = [sha256(file) for file in files]
        if len(files) == 1:
            return hashes[0]
        lines = "".join(f"{digest}  {file.name}\n" for digest, file in zip(hashes, files, strict=True))
        return hashlib.sha256(lines.encode()).hexdigest()

    def read(self, prefix: str = "", skip: str | None = None) -> Iterator[tuple[str, torch.Tensor]]:
        """The tensors whose open_clip names begin with `prefix` (which is removed), but not with `skip`."""
        for name in self.layout.recipes:
            if name.startswith(prefix) and not (skip and name.startswith(skip)):
                yield name.removeprefix(prefix), self.tensor(name)

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor by its open_clip name."""
        recipe = self.layout.recipes[name]
        return recipe.make([tensor for _, tensor in self.source.read(recipe.parts)])


def open_checkpoint(path: Path, arch: Architecture | None = None) -> Opened:
    """Open a file or a folder; raises `BadCheckpoint`, whatever its bytes are.

    Names of classifiers are understood with the architecture, `arch`, alone.
    """
    if path.is_dir():
        source, configuration, config = open_folder(path)
    else:
        source, configuration, config = open_file(path), "", {}
    layout = find_layout(path.name, source.table, adapter=configuration == ADAPTER)
    if layout.kind == Kind.ADAPTER and not configuration:
        if not (path.parent / ADAPTER).is_file():
            raise BadCheckpoint(
                f"`{path.name}` holds an adapter; expected {ADAPTER} next to it, which gives its scale."
            )
        configuration, config = ADAPTER, read_json(path.parent, ADAPTER)
    if arch is not None and not arch.zero_shot:
        layout = _of_classifier(path.name, source.table, layout, arch)
        return Opened(path, source, layout, configuration, config)
    kind = config.get("model_type", "clip")
    named = config.get("architecture", kind)  # timm's configurations have that.
    if arch is None and configuration == HUGGING_FACE and isinstance(named, str) and named not in MODEL_TYPES:
        library = config.get("library", "timm" if "architecture" in config else "transformers")
        title = f"{named} of {library}"
        recipes = {name: TensorRecipe((name,)) for name in source.table}
        return Opened(path, source, Layout(title[:80], Kind.CLASSIFIER, recipes), configuration, config)
    if configuration not in (ADAPTER, OPEN_CLIP) and kind not in MODEL_TYPES:
        raise BadCheckpoint(
            f"`{path.name}` should hold a CLIP model (model_type {' or '.join(MODEL_TYPES)}). "
            f"Found {str(kind)[:40]!r}. Give weights in open_clip's own format."
        )
    return Opened(path, source, layout, configuration, config)


def _of_classifier(file: str, table: Mapping[str, TensorEntry], layout: Layout, arch: Architecture) -> Layout:
    from core.encoders.building import outline
    from core.encoders.family import family

    known = outline(arch)
    if layout.kind == Kind.ADAPTER:
        return replace(layout, recipes=trained(table, known.head))
    return arrange(file, table, known, family(arch).renaming(arch), arch.name) or layout


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}
