"""Which files of a repository are fetched, the weights in their safest format and their configuration, and where to."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.hub.reference import HubReference
from core.paths import home

OPEN_CLIP = "open_clip_config.json"
CONFIGURATION = ("config.json", OPEN_CLIP, "preprocessor_config.json", "adapter_config.json")
WEIGHTS = (
    r"model\.safetensors|model-\d{5}-of-\d{5}\.safetensors|model\.safetensors\.index\.json",
    r"open_clip_model\.safetensors",
    r"adapter_model\.safetensors",
    r"pytorch_model\.bin|pytorch_model-\d{5}-of-\d{5}\.bin|pytorch_model\.bin\.index\.json",
    r"open_clip_pytorch_model\.bin",
)
"""In order of preference: the first that a repository has is taken, the others hold the same once more."""
LISTING = "listing.json"


@dataclass(frozen=True)
class HubFile:
    """One file of a repository."""

    name: str
    size: int
    sha256: str | None
    """Known for files in large-file storage, None for small text files."""


@dataclass(frozen=True)
class HubListing:
    """What a checkpoint consists of at one commit."""

    repo: str
    commit: str
    files: tuple[HubFile, ...]

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size for file in self.files)

    def complete_in(self, folder: Path) -> bool:
        """Whether every file is in `folder` in full."""
        return all((folder / f.name).is_file() and (folder / f.name).stat().st_size == f.size for f in self.files)

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> HubListing | None:
        """The listing in a file; None where there is none that can be read."""
        try:
            data = json.loads(path.read_text("utf-8"))
            return cls(data["repo"], data["commit"], tuple(HubFile(**file) for file in data["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def choose(repo: str, commit: str, found: list[HubFile]) -> HubListing:
    """The files to fetch; raises `BadInput` where the repository has no weights that can be read."""
    names = {file.name for file in found}
    # Beside it, model.safetensors may hold the same under the names of another library.
    patterns = sorted(WEIGHTS, key=lambda pattern: "open_clip" not in pattern) if OPEN_CLIP in names else WEIGHTS
    for pattern in patterns:
        if weights := [file for file in found if re.fullmatch(pattern, file.name)]:
            return HubListing(repo, commit, (*(f for f in found if f.name in CONFIGURATION), *weights))
    shown = ", ".join(file.name for file in found[:12]) or "no file"
    raise BadInput(f"Hub model `{repo}` should have weights such as model.safetensors. Found: {shown}.")


def weights_complete(folder: Path) -> bool:
    """Whether a folder that something else fetched holds a whole checkpoint."""
    for name in ("model.safetensors", "open_clip_model.safetensors", "adapter_model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return True
        index = folder / f"{name}.index.json"
        if index.is_file():
            return all((folder / shard).is_file() for shard in _shards(index))
    return False


def _shards(index: Path) -> set[str]:
    try:
        data: Any = json.loads(index.read_text("utf-8"))
        return {Path(str(name)).name for name in data["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {index.name + " can't be read"}


def repository(reference: HubReference) -> Path:
    """The folder of all revisions of a repository."""
    return home() / "hub" / reference.repo.replace("/", "--")


def commit_of(reference: HubReference) -> str | None:
    """The commit that a fetched revision stands for; None where it was never fetched."""
    try:
        return (repository(reference) / "revisions" / reference.revision).read_text("utf-8").strip()
    except OSError:
        return None


def local_folder(reference: HubReference) -> Path | None:
    """The folder with the complete checkpoint; None where it has to be fetched first. Opens no connection."""
    if commit := commit_of(reference):
        folder = repository(reference) / commit
        listing = HubListing.read(folder / LISTING)
        if listing is not None and listing.complete_in(folder):
            return folder
    from huggingface_hub import try_to_load_from_cache  # Here: whoever only looks through folders need not wait for it.

    # FusionBench and transformers keep what they fetched there: the same files need not be fetched twice.
    cached = try_to_load_from_cache(reference.repo, "config.json", revision=reference.revision)
    if isinstance(cached, str) and weights_complete(Path(cached).parent):
        return Path(cached).parent
    return None


def location(reference: HubReference) -> Path:
    """The folder with the checkpoint, or the one where it will be once it is fetched."""
    return local_folder(reference) or repository(reference) / (commit_of(reference) or "not-fetched")
