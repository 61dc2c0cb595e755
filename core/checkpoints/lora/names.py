"""What the tensors of an adapter are, told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.checkpoints.layouts import ADAPTED
from core.checkpoints.opening import Opened
from core.errors import BadCheckpoint

FACTOR = re.compile(
    r"(?P<module>.+)\.lora_(?:(?P<matrix>[AB])(?:\.[\w\-]+)?\.weight"
    r"|(?P<other>embedding_[AB]|magnitude_vector)(?:\.[\w\-]+)?(?:\.weight)?)"
)
SHAPES = (("A", "B"), ("embedding_A", "embedding_B"))
MAGNITUDE = "magnitude_vector"
MOST_SAVED = 100
TOWER = re.compile(r"(?P<prefix>(?:.*?\.)?)visual\.")
TEXT = re.compile(r"(?:.*\.)?(?:text|language)\w*\..+")
OPEN_CLIP_TEXT = re.compile(r"(?:transformer|token_embedding|positional_embedding|ln_final|logit_\w+)(?:\..*)?")


@dataclass(frozen=True)
class Module:
    """Names in the file of what was trained for one module of the model."""

    a: str
    b: str
    magnitude: str | None
    embedding: bool


@dataclass(frozen=True)
class Names:
    """What an adapter's file holds, under the names of the model that it was made for."""

    modules: Mapping[str, Module]
    saved: Mapping[str, str]
    """Tensors of modules that were trained as a whole (`modules_to_save`), and their names in the file."""


def understand(opened: Opened) -> Names:
    """Raises `BadCheckpoint` for a name that is neither, and for a module that has too few or too many."""
    file, config = opened.path.name, opened.config
    found: dict[str, dict[str, str]] = {}
    saved: dict[str, str] = {}
    for name in opened.source.table:
        own = name.removeprefix(ADAPTED)
        if match := FACTOR.fullmatch(own):
            parts, part = found.setdefault(match["module"], {}), match["matrix"] or match["other"]
        elif _is_saved(own, config):
            parts, part = saved, own
        else:
            raise BadCheckpoint(
                f"`{file}` should be a plain LoRA adapter. Found `{name[:120]}`, which is not supported."
            )
        if part in parts:
            raise BadCheckpoint(
                f"`{file}` should hold one adapter. Found `{parts[part][:120]}` and `{name[:120]}`. Save each in its "
                "own folder."
            )
        parts[part] = name
    return Names({module: _module(file, module, parts, config) for module, parts in found.items()}, saved)


def _is_saved(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a tensor belongs to a module that PEFT saves as a whole: modules whose name ends in one of these."""
    kept = config.get("modules_to_save")
    if not isinstance(kept, list) or len(kept) > MOST_SAVED or ".lora_" in name:
        return False
    parts = name.split(".")
    ends = tuple(str(end) for end in kept)
    return any(".".join(parts[:count]).endswith(ends) for count in range(1, len(parts)))


def _module(file: str, module: str, parts: Mapping[str, str], config: Mapping[str, Any]) -> Module:
    needed = (MAGNITUDE,) if config.get("use_dora") else ()
    for a, b in SHAPES:
        if set(parts) == {a, b, *needed}:
            return Module(parts[a], parts[b], parts.get(MAGNITUDE), embedding=a != "A")
    wanted = " and ".join(f"lora_{part}" for part in ("A", "B", *needed))
    shown = ", ".join(f"lora_{part}" for part in parts)
    raise BadCheckpoint(f"`{file}`: `{module[:120]}` should have {wanted}. Found only {shown}.")


def of_text(names: Iterable[str], config: Mapping[str, Any]) -> frozenset[str]:
    """Which of the names in an adapter belong to a text tower.

    In open_clip that has the names of the image encoder without `visual.`, so that the others and the model's class,
    which PEFT notes, have to tell.
    """
    names = list(names)
    noted = config.get("auto_mapping")
    model = str(noted.get("base_model_class")) if isinstance(noted, dict) else ""
    towers = [match["prefix"] for name in names if (match := TOWER.match(name))]
    whole = bool(towers) or model.endswith(("CLIP", "CoCa"))
    prefix = towers[0] if towers else ADAPTED

    def told(name: str) -> bool:
        own = name.removeprefix(prefix)
        return TEXT.fullmatch(name) is not None or (
            OPEN_CLIP_TEXT.fullmatch(own) is not None if whole else "Text" in model
        )

    return frozenset(filter(told, names))
