"""What guests are told names no path on this machine, whichever text of an answer it would stand in."""

from __future__ import annotations

import re

PATH = re.compile(
    rb"""/(?:(?<=`/)[^`"\\]+"""  # All of what is marked as code, spaces too.
    rb"""|(?:(?<=[\s"'(=:]/)|(?<=\\n/))"""  # The slash begins something, which those of “and/or” and of Base64 don't.
    rb"""(?!view/)[\w.~-][^\s"'`)\\,;]*)"""  # /view/ begins the addresses of what guests may download.
)
"""An absolute path in an answer as JSON."""


def without_paths(answer: bytes) -> bytes:
    """The answer (JSON) with “…” in place of every absolute path. About 10 ms per megabyte at most."""
    return PATH.sub("…".encode(), answer)
