"""Whether a folder is a set of images, and the names of its classes."""

from __future__ import annotations

import os
from pathlib import Path

from core.tasks.decode import SUFFIXES
from core.tasks.sources.folder import WORDS

SPLIT_NAMES = tuple(name for names in WORDS.values() for name in names)


def image_classes(folder: Path, folders: list[str], files: list[str]) -> tuple[str, ...] | None:
    """Class names of a folder that holds images as a whole; `()` where they are unlabelled, None where it is none."""
    if any(name.lower().endswith(SUFFIXES) for name in files):
        return ()
    if not folders:
        return None
    if all(name.lower() in SPLIT_NAMES for name in folders):
        each = [_class_folders(folder / name) for name in folders]
        if any(one is None for one in each):
            return None
        return tuple(sorted({name for one in each if one for name in one}))
    return _class_folders(folder)


def _class_folders(folder: Path) -> tuple[str, ...] | None:
    """Subfolders, if each of them holds images and nothing else does; `()` for images without class folders."""
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    if any(entry.name.lower().endswith(SUFFIXES) for entry in entries):
        return ()
    classes = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    if classes and all(_holds_pictures(folder / name) for name in classes):
        return tuple(classes)
    return None


def _holds_pictures(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.name.lower().endswith(SUFFIXES) for entry in entries)
