"""Which found files belong together: base, experts with their heads, images; told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.checkpoints import Kind
from core.suite.scan import FoundCheckpoint, FoundImages, Scan, plain

BASE_NAMES = ("zeroshot", "pretrained", "base", "basemodel", "openai", "original")
"""What the base's file is called, letters only."""
FILLERS = re.compile(
    r"fine|tuned|finetuned?|nonlinear|linear|checkpoints?|ckpt|models?|weights|heads?|experts?|images?|data|datasets?"
    r"|open|openclip|pytorch|adapters?|lora|clip|vit|base|large|huge|patch\d+|[blh]|14|16|32|336|final|best|last"
)
"""Words in file names that say nothing about the task."""


@dataclass(frozen=True)
class Suggested:
    """One task: what of the found files its name points to."""

    name: str
    expert: FoundCheckpoint | None = None
    head: FoundCheckpoint | None = None
    images: FoundImages | None = None


@dataclass(frozen=True)
class Suggestion:
    """A suite that the names of files point to; a person confirms or changes it."""

    base: FoundCheckpoint | None
    tasks: tuple[Suggested, ...]


def suggest(found: Scan) -> Suggestion:
    """Put together what has the same name; experts are the encoders that are not the base."""
    encoders = [one for one in found.checkpoints if one.kind in (Kind.CLIP, Kind.ENCODER, Kind.ADAPTER)]
    base = _base(encoders)
    experts = _named((one for one in encoders if one is not base), found.root)
    heads = _named((one for one in found.checkpoints if one.kind == Kind.HEAD), found.root)
    images = {key(one.path, found.root): one for one in found.images}
    tasks = [Suggested(name, expert, heads.get(name), images.get(name)) for name, expert in experts.items()]
    return Suggestion(base, tuple(tasks))


def key(path: Path, root: Path) -> str:
    """The task that a path's own name, or else that of a folder above it, speaks of: lower-case words joined by `-`."""
    for part in reversed(path.relative_to(root).parts):
        words = re.findall(r"[a-z0-9]+", plain(part))
        if told := [word for word in words if not FILLERS.fullmatch(word)]:
            return "-".join(told)[:64]
    return re.sub(r"[^a-z0-9]+", "-", plain(path.name)).strip("-")[:64] or "task"


def _base(encoders: list[FoundCheckpoint]) -> FoundCheckpoint | None:
    """The one whose name says so; else the only one with a text tower."""
    letters = {one.path: re.sub(r"[^a-z]+", "", plain(one.path.name)) for one in encoders}
    named = [one for one in encoders if one.kind != Kind.ADAPTER and letters[one.path] in BASE_NAMES]
    if named:
        return min(named, key=lambda one: (one.kind != Kind.CLIP, len(str(one.path))))
    whole = [one for one in encoders if one.kind == Kind.CLIP]
    return whole[0] if len(whole) == 1 and len(encoders) > 1 else None


def _named(found: Iterable[FoundCheckpoint], root: Path) -> dict[str, FoundCheckpoint]:
    """By task; where two have the same, the second gets a number."""
    named: dict[str, FoundCheckpoint] = {}
    for one in found:
        name = key(one.path, root)
        taken = sum(other == name or re.fullmatch(rf"{re.escape(name)}-\d+", other) is not None for other in named)
        named[f"{name}-{taken + 1}" if taken else name] = one
    return named
