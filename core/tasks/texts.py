"""Text files as people have them: decoded whatever program wrote them; JSON and lines told apart by their content."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

MAX_BYTES = 8 * 2**20
"""Bytes of a file of class names or templates."""
ENCODINGS = ("cp1252", "utf_16", "utf_16_le", "utf_16_be", "gb18030", "cp932", "euc_kr", "cp1251")
"""What is tried for a file that is not UTF-8. More of them could not be told apart in a short file."""
_SAMPLE = 200
"""Lines that are not plain ASCII, by which an encoding is recognised."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_POINTER = "version https://git-lfs.github.com/spec/"
_MARKUP = re.compile(r"-(\s.*)?|#.*|[\"'].*|[^:]+:(\s.*)?|[\[\]{}],?")
"""Lines of YAML or of a part of JSON; a file of nothing else is no list of texts."""


def json_or_lines(file: Path) -> Any:
    """The JSON list or object in a file, or the lines of its text, empty ones left out.

    Raises `OSError`, `ValueError`, and `RecursionError` for JSON that is nested too deeply.
    """
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES >> 20} MiB")
    text = decoded(file.read_bytes())
    if text.lstrip()[:1] in ("[", "{"):
        return json.loads(text, object_pairs_hook=_unique)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and all(map(_MARKUP.fullmatch, lines)):
        raise ValueError(f"`{lines[0][:60]}`, which is neither a plain name nor JSON")
    return lines


def decoded(data: bytes) -> str:
    """The text in these bytes: UTF-8, or one of `ENCODINGS`; raises `ValueError` where that is not clear."""
    try:
        text = data.decode("utf-8-sig")
        text = _otherwise(data) if "\0" in text else text
    except UnicodeDecodeError:
        text = _otherwise(data)
    if text.startswith(_POINTER):
        raise ValueError("a pointer of Git LFS; fetch the file itself with `git lfs pull`")
    if control := _CONTROL.search(text):
        raise ValueError(f"the character {control[0]!r}, which is in no text")
    return text


def _otherwise(data: bytes) -> str:
    import charset_normalizer

    unusual = (
        data if b"\0" in data else b"\n".join([line for line in data.splitlines() if not line.isascii()][:_SAMPLE])
    )
    best = charset_normalizer.from_bytes(unusual[: 2**16], cp_isolation=list(ENCODINGS)).best()
    try:
        return data.decode(best.encoding if best else "ascii").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise ValueError("text in an unknown encoding; save it as UTF-8") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key that occurs more than once")
    return dict(pairs)
