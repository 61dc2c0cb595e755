"""A file or folder -> `CheckpointSource`. What the bytes say decides, never the name of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.checkpoints import training
from core.checkpoints.pickled import MAGIC, LegacyFile
from core.checkpoints.safetensors_file import MAX_HEADER, SafetensorsFile
from core.checkpoints.source import CheckpointSource, check_table, opened
from core.checkpoints.torch_zip import ZipFile
from core.errors import BadCheckpoint
from core.files import inside
from core.lazily import torch

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
READ = "safetensors, or a state dict or module that `torch.save` wrote"
FOREIGN = (
    (0, b"version https://git-lfs", "a Git LFS pointer instead of the file; run `git lfs pull`"),
    (0, b"<", "a web page or XML text; download the file itself"),
    (0, b"GGUF", "a GGUF file; give the original weights"),
    (0, b"\x89HDF", "an HDF5 file (TensorFlow or Keras); give the PyTorch weights"),
    (0, b"\x93NUMPY", "a NumPy array; save the weights as safetensors"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it"),
    (0, b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (257, b"ustar", "a tar archive; unpack it"),
)
"""Place, mark, and what a person should do about files that are often taken for checkpoints."""

ARCHIVE = re.compile(
    rb"PK\x03\x04.{26}[^/]{1,200}/(?:data\.pkl|data/|version|byteorder|constants\.pkl|code/|\.)", re.DOTALL
)
"""How the archives of `torch.save` and TorchScript begin."""
LEGACY = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little")
"""How a file of `torch.save` begins in its older layout."""


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
        return tuple(part.path for part in self._parts)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
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
                f"`{folder.name}/{name}` should be a plain configuration. Found `auto_map`, which asks to run code "
                "from the repository; none was run. Give the weights of a plain CLIP model."
            )
        for weight in weights:
            if _there(folder, weight):
                return _open(folder, weight), name, config
        raise BadCheckpoint(f"`{folder.name}` holds {name} but no weights; expected one of {', '.join(weights)}.")
    if inner := adapters_in(folder):
        shown = ", ".join(repr(name[:60]) for name in inner[:10]) + (", …" if len(inner) > 10 else "")
        raise BadCheckpoint(f"`{folder.name}` holds adapters in folders of their own: {shown}. Give the path of one.")
    if (trained := training.weights_in(folder)) is not None:
        name, rounded = trained
        source = open_file(_checked(folder, name))
        if rounded and any(entry.dtype in ("float16", "bfloat16") for entry in source.table.values()):
            source.warnings += (training.ROUNDED,)
        return source, "", {}
    raise BadCheckpoint(
        f"`{folder.name}` is a folder without {HUGGING_FACE}, {OPEN_CLIP} or {ADAPTER}; expected a checkpoint file, or "
        "a folder laid out as on the Hugging Face hub."
    )


def adapters_in(folder: Path) -> list[str]:
    """The folders of adapters directly in this one, as PEFT saves several."""
    return sorted(path.parent.name for path in folder.glob(f"*/{ADAPTER}"))


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


def starts_like_weights(path: Path) -> bool:
    """Whether the first bytes of a file are those of weights that can be read, whatever its name."""
    try:
        with opened(path) as file:
            start = file.read(300)
    except BadCheckpoint:
        return False
    header = int.from_bytes(start[:8], "little")
    return bool(start[8:10] == b'{"' and header <= MAX_HEADER) or start.startswith(LEGACY) or bool(ARCHIVE.match(start))


def open_file(path: Path) -> CheckpointSource:
    """The checkpoint in one file; raises `BadCheckpoint`."""
    with opened(path) as file:
        start = file.read(512)
    if path.name.endswith(training.PARTS) and (path.parent / ".metadata").is_file():
        raise training.parts(path.name)
    if not start:
        raise BadCheckpoint(f"`{path.name}` is not a complete safetensors file: it is empty. Fetch or export it again.")
    if start[8:9] == b"{":  # The length of a safetensors header can begin with the letters of any other format.
        return SafetensorsFile(path)
    if start[:2] == b"PK":
        if start[30:][: int.from_bytes(start[26:28], "little")].endswith(b".npy"):
            raise BadCheckpoint(
                f"`{path.name}` is an archive of NumPy arrays; save them as safetensors. Expected {READ}."
            )
        return ZipFile(path)
    if start[:1] == b"\x80":
        return LegacyFile(path)
    for place, mark, told in FOREIGN:
        if start[place:].startswith(mark):
            raise BadCheckpoint(f"`{path.name}` is {told}. Expected {READ}.")
    return SafetensorsFile(path)
