"""A folder laid out as on the Hugging Face hub: a configuration beside weights in one file or in shards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from core.checkpoints.formats import open_file
from core.checkpoints.source import CheckpointSource, check_table, opened
from core.errors import BadCheckpoint
from core.files import inside

MAX_JSON = 8 * 2**20
MAX_SHARDS = 1000
ADAPTER = "adapter_config.json"
OPEN_CLIP = "open_clip_config.json"
HUGGING_FACE = "config.json"
WEIGHTS: dict[str, tuple[str, ...]] = {
    ADAPTER: ("adapter_model.safetensors", "adapter_model.bin"),
    OPEN_CLIP: ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors"),
    HUGGING_FACE: (
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ),
}
"""Configuration -> names of the weights that go with it, the best first."""


class Shards(CheckpointSource):
    """Several files that an index makes one checkpoint."""

    def __init__(self, path: Path, parts: list[CheckpointSource], weight_map: Mapping[str, str]) -> None:
        self.path, self._parts = path, parts
        self._part_of = {name: part for part in parts for name in part.table}
        self.table = {name: part.table[name] for name, part in self._part_of.items()}
        check_table(path.name, self.table)
        for name in (*weight_map, *self.table):
            found = self._part_of[name].path.name if name in self.table else None
            if found is None or weight_map.get(name) != found or sum(name in part.table for part in parts) > 1:
                raise BadCheckpoint(
                    f"`{path.name}`: tensor `{name[:80]}` should be in `{str(weight_map.get(name))[:80]}`, as the "
                    f"index says. Found it in {f'`{found}`' if found else 'no shard'}. Fetch the folder again."
                )
        self.format = f"{parts[0].format}, {len(parts)} shards"
        self.warnings = tuple(dict.fromkeys(warning for part in parts for warning in part.warnings))
        self.metadata = parts[0].metadata

    @property
    def files(self) -> tuple[Path, ...]:
        """See `CheckpointSource.files`."""
        return tuple(part.path for part in self._parts)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """See `CheckpointSource.read`."""
        for name in names:
            yield from self._part_of[name].read([name])


def open_folder(folder: Path) -> tuple[CheckpointSource, str, dict[str, Any]]:
    """The weights in `folder`, the name of the configuration that goes with them, and that configuration.

    Raises `BadCheckpoint`; also for a configuration that asks for code of its repository to be run.
    """
    for name, weights in WEIGHTS.items():
        if not _there(folder, name):
            continue
        config = read_json(folder, name)
        if "auto_map" in config:
            raise BadCheckpoint(
                f"`{folder.name}/{name}` should be a plain configuration. Found `auto_map`, which asks to run code of "
                "the repository; none was run. Give the weights of a plain CLIP model."
            )
        for weight in weights:
            if _there(folder, weight):
                return _open(folder, weight), name, config
        raise BadCheckpoint(f"`{folder.name}` holds {name} but no weights; expected one of {', '.join(weights)}.")
    raise BadCheckpoint(
        f"`{folder.name}` is a folder without {HUGGING_FACE}, {OPEN_CLIP} or {ADAPTER}; expected a checkpoint file, or "
        "a folder laid out as on the Hugging Face hub."
    )


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in one file of the folder."""
    path = _checked(folder, name)
    with opened(path) as file:
        raw = file.read(MAX_JSON + 1)
    try:
        if len(raw) > MAX_JSON or raw.count(b"{") > 10_000 or raw.count(b"[") > 10_000:
            raise ValueError("too large")
        found = json.loads(raw.decode("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0][:80]
        raise BadCheckpoint(f"`{folder.name}/{name}` should be a JSON object. Found: {reason}.") from None
    return found


def _there(folder: Path, name: str) -> bool:
    path = folder / name
    return path.is_file() or path.is_symlink()


def _open(folder: Path, name: str) -> CheckpointSource:
    if not name.endswith(".json"):
        return open_file(_checked(folder, name))
    weight_map = read_json(folder, name).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        raise BadCheckpoint(f"`{folder.name}/{name}` should map tensors to files under `weight_map`.")
    files = sorted(set(weight_map.values()))
    if not 0 < len(files) <= MAX_SHARDS:
        raise BadCheckpoint(f"`{folder.name}/{name}` should name 1 to {MAX_SHARDS} shards. Found {len(files)}.")
    for file in files:
        if Path(file).name != file or file.startswith(".") or "\\" in file:
            raise BadCheckpoint(f"`{folder.name}/{name}` should name files in its own folder. Found {file[:60]!r}.")
    return Shards(folder / name, [open_file(_checked(folder, file)) for file in files], weight_map)


def _checked(folder: Path, name: str) -> Path:
    """The file, unless a link leads out of its folder; the hub's cache links into the `blobs` of the repository."""
    path = folder / name
    blobs = (folder.resolve().parent.parent / "blobs",) if folder.resolve().parent.name == "snapshots" else ()
    try:
        allowed = inside(path, folder, *blobs)
    except (OSError, RuntimeError):  # A loop of links.
        allowed = False
    if not allowed:
        raise BadCheckpoint(
            f"`{folder.name}/{name}` is a link that leads out of its folder, and nothing there is opened. Put the file "
            "itself in its place."
        )
    return path
