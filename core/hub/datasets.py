"""Data sets of the hub: where they lie in the hub library's cache, and fetching them with progress when asked."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from tqdm import tqdm

from core.hub.download import CHUNK, explained
from core.progress import Progress


def local_dataset(dataset: str, revision: str, patterns: Sequence[str]) -> Path | None:
    """The folder with a data set's tables; None where they are not all on this machine. Opens no connection."""
    try:
        return Path(_snapshot(dataset, revision, patterns, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def missing_bytes(dataset: str, revision: str, patterns: Sequence[str], endpoint: str | None = None) -> int:
    """Bytes that have to be fetched, asked from the hub; raises as `core.hub.download.plan`."""
    with explained(dataset, revision):
        files = _snapshot(dataset, revision, patterns, dry_run=True, endpoint=endpoint)
    return sum(file.file_size for file in files if file.will_download)


def fetch_dataset(
    dataset: str, revision: str, patterns: Sequence[str], progress: Progress, endpoint: str | None = None
) -> None:
    """Fetch the tables; files that are complete are kept when it stops. Raises as `core.hub.download.fetch`."""
    with explained(dataset, revision):
        _snapshot(dataset, revision, patterns, tqdm_class=_bar(progress), endpoint=endpoint)


def _snapshot(dataset: str, revision: str, patterns: Sequence[str], **how: Any) -> Any:
    return snapshot_download(dataset, repo_type="dataset", revision=revision, allow_patterns=list(patterns), **how)


def _bar(progress: Progress) -> type[Any]:
    """What the hub's library draws as bars, told to `progress` in MiB instead."""

    class _DownloadBar(tqdm):  # type: ignore[misc]  # tqdm has no annotations
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "file": StringIO(), "disable": False})
            # Bytes that arrive are counted in a second bar before they are put together.
            self._counts = kwargs.get("unit") == "B" and kwargs.get("desc") != "Downloading bytes"
            self._told = 0

        def update(self, n: float | None = 1) -> Any:
            progress.advance(0)
            done = super().update(n)
            if self._counts and (whole := int(self.n) // CHUNK) > self._told:
                progress.advance(whole - self._told)
                self._told = whole
            return done

    return _DownloadBar
