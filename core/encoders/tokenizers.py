"""Text -> tokens, as the text tower of an architecture takes them; nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from torch import Tensor

from core.encoders.models import Architecture
from core.errors import BadSuite
from core.files import sha256

Tokenizer = Callable[[Sequence[str]], Tensor]
"""Texts -> tokens int64 `[N, context]`."""


def tokenizer(arch: Architecture) -> Tokenizer:
    """CLIP's own tokenizer, or the architecture's from its folder or from what the hub library has on disk.

    Raises `BadSuite` where that is not there.
    """
    text = arch.config["text_cfg"]
    length = text.get("context_length", 77)
    name = text.get("hf_tokenizer_name")
    if not name:
        return _own(length)
    from open_clip.tokenizer import HFTokenizer  # Not needed where all heads are cached; so below.

    options = dict(text.get("tokenizer_kwargs") or {})
    try:
        found: Tokenizer = HFTokenizer(
            str(arch.tokenizer or name), context_length=length, local_files_only=True, **options
        )
    except (OSError, ValueError, ImportError, TypeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise BadSuite(
            f"`{arch.name}` needs the tokenizer `{name}`, which should be on this machine. Found: {reason}. Install "
            "`transformers`, put the tokenizer's files into a folder and name it as `tokenizer` of the base, or give "
            "each task a ready `head`."
        ) from None
    return found


@cache  # Sorting its vocabulary takes longer than all that it is asked.
def _own(length: int) -> Tokenizer:
    from open_clip.tokenizer import SimpleTokenizer

    own: Tokenizer = SimpleTokenizer(context_length=length)
    return own


def identity(arch: Architecture) -> str:
    """Says which tokenizer it is: hashes of the files in the architecture's folder; empty without one."""
    if arch.tokenizer is None:
        return ""
    files = sorted(file for file in arch.tokenizer.iterdir() if file.is_file())
    return " ".join(f"{file.name} {sha256(file)}" for file in files)
