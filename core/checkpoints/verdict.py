"""What a file or folder is, told before anything is loaded: the answer that `inspect` prints and a page can list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.checkpoints.architectures import guess
from core.checkpoints.formats import adapters_in
from core.checkpoints.known_classifiers import fitting
from core.checkpoints.layouts import Kind
from core.checkpoints.lora import of_text
from core.checkpoints.opening import Opened, open_checkpoint

MIXED = "tensors of several element types"


@dataclass(frozen=True)
class VerdictRow:
    """One tensor, by the name that the file gives it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Verdict:
    """What a checkpoint is and holds; plain values, ready for JSON."""

    path: str
    format: str
    """How its bytes are laid out."""
    layout: str
    """Whose names its tensors have."""
    kind: str
    """What it can be used for: a value of `Kind`."""
    architectures: tuple[str, ...]
    """What `arch` of a suite may say for it, the likeliest first; empty where it fits no known model."""
    labels: tuple[str, ...]
    """Names of the classes of its head, where it says them."""
    quick_gelu: bool | None
    """Whether it was trained with QuickGELU; None where it does not say."""
    parameters: int
    """How many numbers it holds."""
    bytes: int
    """Size of its files."""
    dtypes: dict[str, int]
    """Element type -> number of tensors."""
    sha256: str
    metadata: dict[str, str]
    warnings: tuple[str, ...]
    obstacle: str
    """Why it can't be used, after its name; empty where its names don't say what it is."""
    tensors: tuple[VerdictRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and texts."""
        return asdict(self) | {"tensors": [asdict(row) | {"shape": list(row.shape)} for row in self.tensors]}


def identify(path: Path, inside: str | None = None, *, digest: bool = True) -> Verdict:
    """Look at a checkpoint without reading its numbers, but for their SHA-256, which `digest` switches off.

    `inside` chooses one of several models. Raises `BadCheckpoint` with one line that says what is wrong with it.
    """
    opened = open_checkpoint(path, inside)
    table = dict(opened.source.table)
    if inside is not None:
        table = {name: entry for name, entry in table.items() if name not in opened.layout.passed_over}
    return Verdict(
        path=str(path),
        format=opened.source.format,
        layout=opened.layout.name,
        kind=opened.layout.kind,
        architectures=_architectures(opened),
        labels=opened.labels,
        quick_gelu=opened.quick_gelu,
        parameters=sum(entry.numel for entry in table.values()),
        bytes=sum(file.stat().st_size for file in opened.source.files),
        dtypes=dict(Counter(entry.dtype for entry in table.values()).most_common()),
        sha256=opened.sha256() if digest else "",
        metadata=dict(opened.source.metadata),
        warnings=tuple(_warnings(opened)),
        obstacle=opened.layout.obstacle,
        tensors=tuple(VerdictRow(name, entry.shape, entry.dtype) for name, entry in table.items()),
    )


def _architectures(opened: Opened) -> tuple[str, ...]:
    if opened.layout.kind == Kind.CLASSIFIER and not opened.configuration:
        return fitting(opened.source.table)
    if opened.layout.kind == Kind.CLASSIFIER:
        return ("timm" if "architecture" in opened.config else "transformers",)
    return guess(opened.table, opened.quick_gelu) if opened.layout.kind in (Kind.CLIP, Kind.ENCODER) else ()


def _warnings(opened: Opened) -> list[str]:
    found = [*opened.source.warnings]
    if rest := opened.layout.passed_over:
        found.append(f"{len(rest)} tensors are not part of the model and are not used ({_shown(rest)})")
    if opened.layout.kind == Kind.ADAPTER:
        found += _adapter(opened)
    if opened.layout.from_base:
        found.append("it has no projection; an expert keeps the base's")
    if opened.layout.kind in (Kind.CLIP, Kind.ENCODER) and opened.quick_gelu is None:
        found.append(
            "it does not state whether it uses GELU or QuickGELU; OpenAI's weights and their fine-tunes use QuickGELU"
        )
    floats = {entry.dtype for entry in opened.source.table.values() if "float" in entry.dtype}
    if len(floats) > 1:
        found.append(f"{MIXED}: {', '.join(sorted(floats))}")
    if opened.layout.kind == Kind.UNKNOWN:
        told = opened.layout.obstacle
        found.append(f"it {told}" if told else "no image encoder was recognised in its names")
    return found


def _adapter(opened: Opened) -> list[str]:
    """What an adapter holds beside the factors for an image encoder."""
    found = []
    if of_text(opened.source.table, opened.config):
        found.append("it also adapts the text tower, which only a head made with it (`head: own`) uses")
    if saved := list(opened.layout.recipes):
        found.append(f"it also holds tensors as a whole ({_shown(saved)})")
    if opened.path.is_dir() and (others := adapters_in(opened.path)):
        found.append(f"there are other adapters in folders inside it ({_shown(others)})")
    return found


def _shown(names: Sequence[str]) -> str:
    return ", ".join(f"`{name[:60]}`" for name in names[:3]) + (", …" if len(names) > 3 else "")
