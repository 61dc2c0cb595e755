"""Where Mergescope keeps things: bundled assets, and the person's own folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

ASSETS = Path(__file__).resolve().parent.parent / "assets"
"""Files that ship with Mergescope; never written to."""


def home() -> Path:
    """The folder of runs, caches and suites: `MERGESCOPE_HOME`, or the platform's user data folder."""
    chosen = os.environ.get("MERGESCOPE_HOME")
    return Path(chosen).expanduser().resolve() if chosen else Path(platformdirs.user_data_dir("mergescope"))


def runs_folder() -> Path:
    """The default store of runs."""
    return home() / "runs"


def cache() -> Path:
    """Files that can be deleted at any time: they are computed again."""
    return home() / "cache"
