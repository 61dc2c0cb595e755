"""How a suite file names a repository of the hub: `hub:owner/name[@revision]`, or `open_clip:MODEL/TAG`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import BadInput

PREFIX = "hub:"
TAG_PREFIX = "open_clip:"
"""Then a model's name and one of its pretrained tags in open_clip, such as `ViT-B-32-quickgelu/openai`."""
DEFAULT_REVISION = "main"


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
