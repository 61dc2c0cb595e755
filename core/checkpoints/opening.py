"""A checkpoint that has been opened and understood, before any of its numbers are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.checkpoints.classifiers import arrange, trained
from core.checkpoints.formats import ADAPTER, HUGGING_FACE, OPEN_CLIP, open_file, open_folder, read_json
from core.checkpoints.layouts import Kind, Layout, find_layout
from core.checkpoints.source import CheckpointSource, TensorEntry, TensorRecipe
from core.encoders.models import VISUAL, Architecture
from core.errors import BadCheckpoint
from core.files import sha256
from core.lazily import torch

UNNAMED = re.compile(r"LABEL_\d+")
"""What transformers calls classes whose names nobody gave."""
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
    inside: str | None = None
    """What was chosen of several models."""

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

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes that its head was trained for, row by row; empty where it does not say."""
        named, listed = self.config.get("id2label"), self.config.get("label_names")
        found: list[object] = list(listed) if isinstance(listed, list) else []
        if isinstance(named, dict):
            found = [named.get(str(row)) for row in range(len(named))]
        names = tuple(one for one in found if isinstance(one, str) and not UNNAMED.fullmatch(one))
        return names if len(names) == len(found) else ()

    def sha256(self) -> str:
        """SHA-256 of its file; of all names and SHA-256 where it is several, and of what was chosen in it."""
        files = list(self.source.files)
        if self.configuration == ADAPTER:  # Its numbers mean nothing without the scale that stands there.
            files.append(self.path / ADAPTER if self.path.is_dir() else self.path.parent / ADAPTER)
        hashes = [sha256(file) for file in files]
        if len(files) == 1 and self.inside is None:
            return hashes[0]
        lines = "".join(f"{digest}  {file.name}\n" for digest, file in zip(hashes, files, strict=True))
        lines += "" if self.inside is None else f"{self.inside}\n"
        return hashlib.sha256(lines.encode()).hexdigest()

    def require_encoder(self) -> None:
        """Raise `BadCheckpoint` where nothing in it can be an image encoder."""
        if self.layout.kind == Kind.UNKNOWN and self.layout.obstacle:
            raise BadCheckpoint(f"`{self.path.name}` {self.layout.obstacle}.")
        if any(name.startswith(VISUAL) for name in self.layout.recipes):
            return
        if self.layout.kind == Kind.CLASSIFIER:
            raise BadCheckpoint(
                f"`{self.path.name}` should hold a CLIP image encoder. Found an image classifier; a suite of those has "
                "`arch: timm:NAME`, `torchvision:NAME` or `transformers`."
            )
        if self.layout.kind == Kind.UNKNOWN:
            shown = ", ".join(f"`{name[:60]}`" for name in list(self.source.table)[:3])
            raise BadCheckpoint(
                f"`{self.path.name}` should hold an image encoder. Found none in the names of its "
                f"{len(self.source.table):,} tensors ({shown}, …). Give weights of open_clip or of Hugging Face's CLIP."
            )

    def read(self, prefix: str = "", skip: str | None = None) -> Iterator[tuple[str, torch.Tensor]]:
        """The tensors whose open_clip names begin with `prefix` (which is removed), but not with `skip`."""
        for name in self.layout.recipes:
            if name.startswith(prefix) and not (skip and name.startswith(skip)):
                yield name.removeprefix(prefix), self.tensor(name)

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor by its open_clip name."""
        recipe = self.layout.recipes[name]
        return recipe.make([tensor for _, tensor in self.source.read(recipe.parts)])


def open_checkpoint(path: Path, inside: str | None = None, arch: Architecture | None = None) -> Opened:
    """Open a file or a folder, and the one of its models whose tensors' names begin with `inside`.

    Names of classifiers are understood with the architecture, `arch`, alone. Raises `BadCheckpoint`, whatever its bytes
    are; `SeveralModels` where it holds several and none was chosen.
    """
    if path.is_dir():
        source, configuration, config = open_folder(path)
    else:
        source, configuration, config = open_file(path), "", {}
    within = inside
    if inside is not None:  # What lies around everything is no part of any name.
        within = "" if source.within.startswith(inside) else inside.removeprefix(source.within)
    layout = find_layout(
        path.name, source.table, adapter=configuration == ADAPTER, inside=within, entries=source.entries
    )
    if layout.kind == Kind.ADAPTER and not configuration:
        if not (path.parent / ADAPTER).is_file():
            raise BadCheckpoint(
                f"`{path.name}` holds an adapter; expected {ADAPTER} next to it, which gives its scale."
            )
        configuration, config = ADAPTER, read_json(path.parent, ADAPTER)
    if arch is not None and not arch.zero_shot:
        layout = _of_classifier(path.name, source, layout, arch, within)
        return Opened(path, source, layout, configuration, config, inside)
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
    return Opened(path, source, layout, configuration, config, inside)


def _of_classifier(
    file: str, source: CheckpointSource, layout: Layout, arch: Architecture, inside: str | None
) -> Layout:
    from core.encoders.building import outline
    from core.encoders.family import family

    known = outline(arch)
    if layout.kind == Kind.ADAPTER:
        return replace(layout, recipes=trained(source.table, known.head))
    rename = family(arch).renaming(arch)
    if (found := arrange(file, source, known, rename, arch.name, inside)) is not None or layout.obstacle:
        return found or layout
    told = f"should be a {arch.name}, as the base is. Found names of another model in it; give a fine-tune of the base"
    return replace(layout, kind=Kind.HEAD if layout.kind == Kind.HEAD else Kind.UNKNOWN, obstacle=told)


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}
