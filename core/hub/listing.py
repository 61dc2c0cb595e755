"""A repository of the hub: how a suite file names it, which of its files are fetched, and where to.

It is named `hub:owner/name[@revision]` or `open_clip:MODEL/TAG`; its weights are taken in their safest format.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
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
PREFIX = "hub:"
TAG_PREFIX = "open_clip:"
"""Then a model's name and one of its pretrained tags in open_clip, such as `ViT-B-32-quickgelu/openai`."""
DEFAULT_REVISION = "main"


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


@dataclass(frozen=True)
class HubReference:
    """One revision of one model repository."""

    repo: str
    revision: str = DEFAULT_REVISION
    """A commit hash (pinned), branch or tag. A branch is resolved once, when it is fetched, and stays that commit."""

    @classmethod
    def parse(cls, text: str) -> HubReference:
        """The repository that `text` names; raises `BadInput` for anything else, addresses included."""
        if text.startswith(TAG_PREFIX):
            return cls(_repository_of(text))
        repo, _, revision = text.removeprefix(PREFIX).partition("@")
        revision = revision or DEFAULT_REVISION
        # A revision becomes part of an address and of a file name.
        usable = is_repository(repo) and re.fullmatch(r"[\w][\w.\-]{0,99}", revision)
        if not text.startswith(PREFIX) or not usable:
            raise BadInput(f"A hub model should be named `{PREFIX}owner/name` or `…@revision`. Found `{text[:120]}`.")
        return cls(repo, revision)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + ("" if self.revision == DEFAULT_REVISION else f"@{self.revision}")


def is_repository(name: str) -> bool:
    """Whether a name is owner/name as the hub has them."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1


def is_hub(weights: str) -> bool:
    """Whether a suite file's `weights` name a repository of the hub and not a path."""
    return weights.startswith((PREFIX, TAG_PREFIX))


def _repository_of(tag: str) -> str:
    """Where open_clip itself takes a pretrained tag from."""
    import open_clip

    model, _, name = tag.removeprefix(TAG_PREFIX).partition("/")
    known = open_clip.list_pretrained_tags_by_model(model)
    if name not in known:
        raise BadInput(
            f"A pretrained tag should be named `{TAG_PREFIX}MODEL/TAG`. Found `{tag[:80]}`; "
            f"tags of {model[:40] or 'no model'}: {', '.join(known) or 'none'}."
        )
    repository = str((open_clip.get_pretrained_cfg(model, name) or {}).get("hf_hub") or "").strip("/")
    if repository.count("/") != 1:
        raise BadInput(f"`{tag}` is not on the Hugging Face hub; download its file and name that instead.")
    return repository
