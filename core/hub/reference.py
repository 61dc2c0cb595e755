"""How a suite file names a repository of the hub: `hub:owner/name` or `hub:owner/name@revision`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import BadInput

PREFIX = "hub:"
DEFAULT_REVISION = "main"


@dataclass(frozen=True)
class HubReference:
    """One revision of one model repository."""

    repo: str
    revision: str = DEFAULT_REVISION
    """A commit hash (pinned), branch or tag. A branch is resolved once, when it is fetched, and stays that commit."""

    @classmethod
    def parse(cls, text: str) -> HubReference:
        """`hub:owner/name[@revision]`; raises `BadInput` for anything else, addresses included."""
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id

        repo, _, revision = text.removeprefix(PREFIX).partition("@")
        revision = revision or DEFAULT_REVISION
        try:
            validate_repo_id(repo)
        except HFValidationError:
            repo = ""
        # A revision becomes part of an address and of a file name.
        if not text.startswith(PREFIX) or repo.count("/") != 1 or not re.fullmatch(r"[\w][\w.\-]{0,99}", revision):
            raise BadInput(f"A hub model should be named `{PREFIX}owner/name` or `…@revision`. Found `{text[:120]}`.")
        return cls(repo, revision)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + ("" if self.revision == DEFAULT_REVISION else f"@{self.revision}")


def is_hub(weights: str) -> bool:
    """Whether a suite file's `weights` name a repository of the hub and not a path."""
    return weights.startswith(PREFIX)
